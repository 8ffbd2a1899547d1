"""`telemetry alerts`: what is firing, with or without a Grafana."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from infra.cli.console import Json, Name, emit, say, show, table_of
from infra.cli.reach import clickhouse
from infra.config import PROJECT
from infra.shards import has_shards, over_all

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from clickhouse_connect.driver.client import Client
    from rich.table import Table

    from infra.dashboards.alerts_evaluation import Firing

COLUMNS = ("state", "severity", "what", "since (UTC)")
COLOURS = {"firing": "red", "unknown": "magenta", "pending": "yellow"}
VERBS = {
    "firing": ("fires", "fire"),
    "unknown": ("is unknown", "are unknown"),
    "pending": ("is pending", "are pending"),
}


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command()(alerts)


def alerts(
    name: Name = "local",
    details: Annotated[bool, typer.Option("--details", help="Every alert, not the longest of each rule.")] = False,
    as_json: Json = False,
) -> None:
    """Evaluates the alert rules on the live tables and says which ones fire. Exit code 1 if one does."""
    with clickhouse(name) as client:
        found, rules = evaluated(client, name)
    if as_json:
        emit([dataclasses.asdict(one) for one in found])
    else:
        say(counted(found, rules), style="bold" if found else None)
        if found:
            show(_every(found) if details else _by_rule(found))
    if any(one.state != "pending" for one in found):
        raise typer.Exit(1)


def evaluated(client: Client, name: str) -> tuple[list[Firing], int]:
    """What is pending or firing on the stack now, and how many rules there are."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from infra.dashboards.alerts import build_rule_groups
    from infra.dashboards.alerts_evaluation import QueryError, evaluate

    groups = build_rule_groups(f"{PROJECT}-{name}")
    sharded = has_shards(client)

    def ask(statement: str) -> list[dict[str, Any]]:
        try:
            return list(client.query(over_all(statement) if sharded else statement).named_results())
        except ClickHouseError as error:
            raise QueryError(str(error).splitlines()[0]) from error

    return evaluate(groups, datetime.now(UTC), ask), sum(len(group["rules"]) for group in groups)


def counted(found: Sequence[Firing], rules: int) -> str:
    """The one line that says it all: `3 fire (2 critical, 1 warning), 1 is pending (1 warning); 15 rules`."""
    parts = []
    for state, (one, several) in VERBS.items():
        severities = Counter(item.severity for item in found if item.state == state)
        if count := severities.total():
            of = ", ".join(f"{number} {severity}" for severity, number in sorted(severities.items()))
            parts.append(f"{count} {one if count == 1 else several} ({of})")
    return f"{', '.join(parts) or 'nothing fires'}; {rules} rules"


def _by_rule(found: Iterable[Firing]) -> Table:
    """A rule's alerts of one state as one row: the one that has lasted longest, how many more, and where to read on."""
    table = table_of(*COLUMNS, fold=("what",))
    for (state, severity, title), group in groupby(found, key=lambda one: (one.state, one.severity, one.title)):
        alerts = sorted(group, key=lambda one: one.since)
        first, more = alerts[0], len(alerts) - 1
        text = Text(f"{title} ({len(alerts)})" if more else title, style="bold")
        for line in dict.fromkeys((first.summary, *([f"and {more} more (--details)"] if more else []), first.runbook)):
            text.append(f"\n{line}", style="not bold")
        table.add_row(Text(state, COLOURS[state]), severity, text, f"{first.since:%m-%d %H:%M}")
    return table


def _every(found: Iterable[Firing]) -> Table:
    table = table_of(*COLUMNS, fold=("what",))
    for one in found:
        text = Text(f"{one.summary}\n{one.runbook}")
        table.add_row(Text(one.state, COLOURS[one.state]), one.severity, text, f"{one.since:%m-%d %H:%M}")
    return table
