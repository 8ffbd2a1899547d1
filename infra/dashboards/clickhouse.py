"""Queries of the ClickHouse data source in panels and variables: a file of sql/queries/dashboards each, by name."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableOption, VariableRefresh

from infra.dashboards.objectives import objectives
from infra.paths import SQL
from infra.postdeploy.grafana_api import PLUGIN
from infra.templates import render

QUERIES = SQL / "queries" / "dashboards"
SOURCE = DataSourceRef(type_val=PLUGIN, uid="${datasource}")
"""Through a variable: the same dashboard serves every data source, a tenant's too."""
Kind = Literal["timeseries", "table", "logs", "traces"]
FORMATS = {"timeseries": 0, "table": 1, "logs": 2, "traces": 3}
"""Of the plugin's older query models; newer ones read queryType."""
ALL = "'*'"
"""Stands for All as it is written here, quotes and all: Grafana does not escape what the dashboard itself says."""
VARIABLES = ("environment", "tenant", "service", "agent", "model", "workflow", "tool")
"""In the order in which they narrow each other down."""
_USED = re.compile(r"\$\{(\w+)")


@cache
def sql(name: str) -> str:
    """The query's text, with Grafana's macros and variables. Raises jinja2.TemplateNotFound."""
    return render(QUERIES / f"{name}.sql", {"slos": objectives()})


def variables_of(name: str) -> list[str]:
    """The variables that the query filters by, each once, in the query's order."""
    return list(dict.fromkeys(_USED.findall(sql(name))))


class _Query(variants.Dataquery):
    def __init__(self, name: str, kind: Kind, ref: str):
        self._name, self._kind, self._ref = name, kind, ref

    def to_json(self) -> dict[str, Any]:
        return {
            "refId": self._ref,
            "datasource": {"type": PLUGIN, "uid": "${datasource}"},
            "editorType": "sql",
            "queryType": self._kind,
            "format": FORMATS[self._kind],
            "rawSql": sql(self._name),
        }


class Query(builder.Builder[variants.Dataquery]):
    """The query `name` as a panel's target."""

    def __init__(self, name: str, kind: Kind = "timeseries", ref: str = "A"):
        self._query = _Query(name, kind, ref)

    def build(self) -> variants.Dataquery:
        return self._query


def data_source_variable(uid: str) -> dashboard.DatasourceVariable:
    """Which ClickHouse: the first variable, which all others ask. `uid`: the one at first; a Grafana may have others."""
    chosen = VariableOption(selected=True, text=uid, value=uid)
    return dashboard.DatasourceVariable("datasource").label("ClickHouse").type(PLUGIN).current(chosen)


def query_variable(name: str) -> dashboard.QueryVariable:
    """A variable of several values, All at first, asked again when the time range changes."""
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query(sql(f"variable_{name}"))
        .multi(True)
        .include_all(True)
        .all_value(ALL)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )
