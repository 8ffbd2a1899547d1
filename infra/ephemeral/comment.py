"""What a pull request's comment says of its ephemeral stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from infra.comment.markdown import SILENT
from infra.config import PROJECT
from infra.ephemeral.lifetime import written
from infra.ephemeral.record import Record

if TYPE_CHECKING:
    from infra.ephemeral.standing import Row

SHOWN = {
    "otlpHttp": "OTLP over HTTP",
    "otlpGrpc": "OTLP over gRPC",
    "dashboard": "Dashboard",
    "dashboards": "Dashboards",
    "clickhouseHttp": "ClickHouse",
    "kafka": "Kafka",
}
"""Outputs for people, in this order."""


def marker(stack: str) -> str:
    """The comment's first line, by which it is found again: beside the preview's of the same stack."""
    return f"<!-- ephemeral {PROJECT}/{stack} -->"


def up(stack: str, found: Record, outputs: Mapping[str, Any], log_url: str = "") -> str:
    """The stack is there."""
    rows = [f"| {title} | {_linked(outputs[key])} |" for key, title in SHOWN.items() if outputs.get(key)]
    shared = f" It shares {', '.join(found.parts)} with `{found.share}`." if found.share else ""
    return _joined(
        marker(stack),
        f"### :rocket: `{stack}` is up until {written(found.expires)}",
        f"A push extends it; removing the label or closing the pull request ends it.{shared}",
        "\n".join(["| | |", "|---|---|", *rows]),
        f"Agents: `telemetry ephemeral fetch {stack} --env-file agents.env` writes address and token, the same each time, for "
        "`set -a; . ./agents.env`.",
        _log(log_url),
    )


def failed(stack: str, error: str, there: Row | None, log_url: str = "") -> str:
    """An `up` that stopped, and how the stack stands now; `there`: None where there is none."""
    title, after = "not up", "Nothing was made. The next push tries again."
    if there:
        since = f" since {there.since}" if there.since else ""
        title, after = {
            "up": (
                f"up until {there.expires}, as it was",
                "This commit is not on it: what was there goes on. The next push tries again.",
            ),
            "coming up": ("being worked on", f"Another command brings it up{since}."),
            "being ended": ("being worked on", f"Another command ends it{since}."),
            "empty": ("not up", "Nothing was made. The next push tries again."),
        }.get(
            there.state,
            (
                f"half up: {there.resources} resources are there until {there.expires}",
                "They cost money until then. The next push goes on where it stopped; removing the label takes away what was made.",
            ),
        )
    error_block = f"```text\n{error[:4000]}\n```"
    return _joined(marker(stack), f"### :x: `{stack}` is {title}", error_block, after, _log(log_url))


def down(stack: str, left: str = "", log_url: str = "") -> str:
    """The stack is gone; or not all of it."""
    if left:
        text = f"```text\n{left[:4000]}\n```"
        return _joined(marker(stack), f"### :x: `{stack}`: something is left and may cost money", text, _log(log_url))
    # Where there is no earlier comment there is nothing to say.
    return f"{marker(stack)}\n{SILENT}\n### :white_check_mark: `{stack}` is taken down\n"


def _linked(value: Any) -> str:
    text = str(value)
    return text if text.startswith("http") else f"`{text}`"


def _log(url: str) -> str:
    return f"[The whole log]({url})" if url else ""


def _joined(first: str, *blocks: str) -> str:
    return "\n".join([first, "\n\n".join(block for block in blocks if block)]) + "\n"
