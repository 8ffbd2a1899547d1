"""The overview: how much is going on, how fast, how much of it fails and what it costs."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, table, timeseries
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode

from infra.dashboards.clickhouse import SOURCE, Query, as_json, data_source_variable, variable

TITLE = "Agents: overview"
HEIGHT = 9


def overview(uid: str) -> dict[str, Any]:
    """The dashboard's JSON."""
    return as_json(
        dashboard.Dashboard(TITLE)
        .uid(uid)
        .description("Traces, latency, errors and cost of all agents, by tenant and environment.")
        .tags(["agent-telemetry"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .editable()
        .with_variable(data_source_variable())
        .with_variable(variable("tenant", "Tenant", "variable_tenant"))
        .with_variable(variable("env", "Environment", "variable_env"))
        .with_panel(
            _line("Traces a minute", "Distinct traces with a span in the minute.", "short", "overview_traces", 8)
        )
        .with_panel(
            _line(
                "Error rate by service",
                "Spans with status error as a share of all.",
                "percentunit",
                "overview_error_rate",
                8,
            )
        )
        .with_panel(
            _line(
                "Latency", "Quantiles of all spans, 1 % exact: agents' runs last minutes.", "ms", "overview_latency", 8
            )
        )
        .with_panel(
            _line(
                "Cost a minute by model", "As booked at ingest; model calls only.", "currencyUSD", "overview_cost", 14
            ).stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        )
        .with_panel(
            table.Panel()
            .title("Tenants")
            .description("Cost, model calls, tokens and unpriced calls in the time range, the costliest first.")
            .datasource(SOURCE)
            .span(10)
            .height(HEIGHT)
            .override_by_name("usd", [{"id": "unit", "value": "currencyUSD"}])  # pyright: ignore[reportArgumentType]
            .with_target(Query("overview_tenants", "table"))
        )
    )


def _line(title: str, description: str, unit: str, query: str, span: int) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .span(span)
        .height(HEIGHT)
        .fill_opacity(10)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .with_target(Query(query))
    )
