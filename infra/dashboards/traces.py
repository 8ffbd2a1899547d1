"""Traces: search, then one trace as a tree with its events, logs, prompts (where kept) and cost."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableOption

from infra.dashboards.clickhouse import ALL
from infra.dashboards.page import drill, page
from infra.dashboards.panels import COST, COUNT, MS, OUTCOMES, USD, figure, grid, special

VARIABLES = ("environment", "tenant", "service", "agent", "model", "workflow", "tool")


def traces(prefix: str) -> dict[str, Any]:
    """The dashboard's JSON."""
    trace = drill(prefix, "traces", [*VARIABLES, "outcome", "search"], {"trace_id": "trace_id"}, "Show it below")
    outcome = (
        dashboard.CustomVariable("outcome")
        .label("Outcome")
        .values(",".join(OUTCOMES))
        .multi(True)
        .include_all(True)
        .all_value(ALL)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )
    search = (
        dashboard.TextBoxVariable("search").label("Search").description("In trace id, operation, user and session.")
    )
    chosen = dashboard.TextBoxVariable("trace_id").label("Trace").description("32 hex digits.")
    return page(
        prefix,
        "traces",
        "Agents: traces",
        "Find a trace, then see its spans, events, logs, prompts and cost.",
        VARIABLES,
        [
            (
                "Search",
                [
                    grid(
                        "Traces",
                        "Those that began in the range, the newest first; click an id to see it below. Also by outcome "
                        "and by the text in Search.",
                        "traces_search",
                        {"duration": MS, "usd": USD},
                        24,
                        {"trace_id": trace},
                        height=7,
                        steps={"errors": {0: "text", 1: "red"}},
                        words={"outcome": OUTCOMES, "cost": COST},
                    )
                ],
            ),
            (
                "The trace",
                [
                    figure("Duration", "From its first start to its last end.", "traces_totals", "duration", MS, 5),
                    figure("Spans", "Each once, however often it was sent.", "traces_totals", "spans", COUNT, 5),
                    figure(
                        "Failed spans",
                        "With status error.",
                        "traces_totals",
                        "failed",
                        COUNT,
                        5,
                        {0: "green", 1: "red"},
                    ),
                    figure("Tokens", "In and out.", "traces_totals", "tokens", COUNT, 5),
                    figure(
                        "Cost",
                        "As booked at ingest; at least this, where a call below has no cost.",
                        "traces_totals",
                        "usd",
                        USD,
                        4,
                        nothing="unpriced",
                    ),
                    special(
                        "traces", "Spans", "The trace's tree.", "traces_one", 24, 16, nothing="Choose a trace above."
                    ),
                    grid(
                        "Model calls",
                        "Cost by span, the dearest first.",
                        "traces_cost",
                        {"duration": MS, "usd": USD},
                        12,
                        nothing="No model was called in it.",
                    ),
                    grid(
                        "Events and exceptions",
                        "Of its spans, in their order.",
                        "traces_events",
                        {},
                        12,
                        nothing="Its spans have no events.",
                    ),
                    grid(
                        "Prompts and completions",
                        "Only where the tenant keeps them, and only as long as content is kept.",
                        "traces_content",
                        {},
                        12,
                        nothing="None is kept for this trace: the setting contentTenants names whose are.",
                    ),
                    special(
                        "logs",
                        "Logs",
                        "Log records that name the trace.",
                        "traces_logs",
                        12,
                        9,
                        {"showTime": True, "wrapLogMessage": True, "enableLogDetails": True, "sortOrder": "Ascending"},
                        "No log record names it.",
                    ),
                ],
            ),
        ],
        further=[outcome, search, chosen],
    )
