"""The overview: what fires, who is slow, failing or expensive, and then how much is going on, how fast and at what cost."""

from __future__ import annotations

from typing import Any

from infra.dashboards.page import drill, drill_by_row, page
from infra.dashboards.panels import BAD, COST, COUNT, GOOD, MS, SECONDS, SHARE, USD, alert_list, figure, grid, line

VARIABLES = ("environment", "tenant", "service", "agent", "model", "workflow", "tool")
STATES = {"act": "red", "look": "orange", "not known": "orange", "fine": "green"}


def overview(prefix: str) -> dict[str, Any]:
    """The dashboard's JSON."""
    trace = drill(prefix, "traces", ("environment", "tenant"), {"trace_id": "trace_id"}, "Open the trace")
    tenant = drill(prefix, "cost", [name for name in VARIABLES if name != "tenant"], {"tenant": "tenant"}, "Its cost")
    service = drill(prefix, "slos", ("environment", "tenant"), {"service": "service"}, "Its objectives")
    run = drill(prefix, "traces", ("environment",), {"trace_id": "run"}, "Open the run")
    where = drill_by_row(prefix, "dashboard", ("environment", "tenant", "service"), "What is behind it")

    def who(name: str, text: str, query: str, usd: str = "usd") -> Any:
        """A table of those of a kind who stand out; each of its figures leads to what it is made of."""
        kept, chosen = [other for other in VARIABLES if other != name], {name: name}
        failed = {"outcome": "error"} if name in ("tenant", "workflow") else {}
        runs = drill(prefix, "traces", kept, chosen, "What failed" if failed else "Its runs", failed)
        return grid(
            f"{name.capitalize()}s",
            f"{text} Whoever stands out in one of the three comes first; each figure leads to what is behind it.",
            query,
            {"failing": SHARE, "p95": MS, usd: USD},
            12,
            {
                name: drill(prefix, "agents", kept, chosen, f"Only this {name}"),
                "failing": runs,
                "p95": drill(prefix, "agents", kept, chosen, "Its runs over time"),
                usd: drill(prefix, "cost", kept, chosen, "Its cost"),
            },
            height=6,
            steps={"failing": BAD},
            words={"cost": COST},
            shares=("p95", usd),
        )

    return page(
        prefix,
        "overview",
        "Agents: overview",
        "What fires, who is slow, failing or expensive, and what is going on now.",
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
                        BAD,
                    ),
                    figure("Latency p95", "95 of 100 spans took at most this.", "overview_totals", "p95", MS, 3),
                    figure(
                        "Cost",
                        "As booked at ingest, model calls only; at least this, where Unpriced is above 0.",
                        "overview_cost_totals",
                        "usd",
                        USD,
                        3,
                        nothing="unpriced",
                    ),
                    figure(
                        "Tokens",
                        "In and out, model calls only.",
                        "overview_cost_totals",
                        "tokens",
                        COUNT,
                        3,
                    ),
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
                    alert_list(
                        "Firing alerts",
                        "What fires or is about to, by the rules of configs/alerts.yaml, as of now and of all tenants. Each "
                        "leads to its panel, with the variables set.",
                        prefix,
                        12,
                        5,
                        "Nothing fires.",
                    ),
                    grid(
                        "Status",
                        "Worst first; each row leads to what is behind it. What concerns agents is of the time range and the "
                        "chosen ones; the pipeline's own is of all.",
                        "overview_status",
                        {},
                        12,
                        {"what": where, "reading": where},
                        height=5,
                        words={"state": STATES},
                    ),
                ],
            ),
            (
                "Who is slow, failing or expensive",
                [
                    who("tenant", "Failed runs, how long they take, what they cost.", "overview_who_tenants"),
                    who("workflow", "Failed runs, how long they take, what they cost.", "overview_who_workflows"),
                    who("model", "Failed calls, how long they take, what they cost.", "overview_who_models"),
                    who(
                        "tool",
                        "Failed calls, how long they take, and what the runs cost that made them.",
                        "overview_who_tools",
                        "usd_of_its_runs",
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
                "What goes wrong, what is going on",
                [
                    grid(
                        "Crossed budgets",
                        "Those of configs/budgets.yaml that are above their limit now or were so in the time range; a run's is "
                        "over when the run is. Click a run to see what it did.",
                        "overview_budgets",
                        {"share": SHARE},
                        24,
                        {"run": run, "tenant": tenant},
                        height=7,
                        steps={"share": {0: "orange", 2: "red"}},
                        words={
                            "state": {"now": "red", "over": "orange"},
                            "webhook": {"not told yet": "orange", "told": "green"},
                        },
                        nothing="No budget was crossed.",
                    ),
                    grid(
                        "What fails",
                        "Operations with failed spans, most failures first.",
                        "overview_failing",
                        {"error_rate": SHARE},
                        12,
                        {"service": service},
                        steps={"error_rate": BAD},
                    ),
                    grid(
                        "Top tenants",
                        "The costliest first, and how their runs go.",
                        "overview_tenants",
                        {"usd": USD, "success": SHARE, "p95": MS},
                        12,
                        {"tenant": tenant},
                        steps={"success": GOOD},
                        words={"cost": COST},
                    ),
                    grid(
                        "Running now",
                        "Runs without a root span so far, the newest first.",
                        "overview_live_runs",
                        {"usd": USD},
                        24,
                        {"trace_id": trace},
                        height=6,
                        words={"cost": COST},
                        nothing="No run is open: all that began have ended.",
                    ),
                ],
            ),
        ],
        time="now-1h",
    )
