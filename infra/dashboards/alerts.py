"""Grafana's alert rules, built from alerts_rules.py: what its provisioning API takes, one body a rule group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from grafana_foundation_sdk.builders import alerting, expr
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.alerting import RelativeTimeRange
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from infra.config import PROJECT
from infra.dashboards.alerts_config import Alerts, Severity, shipped
from infra.dashboards.alerts_rules import INTERVALS, Alert, rules
from infra.dashboards.catalogue import build_all
from infra.dashboards.clickhouse import FORMATS, PLUGIN
from infra.dashboards.objectives import objectives
from infra.dashboards.page import uid
from infra.paths import SQL
from infra.templates import render

QUERIES = SQL / "queries" / "alerts"
RUNBOOKS = "docs/alerts.md"
EXPRESSION = "__expr__"
"""The data source of Grafana's server-side expressions."""
GROUP_BY = ("grafana_folder", "alertname", "tenant")
"""One message a rule and tenant, however many of its services are concerned. Grafana demands the first two."""
LOOKS_BACK_SECONDS = 3600
"""Of no meaning to the queries, which look back from its end as far as they need; what Grafana draws in a rule's page."""
INTERVAL_MS, POINTS = 1000, 43200
"""Grafana's own defaults, written out: it adds them, and then its rule would differ from ours."""


def alert_sql(alert: Alert) -> str:
    """The rule's query, with Grafana's macros."""
    values = {"rule": alert.rule.model_dump(), "slos": objectives()}
    return render(QUERIES / f"{alert.query}.sql", values)


def rule_uid(prefix: str, name: str) -> str:
    """The rule's stable uid."""
    return uid(prefix, f"alert-{name}")


def build_rule_groups(
    prefix: str,
    receivers: Mapping[Severity, str] | None = None,
    runbooks: str = "",
    config: Alerts | None = None,
) -> list[dict[str, Any]]:
    """Every rule group as PUT /api/v1/provisioning/folder/<prefix>/rule-groups/<title> takes it.

    `prefix`: the folder's and the data source's uid, with which the rules' begin; `receivers`: the contact point that hears
    of a severity, without one Grafana's own notification policies decide; `runbooks`: where docs/alerts.md can be read.
    """
    panels = {
        slug: {panel["title"]: panel["id"] for panel in model["panels"] if panel["type"] != "row"}
        for slug, model in build_all(prefix).items()
    }
    found = rules(config or shipped())
    groups: list[dict[str, Any]] = []
    for title, seconds in INTERVALS.items():
        members = [alert for alert in found if alert.group == title]
        group = alerting.RuleGroup(title).folder_uid(prefix).interval(seconds)
        for alert in members:
            group.with_rule(_rule(prefix, alert, panels[alert.dashboard][alert.panel], runbooks))
        built = json.loads(JSONEncoder(sort_keys=True).encode(group.build()))
        for rule, alert in zip(built.get("rules", []), members, strict=True):
            if receiver := (receivers or {}).get(alert.rule.severity):
                # The builder does not know it (Grafana 10.4 and later).
                rule["notification_settings"] = {"receiver": receiver, "group_by": list(GROUP_BY)}
        if members:
            groups.append(built)
    return groups


def _rule(prefix: str, alert: Alert, panel: int, runbooks: str) -> alerting.Rule:
    return (
        alerting.Rule(alert.title)
        .uid(rule_uid(prefix, alert.name))
        .org_id(1)  # The API wants one and takes the token's.
        .folder_uid(prefix)
        .rule_group(alert.group)
        .condition("C")
        .with_query(_query("A", prefix, _Sql(prefix, alert_sql(alert))))
        .with_query(_query("B", EXPRESSION, _reduce("B", "A")))
        .with_query(_query("C", EXPRESSION, _threshold("C", "B", *alert.threshold)))
        .for_val(f"{alert.rule.for_minutes}m")
        .no_data_state(alert.silence)
        .exec_err_state(alert.silence)
        .is_paused(False)
        .labels({"severity": alert.rule.severity, "stack": prefix.removeprefix(f"{PROJECT}-")})
        .annotations(_annotations(prefix, alert, panel, runbooks))
    )


def _annotations(prefix: str, alert: Alert, panel: int, runbooks: str) -> dict[str, str]:
    anchor = f"#{alert.runbook}"
    where = uid(prefix, alert.dashboard)
    chosen = [f"var-{name}={{{{ $labels.{label} | urlquery }}}}" for name, label in alert.variables.items()]
    query = "&".join([f"var-datasource={prefix}", *chosen, f"from={alert.time}", "to=now", f"viewPanel={panel}"])
    return {
        "summary": alert.summary,
        "description": alert.text,
        # externalURL is Grafana's root_url, which ends in a slash.
        "dashboard": f"{{{{ externalURL }}}}d/{where}?{query}",
        "runbook": f"{RUNBOOKS}{anchor}",
        "__dashboardUid__": where,
        "__panelId__": str(panel),
        **({"runbook_url": f"{runbooks}{anchor}"} if runbooks else {}),
    }


def _query(ref: str, source: str, model: builder.Builder[variants.Dataquery]) -> alerting.Query:
    back = LOOKS_BACK_SECONDS if source != EXPRESSION else 0
    query = alerting.Query(ref).datasource_uid(source).model(model)
    return query.relative_time_range(RelativeTimeRange(from_val=back, to=0))


class _SqlModel(variants.Dataquery):
    """The ClickHouse plugin's query. As a table: its text columns become labels, its one figure the value."""

    def __init__(self, source: str, text: str):
        self._source, self._text = source, text

    def to_json(self) -> dict[str, Any]:
        return {
            "refId": "A",
            "datasource": {"type": PLUGIN, "uid": self._source},
            "editorType": "sql",
            "queryType": "table",
            "format": FORMATS["table"],
            "rawSql": self._text,
            "intervalMs": INTERVAL_MS,
            "maxDataPoints": POINTS,
        }


class _Sql(builder.Builder[variants.Dataquery]):
    def __init__(self, source: str, text: str):
        self._model = _SqlModel(source, text)

    def build(self) -> variants.Dataquery:
        return self._model


def _reduce(ref: str, of: str) -> expr.TypeReduce:
    """A table's figures are single values already: they pass as they are, and have a name for the messages."""
    return (
        expr.TypeReduce()
        .ref_id(ref)
        .datasource(DataSourceRef(type_val=EXPRESSION, uid=EXPRESSION))
        .expression(of)
        .reducer("last")
        .interval_ms(INTERVAL_MS)
        .max_data_points(POINTS)
    )


def _threshold(ref: str, of: str, kind: Any, value: float) -> expr.TypeThreshold:
    evaluator = expr.ExprTypeThresholdConditionsEvaluator().type(kind).params([value])
    return (
        expr.TypeThreshold()
        .ref_id(ref)
        .datasource(DataSourceRef(type_val=EXPRESSION, uid=EXPRESSION))
        .expression(of)
        .conditions([expr.ExprTypeThresholdConditions().evaluator(evaluator)])
        .interval_ms(INTERVAL_MS)
        .max_data_points(POINTS)
    )
