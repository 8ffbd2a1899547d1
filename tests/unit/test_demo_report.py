"""The demo's report finds the plot by itself: from figures that the oracle computed, as ClickHouse would."""

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any, cast

import pytest
from rich.console import Console

from examples.agents import report, world
from tests import workload
from tests.oracle import Oracle
from tests.oracle_data import Price, Prices

START = datetime(2026, 11, 1, tzinfo=UTC)
FOREVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
FLAT = Prices(
    tuple(
        Price("", name, *FOREVER, *[Decimal(rate)] * 4)
        for name, rate in dict.fromkeys((model for model in world.MODELS if model != world.UNPRICED_MODEL), 1).items()
    )
)
"""Every model at the same price: the plot must show without dear and cheap models."""

Row = dict[str, Any]


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(workload.requests(20_000, seed=7, start=START), prices=FLAT)


def cost_rows(oracle: Oracle, dimension: int, name: str) -> list[Row]:
    rows: dict[str, Row] = defaultdict(lambda: {"usd": Decimal(0), "model_calls": 0, "unpriced": 0})
    for key, calls in oracle.cost_minute().items():
        row = rows[str(key[dimension])]
        row[name] = str(key[dimension])
        row["usd"] += calls.cost_usd
        row["model_calls"] += calls.count
        row["unpriced"] += calls.unpriced
    usd, total = sum(row["usd"] for row in rows.values()), sum(row["model_calls"] for row in rows.values())
    for row in rows.values():
        row |= {"usd_share": row["usd"] / usd, "call_share": row["model_calls"] / total}
    return sorted(rows.values(), key=lambda row: -row["usd"])


def tool_rows(oracle: Oracle) -> list[Row]:
    seconds: dict[str, list[float]] = defaultdict(list)
    failed: dict[str, int] = defaultdict(int)
    for key, calls in oracle.tools_minute().items():
        seconds[key[3]] += [value / 1e9 for value in calls.durations_ns]
        failed[key[3]] += calls.errors
    rows = [
        {
            "tool": tool,
            "tool_calls": len(values),
            "failed": failed[tool],
            "failing": failed[tool] / len(values),
            "p95": sorted(values)[int(len(values) * 0.95)],
        }
        for tool, values in seconds.items()
    ]
    return sorted(rows, key=lambda row: -row["p95"])


def loop_rows(oracle: Oracle) -> list[Row]:
    calls: dict[tuple[bytes, str, str, str, str], int] = defaultdict(int)
    for row in oracle.spans:
        if row.is_tool:
            text = row.lifted
            key = (row.trace_id, text["agent_name"], text["agent_version"], text["tool_name"], row.tool_arguments)
            calls[key] += 1
    found: dict[tuple[str, str], Row] = {}
    traces: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    for (trace, agent, version, tool, _), count in calls.items():
        traces[agent, version].add(trace)
        row = found.setdefault((agent, version), {"agent": agent, "version": version, "looping": 0, "most_repeated": 0})
        row["looping"] += count > 3
        if count > row["most_repeated"]:
            row |= {"most_repeated": count, "tool": tool}
    for key, row in found.items():
        row["looping"] /= len(traces[key])
    return sorted((row for row in found.values() if row["looping"]), key=lambda row: -row["looping"])


def test_the_findings_name_every_part_of_the_plot(oracle: Oracle):
    said = report.findings(
        cost_rows(oracle, 0, "tenant"), cost_rows(oracle, 4, "model"), tool_rows(oracle), [], loop_rows(oracle)
    )
    told = "\n".join(said)
    assert f"Tenant [bold]{world.COSTLY_TENANT}[/] is costly" in told
    assert f"Tool [bold]{world.SLOW_TOOL}[/] is slow" in told
    assert f"Agent [bold]{world.LOOPING_AGENT}[/] {world.LOOPING_VERSION} loops" in told
    assert f"Model [bold]{world.UNPRICED_MODEL}[/] has no price" in told
    assert "fails most" in told


def test_only_the_looping_version_is_said_to_loop(oracle: Oracle):
    assert {(row["agent"], row["version"]) for row in loop_rows(oracle)} == {
        (world.LOOPING_AGENT, world.LOOPING_VERSION)
    }


def test_ordinary_figures_give_no_findings():
    tenants = [{"tenant": name, "usd_share": 0.5, "call_share": 0.5} for name in ("a", "b")]
    tools = [{"tool": name, "p95": 1.0, "tool_calls": 100, "failing": 0.0} for name in ("x", "y")]
    models = [{"model": "m", "model_calls": 100, "unpriced": 3, "usd": Decimal("0.2")}]
    assert report.findings(tenants, models, tools, [], []) == []


class EmptyClient:
    """A ClickHouse without any rows in the window."""

    def query(self, sql: str, parameters: dict[str, Any]) -> Any:
        class Result:
            def named_results(self) -> list[Row]:
                return (
                    [{"model_calls": 0, "usd": 0, "tokens": 0, "unpriced": 0}] if "AS usd,\n    sum(unp" in sql else []
                )

        return Result()


def test_an_empty_window_says_so_instead_of_dividing_by_zero():
    out = StringIO()
    window = report.Window(START, START)
    report.print_report(report.read_report(cast(Any, EmptyClient()), window), window, Console(file=out, width=120))
    assert "No model call in this window" in out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"), [(0, "$0.00"), (0.00123, "$0.0012"), (1234.5, "$1,234.50"), (Decimal("0.5"), "$0.5000")]
)
def test_dollars_keep_small_sums_visible(value: float, text: str):
    assert report.dollars(value) == text


def test_its_tables_fit_80_columns_whole() -> None:
    long = "a-name-that-somebody-has-given-to-an-agent-or-a-tool"
    figures = {
        "usd": Decimal("12345.67"),
        "usd_share": Decimal("0.5"),
        "call_share": 0.5,
        "tokens": 1e9,
        "unpriced": 10,
    }
    calls = {"model_calls": 123_456, "tool_calls": 123_456, "prompt": 1e9, "cached": 1e9, "completion": 1e9}
    slow = {
        "p50": 1.5,
        "p95": 150.0,
        "failed": 12_345,
        "failing": 0.5,
        "all_spans": 123_456,
        "runs": 999,
        "looping": 0.5,
    }
    names = dict.fromkeys(("tenant", "model", "provider", "tool", "operation", "agent", "service", "version"), long)
    row = {**figures, **calls, **slow, **names, "most_repeated": 26}
    for table in (report._tenants, report._models, report._tools, report._failing, report._loops):
        out = StringIO()
        Console(file=out, width=80, force_terminal=True, color_system=None).print(table([row]))
        shown = out.getvalue()
        assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown, shown
