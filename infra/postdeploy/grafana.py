"""What the pipeline puts into Grafana: the ClickHouse plugin, the data source, a folder and dashboards, by fixed uids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from infra.endpoints import ClickHouseEndpoint, GrafanaEndpoint
from infra.postdeploy.grafana_alerts import addresses
from infra.postdeploy.grafana_api import PLUGIN, grafana_inputs
from infra.postdeploy.grafana_folder import DashboardProvider, FolderProvider, model_text
from infra.postdeploy.grafana_ground import GroundProvider
from infra.postdeploy.grafana_source import DataSourceProvider, PluginProvider

DATABASE = "telemetry"


class Ground(Resource, module="postdeploy", name="GrafanaGround"):
    """Looked at before anything is made, so that a refusal leaves nothing half-made."""

    def __init__(
        self,
        name: str,
        grafana: GrafanaEndpoint,
        uid: str,
        folders: Mapping[str, str],
        sources: Mapping[str, str],
        dashboards: Mapping[str, str],
        rules: Sequence[Mapping[str, Any]] = (),
        teams: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ):
        own = {"uid": uid, "folders": dict(folders), "sources": dict(sources), "dashboards": dict(dashboards)}
        own["rules"] = [addresses(group) for group in rules]
        own |= {"teams": list(teams)} if teams else {}
        super().__init__(GroundProvider(), name, {**grafana_inputs(grafana), **own}, opts)


class Plugin(Resource, module="postdeploy", name="GrafanaPlugin"):
    """The ClickHouse data source's plugin."""

    def __init__(self, name: str, grafana: GrafanaEndpoint, opts: pulumi.ResourceOptions | None = None):
        super().__init__(PluginProvider(), name, {**grafana_inputs(grafana), "uid": PLUGIN}, opts)


class DataSource(Resource, module="postdeploy", name="GrafanaDataSource"):
    """ClickHouse as the user of `clickhouse` sees it (read-only)."""

    def __init__(
        self,
        name: str,
        grafana: GrafanaEndpoint,
        uid: str,
        clickhouse: ClickHouseEndpoint,
        trigger: pulumi.Input[str],
        database: str = DATABASE,
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {
            **grafana_inputs(grafana),
            "uid": uid,
            "name": uid,
            "clickhouse": clickhouse.address_inputs(),
            "clickhouse_access": clickhouse.access,
            "database": database,
            # The password is no input: what changes it (a new secret, another CA) is in here.
            "trigger": trigger,
        }
        super().__init__(DataSourceProvider(), name, props, opts)


class Folder(Resource, module="postdeploy", name="GrafanaFolder"):
    """The stack's folder."""

    def __init__(
        self, name: str, grafana: GrafanaEndpoint, uid: str, title: str, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__(FolderProvider(), name, {**grafana_inputs(grafana), "uid": uid, "title": title}, opts)


class Dashboard(Resource, module="postdeploy", name="GrafanaDashboard"):
    """One dashboard in the stack's folder."""

    def __init__(
        self,
        name: str,
        grafana: GrafanaEndpoint,
        uid: str,
        folder: str,
        model: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {**grafana_inputs(grafana), "uid": uid, "folder": folder, "model": model_text(model)}
        super().__init__(DashboardProvider(), name, props, opts)
