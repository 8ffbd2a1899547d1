"""The demo as a person sees it: progress while it sends, then what was acknowledged and stored, then the report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from examples.agents import demo, report
from infra.endpoints import OtlpAddress
from infra.errors import UserError

PHASES = {"history": "history", "live": "live traffic"}


def run_and_report(otlp: OtlpAddress, client: Client, console: Console, **options: Any) -> demo.DemoResult:
    """Runs the demo (`options` as for demo.run) and prints its report.

    Raises UserError when spans were refused, or when ClickHouse does not hold what was acknowledged.
    """
    began = datetime.now(UTC)
    columns = (
        TextColumn("{task.description:<13}"),
        BarColumn(),
        TextColumn("{task.completed:>9,.0f} spans acknowledged"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def show(state: demo.Progress) -> None:
            if state.phase not in tasks:
                tasks[state.phase] = bars.add_task(PHASES[state.phase], total=state.expected)
            # Live traffic is a rate: how many spans it comes to is known only at the end.
            total = max(state.expected, state.sent) if state.acknowledged < state.sent else state.sent
            bars.update(tasks[state.phase], completed=state.acknowledged, total=max(total, state.expected))

        result = demo.run(otlp, progress=show, **options)
        for task in tasks.values():
            bars.update(task, total=bars.tasks[task].completed)
    stored = report.wait_until_stored(client, result, began)
    console.print(
        f"{result.acknowledged:,} of {result.sent:,} spans acknowledged in {result.seconds:.0f} s "
        f"({result.retries} retries), {stored:,} stored in ClickHouse."
    )
    if result.refused:
        raise UserError(f"{result.refused:,} spans were not taken: {result.problem or 'see telemetry logs'}")
    if stored < result.acknowledged:
        missing = result.acknowledged - stored
        raise UserError(f"{missing:,} acknowledged spans are not in ClickHouse yet: telemetry status, telemetry audit")
    report.print_report(client, report.Window(result.start, result.end), console)
    return result
