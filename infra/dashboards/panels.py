"""The kinds of panel that the dashboards are made of: title, what it tells, unit, and one query by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Threshold, ThresholdsMode

from infra.config import PROJECT
from infra.dashboards.clickhouse import SOURCE, VARIABLES, Query, variables_of

HEIGHT, STAT_HEIGHT, TABLE_HEIGHT = 8, 3, 9
USD, SHARE, MS, SECONDS, COUNT, BYTES, DAYS = (
    "currencyUSD",
    "percentunit",
    "ms",
    "s",
    "short",
    "bytes",
    "d",
)
Steps = Mapping[float, str]
"""Colours from a value on."""
BAD: Steps = {0: "green", 0.01: "orange", 0.02: "red"}
"""Of a share that fails."""
GOOD: Steps = {0: "red", 0.9: "orange", 0.98: "green"}
"""Of a share that succeeds."""
OUTCOMES: Mapping[str, str] = {"ok": "green", "error": "red", "running": "orange"}
COST: Mapping[str, str] = {"at least": "orange", "unpriced": "orange"}
"""Of a column that says how much the cost beside it tells."""


def described(text: str, query: str) -> str:
    """`text`, and by which variables the panel is filtered: not every stored figure is kept by all of them."""
    used = [name for name in VARIABLES if name in variables_of(query)]
    return (
        f"{text} Filtered by {', '.join(used)}." if used else f"{text} Of all tenants; the variables do not filter it."
    )


def line(
    title: str,
    text: str,
    query: str,
    unit: str,
    span: int = 8,
    stacked: bool = False,
    height: int = HEIGHT,
    nothing: str = "",
    from_zero: bool = True,
) -> timeseries.Panel:
    """Lines over time: a column `time`, a figure, and perhaps a name for each line. `nothing`: what an empty one tells;
    `from_zero`: whether the axis begins there."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(described(text, query))
        .datasource(SOURCE)
        .unit(unit)
        .span(span)
        .height(height)
        # The rollups' own: over narrower points a figure a minute would be a multiple of what it is.
        .interval("1m")
        .fill_opacity((25 if stacked else 10) if from_zero else 0)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
            # Who has most comes first.
            .calcs(["mean"])
            .sort_by("Mean")
            .sort_desc(True)
        )
        .with_target(Query(query))
    )
    if from_zero:
        panel.min(0)
    if nothing:
        panel.no_value(nothing)
    return panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)) if stacked else panel


def figure(
    title: str,
    text: str,
    query: str,
    field: str,
    unit: str,
    span: int = 4,
    steps: Steps | None = None,
    nothing: str = "",
) -> stat.Panel:
    """One number: the column `field` of the query's one row. `nothing`: what it shows where there is none."""
    panel = (
        stat.Panel()
        .title(title)
        .description(described(text, query))
        .datasource(SOURCE)
        .unit(unit)
        .span(span)
        .height(STAT_HEIGHT)
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.VALUE if steps else BigValueColorMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields(f"/^{field}$/"))
        .with_target(Query(query, "table"))
    )
    if nothing:
        panel.no_value(nothing)
    return panel.thresholds(_thresholds(steps)) if steps else panel


