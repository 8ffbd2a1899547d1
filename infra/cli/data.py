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

from infra.cli.console import Json, Name, emit, progress_bars, say, show, table_of, working
from infra.cli.reach import clickhouse, each_shard, reach_of
from infra.config import file_settings
from infra.endpoints import KafkaAddress
from infra.errors import UserError
from infra.paths import SQL
from infra.shards import for_readers

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from rich.progress import Progress, TaskID

    from infra.worker.backfill import Backfill


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    for command in (query, backfill, audit):
        app.command()(command)


def query(
    sql: Annotated[str, typer.Argument(help="The statement; '-' reads it from standard input.")],
    name: Name = "local",
    format_: Annotated[str, typer.Option("--format", "-f", help="Any ClickHouse output format.")] = "PrettyCompact",
    as_json: Json = False,
) -> None:
    """Runs one statement in ClickHouse and prints what it returns; with --json in ClickHouse's format JSON."""
    from infra.clickhouse import as_user_error

    text = (sys.stdin.read() if sql == "-" else sql).strip().rstrip(";")
    if not text:
        raise UserError("query: the statement is empty")
    given = re.search(r"\bFORMAT\s+\w+$", text, re.IGNORECASE)
    if given and as_json:
        raise UserError(f"--json: the statement has a format of its own, {given[0]}; leave one of the two out")
    chosen = None if given else "JSON" if as_json else format_
    with clickhouse(name) as client, as_user_error("query"):
        answer = client.raw_query(text, fmt=chosen)
    if as_json:
        # What returns nothing (CREATE, INSERT) has no format either.
        emit(json.loads(answer or "null"))
    else:
        sys.stdout.buffer.write(answer)


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
    as_json: Json = False,
) -> None:
    """Rebuilds rollups, runs and the trace index of a window from deduplicated raw. Stop it and run it again."""
    from infra.clickhouse import as_user_error
    from infra.worker.backfill import backfill as rebuild

    start = _when(from_, "--from")
    end = _when(to, "--to") if to else None
    done: list[dict[str, Any]] = []
    for shard, client in each_shard(reach_of(name)):
        where = f"shard {shard}: " if shard > 1 else ""
        with progress_bars() as bars, as_user_error(f"{where}backfill"):
            task = bars.add_task("hours", total=None)

            def at(state: Backfill, bars: Progress = bars, task: TaskID = task, where: str = where) -> None:
                text = f"{where}hours ({state.minutes:,} tenant minutes, {state.spans:,} spans)"
                bars.update(task, total=state.hours_total or None, completed=state.hours_done, description=text)

            rebuilt = rebuild(client, start, end, tenant or None, at, restart=restart)
        _print_rebuilt(rebuilt, where)
        counts = {key: getattr(rebuilt, key) for key in ("continued", "minutes", "spans", "refused")}
        done.append({"shard": shard, **counts, "left_to_the_views": len(rebuilt.live)})
    if as_json:
        emit(done)


def _print_rebuilt(done: Backfill, where: str) -> None:
    say(
        where
        + f"{'continued and ' if done.continued else ''}rebuilt {done.minutes:,} tenant minutes from {done.spans:,} spans"
        + (
            f"; {done.refused:,} left as they are: their raw rows are, or may be, deleted already"
            if done.refused
            else ""
        )
        + (f"; {len(done.live):,} left to the views: rows kept arriving" if done.live else "")
    )


def audit(
    repair: Annotated[
        bool, typer.Option("--repair", help="Recompute the minutes that differ and compare again (local).")
    ] = False,
    name: Name = "local",
    as_json: Json = False,
) -> None:
    """Compares offsets, rows and rollups; exits with 1 on a difference. On AWS: the worker's last audit."""
    found = file_settings(name)
    if found.platform != "local":
        _last_audit(name, repair, as_json)
        return
    from infra.worker.audit import audit as compare
    from infra.worker.blank_messages import blank_counter
    from infra.worker.positions import read_positions

    kafka = KafkaAddress(f"127.0.0.1:{found.kafkaPort}")
    with clickhouse(name) as client, working("comparing offsets, rows and rollups"):
        report = compare(client, read_positions(kafka), repair=repair, blank=blank_counter(kafka))
    rows = [(row.name, row.expected, row.found, row.difference, row.detail) for row in report.rows]
    if as_json:
        emit(_audit_json(report.ok, rows) | {"repaired": report.repaired, "refused": report.refused})
    else:
        _print_audit(rows)
        if repair:
            say(f"{report.repaired} minutes recomputed, {report.refused} could not be")
    if not report.ok:
        hint = "" if repair else "; `telemetry audit --repair` recomputes what differs"
        raise UserError(f"something differs (above){hint}")


def _last_audit(name: str, repair: bool, as_json: bool) -> None:
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
    compared = [
        (row["name"], *map(Decimal, map(str, (row["expected"], row["found"], row["difference"]))), row["detail"])
        for row in json.loads(detail)["rows"]
    ]
    if as_json:
        emit(_audit_json(bool(ok), compared) | {"seconds_ago": ago})
    else:
        say(
            f"Kafka answers inside of the stack's network only; this is the worker's last audit, {ago} s ago, after its own "
            "repairs:"
        )
        _print_audit(compared)
    if not ok:
        raise UserError("something differs (above)")


def _audit_json(ok: bool, rows: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
    keys = ("name", "expected", "found", "difference", "detail")
    return {"ok": ok, "checks": [dict(zip(keys, row, strict=True)) for row in rows]}


def _print_audit(rows: Iterable[tuple[Any, ...]]) -> None:
    figures = ("expected", "found", "difference")
    table = table_of("check", *figures, "detail", fold=("check", "detail"), right=figures)
    for name, expected, found, difference, detail in rows:
        style = "red" if difference else None
        table.add_row(name, f"{expected:,}", f"{found:,}", f"{difference:,}", detail, style=style)
    show(table)
