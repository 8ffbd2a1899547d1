"""SLOs: what configs/slos.yaml promises, what was reached, how much error budget is left and how fast it burns."""

from __future__ import annotations

from typing import Any

from infra.dashboards.page import drill, page
from infra.dashboards.panels import COUNT, SHARE, figure, grid, line

VARIABLES = ("environment", "tenant", "service")
BUDGET = {-1000.0: "red", 0.0: "orange", 0.25: "green"}
BURN = {0.0: "green", 1.0: "orange", 6.0: "red"}


def slos(prefix: str) -> dict[str, Any]:
    """The dashboard's JSON."""
    service = drill(
        prefix, "overview", ("environment",), {"service": "service", "tenant": "tenant"}, "Latency, errors and traces"
    )
    burn = {f"burn_{window}": BURN for window in ("5m", "1h", "6h", "3d")}
    units = {"requests": COUNT, "target": SHARE, "reached": SHARE, "budget_left": SHARE}
    window = "Over the objective's window, up to the end of the time range; nothing is told of too few requests."
    return page(
        prefix,
        "slos",
        "Agents: SLOs",
        "Availability and latency against configs/slos.yaml. A request is what a service was asked from outside: a trace's "
        "root, a server's span, an invoked agent.",
        VARIABLES,
        [
            (
                "In short",
                [
                    figure(
                        "Least availability budget",
                        f"What is left of the error budget where least is left. {window}",
                        "slos_worst",
                        "availability_budget",
                        SHARE,
                        6,
                        BUDGET,
                    ),
                    figure(
                        "Least latency budget",
                        f"What is left of the budget of slow requests where least is left. {window}",
                        "slos_worst",
                        "latency_budget",
                        SHARE,
                        6,
                        BUDGET,
                    ),
                    figure(
                        "Budgets used up",
                        "Objectives, by service and tenant, with no budget left.",
                        "slos_worst",
                        "used_up",
                        COUNT,
                        6,
                        {0: "green", 1: "red"},
                    ),
                    figure(
                        "Fastest burn",
                        "Availability, last hour: 1 uses the budget up exactly at the window's end.",
                        "slos_worst",
                        "fastest_burn",
                        COUNT,
                        6,
                        BURN,
                    ),
                ],
            ),
            (
                "Availability",
                [
                    grid(
                        "Availability",
                        f"1 - errors/requests, budget left, and burn rates over 5 m, 1 h, 6 h and 3 d. {window}",
                        "slos_availability",
                        units,
                        24,
                        {"service": service},
                        steps={"budget_left": BUDGET, **burn},
                    ),
                    line(
                        "Reached", "Requests without an error.", "slos_availability_reached", SHARE, 12, from_zero=False
                    ),
                    line("Burn rate", "Above 1 the budget will not last.", "slos_availability_burn", COUNT, 12),
                ],
            ),
            (
                "Latency",
                [
                    grid(
                        "Latency",
                        "Share of requests under the objective (from the stored histogram), budget left, and burn rates. "
                        f"{window}",
                        "slos_latency",
                        {**units, "under_ms": "ms"},
                        24,
                        {"service": service},
                        steps={"budget_left": BUDGET, **burn},
                    ),
                    line(
                        "Reached", "Requests under the objective.", "slos_latency_reached", SHARE, 12, from_zero=False
                    ),
                    line("Burn rate", "Above 1 the budget will not last.", "slos_latency_burn", COUNT, 12),
                ],
            ),
        ],
        time="now-24h",
    )
