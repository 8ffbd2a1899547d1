"""`telemetry alerts`: what is firing, with or without a Grafana."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from infra.cli.console import Name, console
from infra.cli.reach import clickhouse
from infra.config import PROJECT

if TYPE_CHECKING:
    from infra.dashboards.alerts_evaluation import Firing

COLOURS = {"firing": "red", "unknown": "magenta", "pending": "yellow"}


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command()(alerts)


def alerts(
    name: Name = "local",
    format_: Annotated[Literal["text", "json"], typer.Option("--format", "-f", help="text or json.")] = "text",
) -> None:
    """Evaluates the alert rules on the live tables and says which ones fire. Exit code 1 if one does."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from infra.dashboards.alerts import build_rule_groups
    from infra.dashboards.alerts_evaluation import QueryError, evaluate

    groups = build_rule_groups(f"{PROJECT}-{name}")
    with clickhouse(name) as client:

        def ask(statement: str) -> list[dict[str, Any]]:
            try:
                return list(client.query(statement).named_results())
            except ClickHouseError as error:
                raise QueryError(str(error).splitlines()[0]) from error

        found = evaluate(groups, datetime.now(UTC), ask)
    if format_ == "json":
        console.print_json(json.dumps([dataclasses.asdict(one) for one in found], default=str))
    else:
        _print(found, sum(len(group["rules"]) for group in groups))
    if any(one.state != "pending" for one in found):
        raise typer.Exit(1)


def _print(found: Sequence[Firing], rules: int) -> None:
    if not found:
        console.print(f"Nothing fires: {rules} rules.", highlight=False)
        return
    table = Table("State", "Severity", "What", "Since (UTC)", "What to do", box=None, pad_edge=False)
    for one in found:
        since = f"{one.since:%m-%d %H:%M}"
        table.add_row(f"[{COLOURS[one.state]}]{one.state}[/]", one.severity, one.summary, since, one.runbook)
    console.print(table, highlight=False)
