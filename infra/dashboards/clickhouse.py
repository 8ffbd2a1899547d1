"""Queries of the ClickHouse data source in panels and variables: a file of sql/queries each, by name."""

from __future__ import annotations

import json
from typing import Any, Literal

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableOption, VariableRefresh

from infra.paths import SQL
from infra.postdeploy.grafana import PLUGIN

QUERIES = SQL / "queries" / "dashboards"
SOURCE = DataSourceRef(type_val=PLUGIN, uid="${datasource}")
"""Through a variable: the same dashboard serves every data source, a tenant's too."""
FORMATS = {"timeseries": 0, "table": 1}
"""Of the plugin's older query models; newer ones read queryType."""


def sql(name: str) -> str:
    """The query's text. Raises FileNotFoundError."""
    return (QUERIES / f"{name}.sql").read_text()


class _Query(variants.Dataquery):
    def __init__(self, name: str, kind: Literal["timeseries", "table"], ref: str):
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

    def __init__(self, name: str, kind: Literal["timeseries", "table"] = "timeseries", ref: str = "A"):
        self._query = _Query(name, kind, ref)

    def build(self) -> variants.Dataquery:
        return self._query


def data_source_variable() -> dashboard.DatasourceVariable:
    """Which ClickHouse: the first variable, which all others ask."""
    return dashboard.DatasourceVariable("datasource").label("ClickHouse").type(PLUGIN)


def variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A variable of several values, All at first, asked again when the time range changes."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(sql(query))
        .multi(True)
        .include_all(True)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def as_json(built: dashboard.Dashboard) -> dict[str, Any]:
    """The dashboard as plain values."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    return json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
