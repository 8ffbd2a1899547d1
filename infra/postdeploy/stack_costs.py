"""What the stack itself costs, by part, as the rows of telemetry.stack_costs: dashboards divide it by the measured spans."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi

from infra.endpoints import ClickHouseEndpoint, PartCost
from infra.postdeploy.reference_tables import ReferenceTable

THIS_MACHINE = PartCost(
    "this machine", None, None, "nobody sends a bill for it; on AWS the stack's list prices stand here"
)
"""Where all parts run on somebody's own machine."""


def cost_rows(costs: Sequence[PartCost]) -> dict[str, str]:
    """Part to its row; dollars as text with the six decimals that are stored."""

    def row(cost: PartCost) -> str:
        month, million = (None if usd is None else f"{usd:.6f}" for usd in (cost.usd_a_month, cost.usd_a_million_spans))
        values = {"part": cost.part, "usd_a_month": month, "usd_a_million_spans": million, "reading": cost.reading}
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    return {cost.part: row(cost) for cost in costs}


class StackCosts(ReferenceTable, module="postdeploy", name="StackCosts"):
    """The stack's running costs."""

    def __init__(
        self,
        name: str,
        clickhouse: ClickHouseEndpoint,
        costs: Sequence[PartCost],
        opts: pulumi.ResourceOptions | None = None,
    ):
        super().__init__(name, clickhouse, "stack_costs", "", cost_rows(costs), opts=opts)
