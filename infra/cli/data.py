"""The commands that ask and mend the data: query, backfill, audit."""

from __future__ import annotations

import datetime
import json
import re
import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.console import Name, console
from infra.cli.reach import clickhouse, each_shard, reach_of
from infra.config import file_settings
from infra.endpoints import KafkaAddress
from infra.errors import UserError
from infra.paths import SQL
from infra.shards import for_readers

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from infra.worker.backfill import Backfill


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    for command in (query, backfill, audit):
        app.command()(command)


def query(
    sql: Annotated[str, typer.Argument(help="The statement; '-' reads it from standard input.")],
    name: Name = "local",
    format_: Annotated[str, typer.Option("--format", "-f", help="Any ClickHouse output format.")] = "PrettyCompact",
) -> None:
    """Runs one statement in ClickHouse and prints what it returns."""
    from infra.clickhouse import as_user_error

    text = (sys.stdin.read() if sql == "-" else sql).strip().rstrip(";")
    chosen = None if re.search(r"\bFORMAT\s+\w+$", text, re.IGNORECASE) else format_
    with clickhouse(name) as client, as_user_error("query"):
        sys.stdout.buffer.write(client.raw_query(text, fmt=chosen))


def _when(text: str, option: str) -> datetime.datetime:
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{option} {text!r}: write a time in UTC such as 2026-11-23T10:00 or a day, 2026-11-23"
        ) from None
    return when if when.tzinfo else when.replace(tzinfo=datetime.UTC)


def backfill(
    from_: Annotated[str, typer.Option("--from", help="First minute, in UTC: 2026-11-23 or 2026-11-23T10:00.")],
    to: Annotated[str, typer.Option("--to", help="End, in UTC; empty: now.")] = "",
    tenant: Annotated[str, typer.Option(help="Only this tenant.")] = "",
    restart: Annotated[bool, typer.Option(help="From the beginning, not where a stopped run ended.")] = False,
    name: Name = "local",
) -> None:
    """Rebuilds rollups, runs and the trace index of a window from deduplicated raw. Stop it and run it again."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from infra.worker.backfill import backfill as rebuild

    start = _when(from_, "--from")
    end = _when(to, "--to") if to else None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    for shard, client in each_shard(reach_of(name)):
        where = f"shard {shard}: " if shard > 1 else ""
        with Progress(*columns, console=console) as bars:
            task = bars.add_task("hours", total=None)

            def show(state: Backfill, bars: Progress = bars, task: TaskID = task, where: str = where) -> None:
                text = f"{where}hours ({state.minutes:,} tenant minutes, {state.spans:,} spans)"
                bars.update(task, total=state.hours_total or None, completed=state.hours_done, description=text)

            _print_rebuilt(rebuild(client, start, end, tenant or None, show, restart=restart), where)


def _print_rebuilt(done: Backfill, where: str) -> None:
    console.print(
        where
        + f"{'continued and ' if done.continued else ''}rebuilt {done.minutes:,} tenant minutes from {done.spans:,} spans"
        + (
            f"; {done.refused:,} left as they are: their raw rows are, or may be, deleted already"
            if done.refused
            else ""
        )
        + (f"; {len(done.live):,} left to the views: rows kept arriving" if done.live else ""),
        highlight=False,
    )


def audit(
    repair: Annotated[
        bool, typer.Option("--repair", help="Recompute the minutes that differ and compare again (local).")
    ] = False,
    name: Name = "local",
) -> None:
    """Compares offsets, rows and rollups; exits with 1 on a difference. On AWS: the worker's last audit."""
    found = file_settings(name)
    if found.platform != "local":
        _last_audit(name, repair)
        return
    from infra.worker.audit import audit as compare
    from infra.worker.blank_messages import blank_counter
    from infra.worker.positions import read_positions

    kafka = KafkaAddress(f"127.0.0.1:{found.kafkaPort}")
    with clickhouse(name) as client:
        report = compare(client, read_positions(kafka), repair=repair, blank=blank_counter(kafka))
    _print_audit([(row.name, row.expected, row.found, row.difference, row.detail) for row in report.rows])
    if repair:
        console.print(f"{report.repaired} minutes recomputed, {report.refused} could not be", highlight=False)
    if not report.ok:
        hint = "" if repair else "; `telemetry audit --repair` recomputes what differs"
        raise UserError(f"something differs (above){hint}")


def _last_audit(name: str, repair: bool) -> None:
    """An audit reads Kafka's offsets, and the brokers answer inside of their network only: the worker audits there."""
    if repair:
        raise UserError(
            "--repair needs Kafka, which answers inside of the stack's network only; the worker there repairs what its "
            "audits find, and `telemetry backfill` rebuilds a window"
        )
    with clickhouse(name) as client:
        text = (SQL / "queries" / "worker_last_audit.sql").read_text()
        rows = client.query(for_readers(client, text)).result_rows
    if not rows:
        raise UserError("the worker has recorded no audit in the last day; `telemetry status` shows whether it runs")
    ok, detail, ago = rows[0]
    console.print(
        f"Kafka answers inside of the stack's network only; this is the worker's last audit, {ago} s ago, after its own "
        "repairs:",
        highlight=False,
    )
    _print_audit(
        (row["name"], *map(Decimal, map(str, (row["expected"], row["found"], row["difference"]))), row["detail"])
        for row in json.loads(detail)["rows"]
    )
    if not ok:
        raise UserError("something differs (above)")


def _print_audit(rows: Iterable[tuple[Any, ...]]) -> None:
    from rich.table import Table

    table = Table("check", "expected", "found", "difference", "detail")
    for name, expected, found, difference, detail in rows:
        style = "red" if difference else None
        table.add_row(name, f"{expected:,}", f"{found:,}", f"{difference:,}", detail, style=style)
    console.print(table)
