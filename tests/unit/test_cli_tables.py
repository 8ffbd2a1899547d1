"""What the commands print is readable at 80 columns, and whole when it is piped; a stack that is down is said at once."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from infra.cli import alerts, app, budgets
from infra.cli import console as terminal
from infra.dashboards.alerts_evaluation import Firing
from infra.errors import UserError

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


def printed(what: RenderableType, columns: int = 80) -> str:
    """On a terminal of this width."""
    with StringIO() as text:
        Console(file=text, width=columns, force_terminal=True, color_system=None).print(what, highlight=False)
        return text.getvalue()


def squeezed(text: str) -> str:
    return "".join(text.split())


def firing(
    title: str, state: Any = "firing", severity: str = "critical", minutes: int = 1, summary: str = ""
) -> Firing:
    summary = summary or f"{title}: api of tenant acme in prod: 50% of its spans fail"
    since = NOW - timedelta(minutes=minutes)
    return Firing(title, title, severity, state, {}, since, 0.5, summary, "", "/d/x", "docs/alerts.md#error-rate")


# --- alerts


def test_alerts_are_counted_in_one_line_by_state_and_severity() -> None:
    found = [
        firing("Lag"),
        firing("Lag"),
        firing("Disk", severity="warning"),
        firing("Cost spike", "pending", "warning"),
    ]
    assert alerts.counted(found, 15) == "3 fire (2 critical, 1 warning), 1 is pending (1 warning); 15 rules"
    assert alerts.counted([], 15) == "nothing fires; 15 rules"


def test_a_rule_s_alerts_are_one_row_with_the_oldest_of_them() -> None:
    found = [firing("Error rate", minutes=number, summary=f"tenant {number} fails") for number in range(1, 52)]
    shown = printed(alerts._by_rule(found))
    assert "Error rate (51)" in shown and "tenant 51 fails" in shown and "and 50 more (--details)" in shown
    assert shown.count("firing") == 1 and "docs/alerts.md#error-rate" in shown
    assert printed(alerts._every(found)).count("firing") == 51


def test_alerts_fit_80_columns_whole() -> None:
    found = [firing("Error rate", summary="a summary that is much longer than a line of a terminal has columns " * 2)]
    for table in (alerts._by_rule(found), alerts._every(found)):
        shown = printed(table)
        assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown
        assert "11-30 07:59" in shown and "critical" in shown and shown.count("longer") == 2


# --- budgets


def used(**values: Any) -> dict[str, Any]:
    given = {
        "tenant": "acme",
        "subject": "",
        "used": 3.0,
        "share": 1.5,
        "level": 1.0,
        "began": "2026-11-30 08:10:03.123",
    }
    return given | {"state": "open", "told": "", "told_at": "", "ended_at": ""} | values


def test_a_crossing_says_when_it_was_crossed_when_it_was_told_and_how_it_ended() -> None:
    told = {"told": "told", "told_at": "2026-11-30 08:10:05.001"}
    assert budgets.happened(used(**told)).splitlines() == [
        "crossed 11-30 08:10:03 at 1 of the limit",
        "told 11-30 08:10:05",
    ]
    ended = used(state="ended with the run", ended_at="2026-11-30 08:14:00.5", told="not told yet", level=5.0)
    assert budgets.happened(ended).splitlines() == [
        "crossed 11-30 08:10:03 at 5 of the limit",
        "not told yet",
        "ended with the run 11-30 08:14:00",
    ]
    assert budgets.happened(used(level=0.8)) == "warned 11-30 08:10:03 at 0.8 of the limit"
    assert budgets.happened(used(level=0)) == ""


def test_budgets_fit_80_columns_whole() -> None:
    row = used(subject="4bf92f3577b34da6a3ce929d0e0e4736", told="told", told_at="2026-11-30 08:10:05.001")
    listed = [
        {"name": "a run in a loop", "measure": "repeated_tool_calls", "scope": "run", "window": "run", "limit": 20.0}
        | {"evaluated_seconds_ago": 3, "used": [row]},
        {"name": "unseen", "measure": "spend_usd", "scope": "tenant", "window": "day", "limit": 5.0}
        | {"evaluated_seconds_ago": None, "used": []},
    ]
    shown = printed(budgets._table(listed))
    assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown
    for word in ("repeated_tool_calls", "150%", "not evaluated lately"):
        assert squeezed(word) in squeezed(shown) or word in shown


def test_what_is_piped_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    table = terminal.table_of("a", "b", fold=("b",))
    table.add_row(long, long)
    terminal.show(table)
    assert capsys.readouterr().out.splitlines()[1].split() == [long, long]


# --- a stack that is down


@pytest.mark.parametrize(
    "command", [("alerts",), ("budgets",), ("query", "SELECT 1"), ("audit",), ("backfill", "--from", "2026-11-23")]
)
def test_a_stack_that_is_not_up_is_said_at_once(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr("infra.cli.local.stack_folder", lambda name: tmp_path / name)
    began = time.monotonic()
    with pytest.raises(UserError, match="the stack local is not up; `telemetry up --name local` starts it"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert time.monotonic() - began < 10, "nothing was waited for"