def grid(
    title: str,
    text: str,
    query: str,
    units: Mapping[str, str],
    span: int = 12,
    links: Mapping[str, tuple[str, str]] | None = None,
    height: int = TABLE_HEIGHT,
    steps: Mapping[str, Steps] | None = None,
    nothing: str = "",
    words: Mapping[str, Mapping[str, str]] | None = None,
    shares: Sequence[str] = (),
) -> table.Panel:
    """Rows. `units` by column, others are counts or text; `links`: by column a title and an address; `steps`, `words`: by
    column the colour of a figure or of a text; `shares`: columns with a bar of the column's greatest; `nothing`: what an
    empty one tells."""
    panel = (
        table.Panel()
        .title(title)
        .description(described(text, query))
        .datasource(SOURCE)
        .unit(COUNT)
        .span(span)
        .height(height)
        .with_target(Query(query, "table"))
    )
    properties: dict[str, list[DynamicConfigValue]] = {}
    for column, unit in units.items():
        properties.setdefault(column, []).append(DynamicConfigValue(id_val="unit", value=unit))
    for column, (says, url) in (links or {}).items():
        link = [{"title": says, "url": url, "targetBlank": False}]
        properties.setdefault(column, []).append(DynamicConfigValue(id_val="links", value=link))
    for column, colours in (steps or {}).items():
        thresholds = {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in _from_least(colours)],
        }
        properties.setdefault(column, []).extend(
            [
                DynamicConfigValue(id_val="thresholds", value=thresholds),
                DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
            ]
        )
    for column, colours in (words or {}).items():
        options = {word: {"color": colour, "index": at} for at, (word, colour) in enumerate(colours.items())}
        properties.setdefault(column, []).extend(
            [
                DynamicConfigValue(id_val="mappings", value=[{"type": "value", "options": options}]),
                DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
            ]
        )
    for column in shares:
        gauge = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        properties.setdefault(column, []).extend(
            [
                DynamicConfigValue(id_val="min", value=0),
                DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": "blue"}),
                DynamicConfigValue(id_val="custom.cellOptions", value=gauge),
            ]
        )
    for column, values in properties.items():
        panel.override_by_name(column, values)
    return panel.no_value(nothing) if nothing else panel


def bars(title: str, text: str, query: str, unit: str, span: int = 8, height: int = HEIGHT) -> bargauge.Panel:
    """A bar a row: a name and a figure."""
    return (
        bargauge.Panel()
        .title(title)
        .description(described(text, query))
        .datasource(SOURCE)
        .unit(unit)
        .span(span)
        .height(height)
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .min(0)
        .thresholds(_thresholds({0: "blue"}))
        .reduce_options(common.ReduceDataOptions().values(True).limit(10))
        .with_target(Query(query, "table"))
    )


def special(
    kind: str, title: str, text: str, query: str, span: int, height: int, options: Any = None, nothing: str = ""
) -> dashboard.Panel:
    """Grafana's trace or logs panel; `nothing`: what an empty one tells."""
    panel = (
        dashboard.Panel()
        .type(kind)
        .title(title)
        .description(described(text, query))
        .datasource(SOURCE)
        .span(span)
        .height(height)
        .with_target(Query(query, "traces" if kind == "traces" else "logs"))
    )
    if nothing:
        panel.no_value(nothing)
    return panel.options(options) if options else panel


def alert_list(title: str, text: str, prefix: str, span: int, height: int, nothing: str) -> dashboard.Panel:
    """Grafana's own list of the stack's alerts that fire or are pending: it asks Grafana, by the label that every rule has
    (alerts.py). Options as its documentation has them ("Alert list"); the builders' library has no builder for it."""
    stack = prefix.removeprefix(f"{PROJECT}-")
    options = {
        "viewMode": "list",
        "groupMode": "default",
        "groupBy": [],
        "maxItems": 50,
        "sortOrder": 3,  # importance
        "dashboardAlerts": False,
        "alertName": "",
        "alertInstanceLabelFilter": f'{{stack="{stack}"}}',
        "stateFilter": {"firing": True, "pending": True, "noData": False, "normal": False, "error": True},
    }
    return (
        dashboard.Panel()
        .type("alertlist")
        .title(title)
        .description(f"{text} The variables do not filter it.")
        .span(span)
        .height(height)
        .options(options)
        .no_value(nothing)
    )


def _from_least(steps: Steps) -> list[tuple[float | None, str]]:
    """In order, the first one from minus infinity on."""
    ordered = sorted(steps.items())
    return [(None if index == 0 else value, colour) for index, (value, colour) in enumerate(ordered)]


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [Threshold(value=value, color=colour) for value, colour in _from_least(steps)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)
