"""What the demo shows at the end, read from ClickHouse: what it cost, who was slow, failing or looping."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.table import Table

from examples.agents.demo import DemoResult
from infra.paths import SQL

TENANTS_SHOWN = 8
COSTLY = 3.0
"""A tenant stands out when its share of the cost is this many times its share of the model calls."""
SLOW = 3.0
"""A tool stands out when its 95th percentile is this many times the next slowest tool's."""


@dataclass(frozen=True)
class Window:
    """The time that the report is about."""

    start: datetime
    end: datetime


Row = dict[str, Any]


def ask(client: Client, name: str, window: Window, **parameters: Any) -> list[Row]:
    """The rows of sql/queries/NAME.sql for `window`."""
    sql = (SQL / "queries" / f"{name}.sql").read_text()
    result = client.query(sql, parameters={"from": window.start, "to": window.end, **parameters})
    return list(result.named_results())


def wait_until_stored(client: Client, result: DemoResult, began: datetime, patience: float = 60.0) -> int:
    """How many of the demo's spans ClickHouse holds: waits until that is all that were acknowledged."""
    window, deadline = Window(result.start, result.end), time.monotonic() + patience
    while True:
        (row,) = ask(client, "demo_stored", window, began=began)
        if row["spans"] >= result.acknowledged or time.monotonic() > deadline:
            return int(row["spans"])
        time.sleep(0.2)


@dataclass(frozen=True)
class Report:
    """The figures of a window, as the queries return them."""

    total: Row
    tenants: list[Row]
    models: list[Row]
    tools: list[Row]
    failing: list[Row]
    loops: list[Row]


def read_report(client: Client, window: Window) -> Report:
    """Asks for all figures."""
    tables = ("demo_cost_by_tenant", "demo_cost_by_model", "demo_slow_tools", "demo_failing", "demo_loops")
    return Report(ask(client, "demo_total", window)[0], *(ask(client, table, window) for table in tables))


def print_report(found: Report, window: Window, console: Console) -> None:
    """Prints the whole report: the findings first, then the tables that they come from."""
    total, tenants, models, tools = found.total, found.tenants, found.models, found.tools
    failing, loops = found.failing, found.loops
    console.print(f"\n[bold]{window.start:%d %b %H:%M} to {window.end:%d %b %H:%M} UTC", highlight=False)
    if not total["model_calls"]:
        console.print("No model call in this window: did the demo's spans arrive? `telemetry status` tells.")
        return
    unpriced = total["unpriced"] / total["model_calls"]
    console.print(
        f"[bold]{dollars(total['usd'])}[/] for {total['model_calls']:,} model calls and {short(total['tokens'])} tokens; "
        f"{unpriced:.1%} of the calls have no known price and are not in this sum."
    )
    for finding in findings(tenants, models, tools, failing, loops):
        console.print(f"[bold yellow]•[/] {finding}")
    console.print(_tenants(tenants))
    console.print(_models(models))
    console.print(_tools(tools))
    if failing:
        console.print(_failing(failing))
    if loops:
        console.print(_loops(loops))


def findings(
    tenants: Sequence[Row], models: Sequence[Row], tools: Sequence[Row], failing: Sequence[Row], loops: Sequence[Row]
) -> list[str]:
    """What stands out in the figures, a sentence each."""
    said = []
    ratios = [(float(row["usd_share"]) / row["call_share"], row) for row in tenants if row["usd_share"] > 0.05]
    if ratios and (worst := max(ratios, key=lambda item: item[0]))[0] >= COSTLY:
        ratio, row = worst
        said.append(
            f"Tenant [bold]{row['tenant']}[/] is costly: {float(row['usd_share']):.0%} of the cost with "
            f"{row['call_share']:.0%} of the model calls ({ratio:.0f} times its share)."
        )
    if len(tools) > 1 and tools[0]["p95"] > SLOW * tools[1]["p95"]:
        said.append(
            f"Tool [bold]{tools[0]['tool']}[/] is slow: 95% within {seconds(tools[0]['p95'])}; "
            f"the next slowest, {tools[1]['tool']}, takes {seconds(tools[1]['p95'])}."
        )
    troubled = [row for row in tools if row["tool_calls"] >= 20]
    if troubled and (worst := max(troubled, key=lambda row: row["failing"]))["failing"] > 0.02:
        said.append(
            f"Tool [bold]{worst['tool']}[/] fails most: {worst['failing']:.1%} of {worst['tool_calls']:,} calls."
        )
    if loops:
        row = loops[0]
        said.append(
            f"Agent [bold]{row['agent']}[/] {row['version']} loops: in {row['looping']:.0%} of its runs it makes the same "
            f"call of {row['tool']} again and again, up to {row['most_repeated']} times."
        )
    unpriced = [row for row in models if _has_no_price(row)]
    if unpriced and (most := max(unpriced, key=lambda row: row["unpriced"])):
        said.append(
            f"Model [bold]{most['model']}[/] has no price: {most['unpriced']:,} calls are counted as unpriced "
            f"(add it to configs/model_prices.yaml)."
        )
    return said


