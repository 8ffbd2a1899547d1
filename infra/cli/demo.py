"""`telemetry demo`: the stack up, the demo's agents, and what their traffic says."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.console import Json, Name, console, emit, progress_bars, say, working
from infra.cli.local import stack_platform
from infra.cli.reach import clickhouse, otlp_address
from infra.config import file_settings
from infra.errors import UserError

if TYPE_CHECKING:
    from rich.progress import TaskID


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command()(demo)


def demo(
    name: Name = "local",
    port_base: Annotated[int | None, typer.Option(help="As for `telemetry up`.")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Spans a second of live traffic.")] = 100.0,
    duration: Annotated[float, typer.Option(min=0, help="Seconds of live traffic.")] = 60.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same agents and the same story.")] = 7,
    history: Annotated[float, typer.Option(min=0, help="Days of sparse history sent first; 0: none.")] = 3.0,
    history_spans: Annotated[int, typer.Option(min=0, help="Spans of that history.")] = 300_000,
    protocol: Annotated[str, typer.Option(help="http or grpc.")] = "http",
    token: Annotated[Path | None, typer.Option(help="File with a token (collectorAuth jwt).")] = None,
    up: Annotated[bool, typer.Option(help="Bring the stack up first.")] = True,
    as_json: Json = False,
) -> None:
    """Brings a local stack up, sends the demo's traffic and shows cost, slow tools and failures from ClickHouse."""
    from examples.agents import report
    from examples.agents.demo import Progress as DemoProgress
    from examples.agents.demo import run
    from infra.cli import stack
    from infra.local.dashboards import page_url

    if protocol not in ("http", "grpc"):
        raise UserError(f"--protocol {protocol}: use http or grpc")
    if (platform := stack_platform(name)) != "local":
        raise UserError(
            f"the demo is for stacks on this machine, and {name} is on {platform}: send it your agents' own traffic, with a "
            f"token of `telemetry tenants add TENANT --name {name}`"
        )
    if up:
        stack.up(name, port_base)
    headers = {"Authorization": f"Bearer {token.read_text().strip()}"} if token else None
    began = datetime.now(UTC)
    with progress_bars() as bars:
        tasks: dict[str, TaskID] = {}

        def show(progress: DemoProgress) -> None:
            if progress.phase not in tasks:
                tasks[progress.phase] = bars.add_task(progress.phase, total=progress.expected)
            bars.update(tasks[progress.phase], completed=progress.acknowledged)

        result = run(
            otlp_address(name), rate, duration, seed, history, history_spans, show, headers=headers, protocol=protocol
        )
    say(
        f"{result.acknowledged:,} of {result.sent:,} spans acknowledged in {result.seconds:.0f} s "
        f"(history: {result.history_seconds:.0f} s)"
        + (f"; {result.refused:,} refused: {result.problem}" if result.refused else "")
    )
    with clickhouse(name) as client:
        with working("waiting until all of them are stored"):
            stored = report.wait_until_stored(client, result, began)
        window = report.Window(result.start, result.end)
        with working("asking what they cost"):
            found = report.read_report(client, window)
    page = page_url(file_settings(name))
    if as_json:
        sent = {"sent": result.sent, "acknowledged": result.acknowledged, "refused": result.refused, "stored": stored}
        emit({**sent, "from": window.start, "to": window.end, "dashboards": page, **dataclasses.asdict(found)})
    else:
        report.print_report(found, window, console)
        say(f"\nSee it live: {page}", style="bold")
    if stored < result.acknowledged:
        raise UserError(
            f"{result.acknowledged - stored:,} of the acknowledged spans are not in ClickHouse yet; "
            "`telemetry status` and `telemetry audit` tell where they are"
        )
    if result.refused:
        raise UserError(f"{result.refused:,} spans were refused: {result.problem}")
