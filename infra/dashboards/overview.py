"""The overview: how much is going on, how fast, how much of it fails and what it costs."""

from __future__ import annotations

from typing import Any

from infra.dashboards.page import drill, page
from infra.dashboards.panels import COUNT, MS, SECONDS, SHARE, USD, figure, grid, line

VARIABLES = ("environment", "tenant", "service", "agent", "model", "workflow")


def overview(prefix: str) -> dict[str, Any]:
    """The dashboard's JSON."""
    trace = drill(prefix, "traces", ("environment", "tenant"), {"trace_id": "trace_id"}, "Open the trace")
    tenant = drill(prefix, "cost", [name for name in VARIABLES if name != "tenant"], {"tenant": "tenant"}, "Its cost")
    service = drill(prefix, "slos", ("environment", "tenant"), {"service": "service"}, "Its objectives")
    bad = {0: "green", 0.01: "orange", 0.02: "red"}
    return page(
        prefix,
        "overview",
        "Agents: overview",
        "Traces, latency, errors and cost of all agents: what is going on now.",
        VARIABLES,
        [
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
                "Who and what",
                [
                    grid(
                        "Top tenants",
                        "The costliest first.",
                        "overview_tenants",
                        {"usd": USD},
                        8,
                        {"tenant": tenant},
                    ),
                    grid(
                        "What fails",
                        "Operations with failed spans, most failures first.",
                        "overview_failing",
                        {"error_rate": SHARE},
                        8,
                        {"service": service},
                    ),
                    grid(
                        "Running now",
                        "Runs without a root span so far, the newest first.",
                        "overview_live_runs",
                        {"usd": USD},
                        8,
                        {"trace_id": trace},
                        nothing="No run is open: all that began have ended.",
                    ),
                ],
            ),
        ],
        time="now-1h",
    )
