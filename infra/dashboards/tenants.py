"""A tenant's own dashboards: the same ones, asked as a user who sees that tenant's rows only, of the database that this user
may read. Panels that tell about the pipeline as a whole are left out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from infra.dashboards.catalogue import build_all
from infra.dashboards.clickhouse import QUERIES, sql
from infra.dashboards.objectives import objectives
from infra.dashboards.page import uid
from infra.schema import DATABASE
from infra.templates import render
from infra.tenant_views import TENANT_DATABASE, view_of

RELATIONS: Mapping[str, str] = {
    **{
        name: name
        for name in (
            *("spans", "spans_raw", "events", "events_raw", "traces", "trace_index", "runs", "runs_between"),
            *("spans_minute", "cost_minute", "tools_minute"),
        )
    },
    # There `content` has ids that people read.
    "content": "content_raw",
}
"""Which view of a tenant's stands for what the dashboards ask."""
WHOLE_PIPELINE = ("health",)
"""Dashboards of which nothing is a tenant's."""
_TABLE = re.compile(rf"\b{DATABASE}\.(\w+)")
_SHARED = re.compile(rf"\b(?:{DATABASE}|system)\.\w+")
LONGEST_TENANT = 20
"""Of a uid's 40 characters."""


def tenant_prefix(prefix: str, tenant: str) -> str:
    """The uid of the tenant's folder and data source, with which those of its dashboards begin. Folders and dashboards share
    their uids, and a tenant may be called as a dashboard is: so `of`."""
    return uid(prefix, f"of-{tenant}") if len(tenant) <= LONGEST_TENANT else uid(prefix, f"of-{_digest(tenant)}")


def tenant_title(title: str, tenant: str) -> str:
    """The title of the tenant's folder; `title`: the stack's."""
    return f"{title}: {tenant}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def tenant_sql(name: str, tenant: str) -> str:
    """The query for that tenant's user; without objectives of others."""
    mine = [one for one in objectives() if one.tenant in ("*", tenant)]
    text = render(QUERIES / f"{name}.sql", {"slos": mine})

    def own(found: re.Match[str]) -> str:
        view = RELATIONS.get(found[1])
        return f"{TENANT_DATABASE}.`{view_of(view, tenant)}`" if view else found[0]

    return _TABLE.sub(own, text)


def build_tenant(prefix: str, tenant: str) -> dict[str, dict[str, Any]]:
    """The tenant's dashboards by slug; `prefix`: the stack's."""
    own = tenant_prefix(prefix, tenant)
    left_out = {*WHOLE_PIPELINE}
    if not any(one.tenant in ("*", tenant) for one in objectives()):
        left_out.add("slos")
    return {slug: _of(model, own, tenant) for slug, model in build_all(own).items() if slug not in left_out}


def _of(model: dict[str, Any], own: str, tenant: str) -> dict[str, Any]:
    panels = [kept for panel in model["panels"] if (kept := _panel(panel, tenant))]
    asked = " ".join(target["rawSql"] for panel in panels for target in panel.get("targets", ()))
    variables = [
        kept
        for variable in model["templating"]["list"]
        # One of which only panels made use that are left out changes nothing.
        if (variable["type"] != "custom" or f"${{{variable['name']}:" in asked)
        and (kept := _variable(variable, own, tenant))
    ]
    # A preview and a search show the titles of all tenants' together.
    title = f"{model['title']} ({tenant})"
    return {**model, "title": title, "panels": _without_empty_rows(panels), "templating": {"list": variables}}


def _panel(panel: dict[str, Any], tenant: str) -> dict[str, Any] | None:
    """The panel; None if it asks for something that is not the tenant's."""
    if panel["type"] == "row":
        return panel
    if not panel.get("targets"):
        # Grafana's list of alerts: of all tenants, and of the pipeline.
        return None
    targets = [{**target, "rawSql": _asked(target["rawSql"], tenant)} for target in panel["targets"]]
    return None if any(_shared(target["rawSql"]) for target in targets) else {**panel, "targets": targets}


def _variable(variable: dict[str, Any], own: str, tenant: str) -> dict[str, Any] | None:
    """The variable; None if its values are not the tenant's to ask for."""
    if variable["type"] == "datasource":
        # By its name: nothing else can be chosen.
        return {**variable, "regex": f"/^{own}$/"}
    if variable["type"] != "query":
        return variable
    text = _asked(variable["query"], tenant)
    return None if _shared(text) else {**variable, "query": text}


def _asked(text: str, tenant: str) -> str:
    return tenant_sql(_names()[text], tenant)


def _shared(text: str) -> bool:
    # Up to the line's end: a comment may speak of any table.
    return bool(_SHARED.search(re.sub(r"--.*", "", text)))


@cache
def _names() -> Mapping[str, str]:
    """Each query's name by its text."""
    return {sql(path.stem): path.stem for path in QUERIES.glob("*.sql")}


def _without_empty_rows(panels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row's panels follow it."""
    following = [*panels[1:], {"type": "row"}]
    return [
        panel
        for panel, after in zip(panels, following, strict=True)
        if (panel["type"], after["type"]) != ("row", "row")
    ]
