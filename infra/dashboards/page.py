"""A dashboard as a page of rows: its address, its variables, and links that keep both variables and time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    Panel,
    VariableModel,
)

from infra.dashboards.clickhouse import VARIABLES, data_source_variable, query_variable

TAG = "agent-telemetry"
UID_LENGTH = 40
"""Grafana's limit."""
SLUG_LENGTH = 8
"""Dashboards' uids of a stack differ in their ends alone: so a row's link can name one (drill_by_row)."""
Row = tuple[str, Sequence[Builder[Panel]]]


def uid(prefix: str, slug: str) -> str:
    """The dashboard's stable uid; a long prefix is cut and told apart by a digest."""
    return f"{_begin(prefix, max(len(slug), SLUG_LENGTH))}{slug}"


def _begin(prefix: str, length: int) -> str:
    """What stands before an end of at most `length` characters."""
    if len(prefix) + 1 + length <= UID_LENGTH:
        return f"{prefix}-"
    digest = hashlib.sha256(prefix.encode()).hexdigest()[:8]
    return f"{prefix[: UID_LENGTH - length - len(digest) - 2]}-{digest}-"


def page(
    prefix: str,
    slug: str,
    title: str,
    description: str,
    variables: Sequence[str],
    rows: Sequence[Row],
    time: str = "now-6h",
    further: Sequence[Builder[VariableModel]] = (),
) -> dict[str, Any]:
    """The dashboard's JSON. `variables`: those of VARIABLES that its panels use; `further`: its own."""
    built = (
        dashboard.Dashboard(title)
        .uid(uid(prefix, slug))
        .description(description)
        .tags([TAG, prefix])
        .time(time, "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        # By the stack's own tag: another stack's dashboards in the same Grafana ask another ClickHouse.
        .link(
            dashboard.DashboardLink("Dashboards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([prefix])
            .include_vars(True)
            .keep_time(True)
            .as_dropdown(False)
        )
        .with_variable(data_source_variable(prefix))
    )
    for name in VARIABLES:
        if name in variables:
            built.with_variable(query_variable(name))
    for variable in further:
        built.with_variable(variable)
    for name, panels in rows:
        built.with_row(dashboard.Row(name))
        for panel in panels:
            built.with_panel(panel)
    model = json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
    for number, panel in enumerate(model["panels"], 1):
        panel["id"] = number
    return model


def drill(
    prefix: str,
    slug: str,
    variables: Sequence[str],
    chosen: Mapping[str, str],
    says: str = "Look closer",
    fixed: Mapping[str, str] | None = None,
) -> tuple[str, str]:
    """A link from a table's row: to the dashboard `slug` with the time range, `variables` of this page as they are, by
    variable the row's column as value, and `fixed` values."""
    taken = [f"var-{name}=${{__data.fields.{column}:percentencode}}" for name, column in chosen.items()]
    taken += [f"var-{name}={value}" for name, value in (fixed or {}).items()]
    kept = [name for name in variables if name not in chosen]
    return says, _address(uid(prefix, slug), kept, taken)


def drill_by_row(prefix: str, column: str, variables: Sequence[str], says: str) -> tuple[str, str]:
    """The same to the dashboard whose slug stands in the row's column."""
    return says, _address(f"{_begin(prefix, SLUG_LENGTH)}${{__data.fields.{column}:percentencode}}", variables, ())


def _address(where: str, kept: Sequence[str], taken: Sequence[str]) -> str:
    held = [f"${{{name}:queryparam}}" for name in ("datasource", *kept)]
    return f"/d/{where}?" + "&".join(["${__url_time_range}", *held, *taken])
