"""What a pull request's comment says of its ephemeral stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.comment.markdown import SILENT
from infra.config import PROJECT
from infra.ephemeral.lifetime import written
from infra.ephemeral.record import Record

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
        f"Agents need a token: `telemetry tenants add TENANT --name {stack}`. On another machine, "
        f"`telemetry ephemeral fetch {stack}` first.",
        _log(log_url),
    )


def failed(stack: str, error: str, log_url: str = "") -> str:
    """An `up` that stopped."""
    return _joined(
        marker(stack),
        f"### :x: `{stack}` is not up",
        f"```text\n{error[:4000]}\n```",
        "The next push tries again and goes on where it stopped; removing the label takes away what was made.",
        _log(log_url),
    )


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
