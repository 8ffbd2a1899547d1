"""Cost: who spends what on which models, what a run costs, where it is heading, and how much of it nobody could price."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableOption

from infra.dashboards.page import drill, page
from infra.dashboards.panels import COST, COUNT, SECONDS, SHARE, USD, bars, figure, grid, line
from infra.postdeploy.price_scenarios import TODAY, scenarios

VARIABLES = ("environment", "tenant", "service", "agent", "model", "workflow", "tool")


def cost(prefix: str) -> dict[str, Any]:
    """The dashboard's JSON."""
    others = ("environment", "service", "agent", "workflow")
    spender = drill(prefix, "agents", others, {"tenant": "tenant", "model": "model"}, "Its agents")
    tool = drill(prefix, "agents", ("environment", "tenant", "agent"), {"tool": "tool"}, "Its calls")
    run = drill(prefix, "traces", ("environment",), {"trace_id": "run", "tenant": "tenant"}, "The run")
    return page(
        prefix,
        "cost",
        "Agents: cost",
        "What model calls cost, by whom and by what, as booked at ingest and at the price table as it is now.",
        VARIABLES,
        [
            (
                "In short",
                [
                    figure(
                        "Cost",
                        "As booked at ingest; at least this, where the unpriced share is above 0.",
                        "overview_cost_totals",
                        "usd",
                        USD,
                        nothing="unpriced",
                    ),
                    figure(
                        "Cost per trace",
                        "All cost over all runs.",
                        "cost_of_runs",
                        "usd_a_trace",
                        USD,
                        nothing="unpriced",
                    ),
                    figure(
                        "Cost per successful run",
                        "All cost, of failed runs too, over the runs whose root span did not fail.",
                        "cost_of_runs",
                        "usd_a_success",
                        USD,
                        nothing="unpriced",
                    ),
                    figure("Month to date", "Since the 1st, UTC. Not of the time range.", "cost_month", "to_date", USD),
                    figure(
                        "Forecast for the month",
                        "Month to date, and the rest of the month at the pace of the last 7 days.",
                        "cost_month",
                        "forecast",
                        USD,
                    ),
                    figure(
                        "Unpriced share",
                        "Model calls without a known cost. Above a few percent no budget can be trusted.",
                        "overview_cost_totals",
                        "unpriced_share",
                        SHARE,
                        steps={0: "green", 0.01: "orange", 0.05: "red"},
                    ),
                ],
            ),
            (
                "By whom and what",
                [
                    line("By tenant", "Cost a minute.", "cost_by_tenant", USD, stacked=True),
                    line("By provider", "Cost a minute.", "cost_by_provider", USD, stacked=True),
                    line("By model", "Cost a minute.", "overview_cost", USD, stacked=True),
                    bars("By workflow", "The ten dearest.", "cost_by_workflow", USD),
                    bars("By agent", "The ten dearest.", "cost_by_agent", USD),
                    grid(
                        "By tool",
                        "Cost of the runs that call the tool; a run with several tools counts for each.",
                        "cost_by_tool",
                        {"usd": USD, "usd_a_run": USD},
                        8,
                        {"tool": tool},
                        height=8,
                        words={"cost": COST},
                    ),
                ],
            ),
            (
                "Models and tokens",
                [
                    grid(
                        "Models",
                        "Booked cost beside the same tokens at the price table (configs/model_prices.yaml) as it is now, and at "
                        "the one chosen above.",
                        "cost_by_model",
                        {"booked_usd": USD, "usd_at_prices_of_now": USD, "usd_at_chosen_prices": USD},
                        24,
                        words={"cost": COST},
                    ),
                    line("Tokens a minute", "By what is paid for them.", "cost_tokens", COUNT, 12, stacked=True),
                    line("Cached input", "Share of input tokens read from a cache.", "cost_cached_share", SHARE, 12),
                ],
            ),
            (
                "At other prices",
                [
                    figure(
                        "At the chosen prices",
                        "The same tokens at the prices chosen above; calls that have no price there are left out.",
                        "cost_at_prices_total",
                        "usd_at_chosen_prices",
                        USD,
                        12,
                    ),
                    figure(
                        "Change",
                        "Against what was booked for the same calls; below 0 the chosen prices are cheaper.",
                        "cost_at_prices_total",
                        "change",
                        SHARE,
                        12,
                        {-1: "green", 0: "orange"},
                    ),
                    grid(
                        "By tenant",
                        "Booked, what of it can be compared (has a price there too), and the same tokens at the chosen prices.",
                        "cost_at_prices",
                        {"booked_usd": USD, "comparable_usd": USD, "usd_at_chosen_prices": USD, "change": SHARE},
                        24,
                        {"tenant": spender},
                        height=8,
                        steps={"change": {-1: "green", 0: "orange"}},
                        words={"cost": COST},
                    ),
                ],
            ),
            (
                "Out of the ordinary",
                [
                    line(
                        "Against the last 7 days",
                        "Cost an hour, and the average of the same hour on the 7 days before.",
                        "cost_against_last_week",
                        USD,
                        12,
                        height=9,
                    ),
                    grid(
                        "Spikes",
                        "The last full hour against the average of the same hour on the 7 days before; times: how many "
                        "times the usual, empty where there was nothing.",
                        "cost_spikes",
                        {"usd": USD, "usual": USD},
                        12,
                        {"tenant": spender},
                        words={"cost": COST},
                    ),
                    grid(
                        "Unpriced models",
                        "Add them to configs/model_prices.yaml.",
                        "cost_unpriced",
                        {"share_of_calls": SHARE},
                        12,
                    ),
                    line(
                        "Unpriced share",
                        "Model calls without a known cost.",
                        "cost_unpriced_share",
                        SHARE,
                        12,
                        height=9,
                    ),
                ],
            ),
            (
                "Budgets",
                [
                    grid(
                        "Used",
                        "Of each budget of configs/budgets.yaml, who has used most. unpriced: the share of model calls that cost "
                        "something unknown.",
                        "budgets_used",
                        {"share": SHARE, "unpriced": SHARE},
                        24,
                        {"run": run},
                        height=8,
                        steps={
                            "share": {0: "green", 0.8: "orange", 1: "red"},
                            "unpriced": {0: "green", 0.05: "orange"},
                        },
                        nothing="No budget is used.",
                    ),
                    grid(
                        "Crossings",
                        "Warnings and crossings that began in the time range, and how long it took until the webhook's "
                        "receiver had taken them.",
                        "budgets_crossings",
                        {"told_after": SECONDS, "level": SHARE},
                        24,
                        {"run": run},
                        height=8,
                        steps={"told_after": {0: "green", 30: "red"}},
                        nothing="Nothing was crossed.",
                    ),
                    line(
                        "Share used",
                        "The largest share of each budget that anybody had used.",
                        "budgets_share",
                        SHARE,
                        24,
                    ),
                ],
            ),
        ],
        time="now-24h",
        further=[prices_variable()],
    )


def prices_variable() -> dashboard.CustomVariable:
    """Which price table the booked cost is laid beside: one of configs/price_scenarios.yaml, or today's own."""
    names = [*(scenario.name for scenario in scenarios()), TODAY]
    return (
        dashboard.CustomVariable("prices")
        .label("Prices")
        .description("The price table beside the booked cost: configs/price_scenarios.yaml.")
        .values(",".join(names))
        .current(VariableOption(selected=True, text=names[0], value=names[0]))
    )