def _has_no_price(model: Row) -> bool:
    """Whether nothing of it could be priced. Calls that failed without any usage count as neither."""
    return bool(model["unpriced"]) and not model["usd"]


def dollars(value: Decimal | float) -> str:
    """US dollars, to the cent, or finer below one."""
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def short(value: float) -> str:
    """A large number in three or four characters."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.1f} {unit}"
    return str(int(value))


def seconds(value: float) -> str:
    """A duration, in the unit that reads best."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def _table(title: str, *columns: str) -> Table:
    """A table whose first column is text and whose others are figures, unless their name ends in a dot."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        text = number == 0 or column.endswith(".")
        justify = "left" if text else "right"
        table.add_column(column.rstrip("."), justify=justify, no_wrap=not text, overflow="fold")
    return table


def _tenants(rows: Sequence[Row]) -> Table:
    title = f"\nCost by tenant (the first {min(TENANTS_SHOWN, len(rows))} of {len(rows)})"
    table = _table(title, "tenant", "cost", "share", "calls", "share of calls", "tokens", "unpriced")
    for row in rows[:TENANTS_SHOWN]:
        table.add_row(
            row["tenant"],
            dollars(row["usd"]),
            f"{float(row['usd_share']):.1%}",
            f"{row['model_calls']:,}",
            f"{row['call_share']:.1%}",
            short(row["tokens"]),
            f"{row['unpriced']:,}",
        )
    return table


def _models(rows: Sequence[Row]) -> Table:
    table = _table("\nCost by model", "model", "provider.", "calls", "prompt", "cached", "completion", "cost")
    for row in rows:
        table.add_row(
            row["model"],
            row["provider"],
            f"{row['model_calls']:,}",
            short(row["prompt"]),
            short(row["cached"]),
            short(row["completion"]),
            "[yellow]no price[/]" if _has_no_price(row) else dollars(row["usd"]),
        )
    return table


def _tools(rows: Sequence[Row]) -> Table:
    table = _table("\nTools, slowest first", "tool", "calls", "p50", "p95", "failed", "failing")
    for row in rows:
        table.add_row(
            row["tool"],
            f"{row['tool_calls']:,}",
            seconds(row["p50"]),
            seconds(row["p95"]),
            f"{row['failed']:,}",
            f"{row['failing']:.1%}",
        )
    return table


def _failing(rows: Sequence[Row]) -> Table:
    table = _table("\nMost failures", "operation", "agent.", "service.", "failed", "of", "failing")
    for row in rows:
        table.add_row(
            row["operation"],
            row["agent"],
            row["service"],
            f"{row['failed']:,}",
            f"{row['all_spans']:,}",
            f"{row['failing']:.1%}",
        )
    return table


def _loops(rows: Sequence[Row]) -> Table:
    table = _table(
        "\nLoops: the same call more than three times in a run", "agent", "version.", "tool.", "runs", "looping", "most"
    )
    for row in rows:
        table.add_row(
            row["agent"],
            row["version"],
            row["tool"],
            f"{row['runs']:,}",
            f"{row['looping']:.0%}",
            f"{row['most_repeated']:,}",
        )
    return table
