"""The overview: how much is going on, how fast, how much of it fails and what it costs."""

from __future__ import annotations

from typing import Any

from infra.dashboards.page import drill, page
from infra.dashboards.panels import COUNT, MS, SECONDS, SHARE, USD, figure, grid, line

VARIABLES = ("environment", "tenant", "service", "agent", "model", "workflow", "tool")
GOOD = {0.0: "red", 0.9: "orange", 0.98: "green"}


def overview(prefix: str) -> dict[str, Any]:
    """The dashboard's JSON."""
    trace = drill(prefix, "traces", ("environment", "tenant"), {"trace_id": "trace_id"}, "Open the trace")
    tenant = drill(prefix, "cost", [name for name in VARIABLES if name != "tenant"], {"tenant": "tenant"}, "Its cost")
    service = drill(prefix, "slos", ("environment", "tenant"), {"service": "service"}, "Its objectives")
    run = drill(prefix, "traces", ("environment",), {"trace_id": "run"}, "Open the run")

    def closer(name: str) -> tuple[str, str]:
        kept = [other for other in VARIABLES if other != name]
        return drill(prefix, "agents", kept, {name: name}, f"Only this {name}")

    bad = {0.0: "green", 0.01: "orange", 0.02: "red"}
    return page(
        prefix,
        "overview",
        "Agents: overview",
        "Traces, latency, errors and cost of all agents: what is going on now.",
        VARIABLES,
        [
            (
                "Status",
                [
                    grid(
                        "Status",
                        "Worst first. What concerns agents is of the time range and the chosen ones; the pipeline's own is of all.",
                        "overview_status",
                        {},
                        14,
                        height=8,
                        words={"state": {"act": "red", "look": "orange", "not known": "orange", "fine": "green"}},
                    ),
                    grid(
                        "Crossed budgets",
                        "Those of configs/budgets.yaml that are above their limit now; click a run to see what it does.",
                        "overview_budgets",
                        {"share": SHARE},
                        10,
                        {"run": run, "tenant": tenant},
                        height=8,
                        steps={"share": {0: "orange", 2: "red"}},
                        words={"webhook": {"not told yet": "orange", "told": "green"}},
                        nothing="No budget is crossed.",
                    ),
                ],
            ),
            (
                "Now",
                [
                    figure(
                        "Last arrival",
                        "Time since ClickHouse stored anything.",
                        "overview_live",
                        "seconds",
                        SECONDS,
                        3,
                        {0: "green", 60: "orange", 300: "red"},
                    ),
                    figure(
                        "Traces a minute",
                        "Distinct traces over the range's minutes.",
                        "overview_totals",
                        "traces_a_minute",
                        COUNT,
                        3,
                    ),
                    figure(
                        "Error rate",
                        "Share of spans with status error.",
                        "overview_totals",
                        "error_rate",
                        SHARE,
                        3,
                        bad,
                    ),
                    figure("Latency p95", "95 of 100 spans took at most this.", "overview_totals", "p95", MS, 3),
                    figure("Cost", "As booked at ingest, model calls only.", "overview_cost_totals", "usd", USD, 3),
                    figure("Tokens", "In and out, model calls only.", "overview_cost_totals", "tokens", COUNT, 3),
                    figure("Model calls", "Calls of a model.", "overview_cost_totals", "model_calls", COUNT, 3),
                    figure(
                        "Unpriced",
                        "Share of model calls without a known cost: what the cost does not tell.",
                        "overview_cost_totals",
                        "unpriced_share",
                        SHARE,
                        3,
                        {0: "green", 0.01: "orange", 0.05: "red"},
                    ),
                ],
            ),
            (
                "Over time",
                [
                    line("Traces a minute", "Distinct traces with a span then.", "overview_traces", COUNT),
                    line("Error rate by service", "Share of spans with status error.", "overview_error_rate", SHARE),
                    line("Latency", "Quantiles of all spans, exact to 1 %.", "overview_latency", MS),
                    line("Cost a minute by model", "As booked at ingest.", "overview_cost", USD, stacked=True),
                    line("Tokens a minute", "Of model calls.", "overview_tokens", COUNT, stacked=True),
                    line(
                        "Runs a minute by outcome",
                        "A run is a trace; running: its root span has not arrived.",
                        "overview_outcomes",
                        COUNT,
                        stacked=True,
                    ),
                ],
            ),
            (
                "Slow, failing or expensive",
                [
                    grid(
                        "Top tenants",
                        "The costliest first, and how their runs go.",
                        "overview_tenants",
                        {"usd": USD, "success": SHARE, "p95": MS},
                        12,
                        {"tenant": tenant},
                        steps={"success": GOOD},
                    ),
                    grid(
                        "Workflows",
                        "The costliest first; click a column's name to see the slowest or those that fail most.",
                        "agents_workflows",
                        {"success": SHARE, "p50": MS, "p95": MS, "usd": USD, "usd_a_run": USD},
                        12,
                        {"workflow": closer("workflow")},
                        steps={"success": GOOD},
                    ),
                    grid(
                        "Models",
                        "Calls, failures, latency and cost by model.",
                        "agents_models",
                        {"error_rate": SHARE, "p50": MS, "p95": MS, "usd": USD},
                        12,
                        {"model": closer("model")},
                        steps={"error_rate": bad, "unpriced": {0: "green", 1: "orange"}},
                    ),
                    grid(
                        "Tools",
                        "Calls, failures and latency by tool, most failures first.",
                        "agents_tools",
                        {"success": SHARE, "p50": MS, "p95": MS},
                        12,
                        {"tool": closer("tool")},
                        steps={"success": GOOD},
                    ),
                ],
            ),
            (
                "What goes wrong, what is going on",
                [
                    grid(
                        "What fails",
                        "Operations with failed spans, most failures first.",
                        "overview_failing",
                        {"error_rate": SHARE},
                        12,
                        {"service": service},
                        steps={"error_rate": bad},
                    ),
                    grid(
                        "Running now",
                        "Runs without a root span so far, the newest first.",
                        "overview_live_runs",
                        {"usd": USD},
                        12,
                        {"trace_id": trace},
                        nothing="No run is open: all that began have ended.",
                    ),
                ],
            ),
        ],
        time="now-1h",
    )
