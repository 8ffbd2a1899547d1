"""What the pipeline puts into Grafana: the ClickHouse plugin, the data source, a folder and dashboards, by fixed uids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from infra.endpoints import ClickHouseEndpoint, GrafanaEndpoint, access_from_dict
from infra.errors import UserError
from infra.postdeploy.grafana_api import GrafanaApi, grafana_inputs, wait_for
from infra.postdeploy.grafana_step import GrafanaProvider

PLUGIN = "grafana-clickhouse-datasource"
PLUGIN_SECONDS = 120
QUERY_SECONDS = 25
"""The plugin's timeout. ClickHouse is told 5 s more, which has to lie within its user's limit (DASHBOARDS_SECONDS)."""
SAVED_BY_GRAFANA = ("id", "version", "uid", "iteration")
"""Of a dashboard: what Grafana numbers itself, or what is the address."""


class PluginProvider(GrafanaProvider):
    """Inputs: uid (the plugin's id)."""

    watched = ()

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        return {} if api.find(f"/api/plugins/{props['uid']}/settings") is not None else None

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        plugin = props["uid"]
        if self.live(api, props) is not None:
            return
        try:
            # 409: somebody installs it at the same time.
            api.call("POST", f"/api/plugins/{plugin}/install", {})
        except UserError as error:
            if " 409 " not in str(error):
                raise UserError(
                    f"{error}\nThe plugin {plugin} could not be installed. Managed Grafana: is plugin administration on? "
                    "Another Grafana: have its administrator install it, then run `up` again."
                ) from None
        # A data source made before the plugin answers says "plugin not found".
        wait_for(
            f"Grafana at {api.url}: the plugin {plugin} was installed but does not answer",
            lambda: self.live(api, props) is not None,
            PLUGIN_SECONDS,
        )

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        """Nothing: other people's data sources may use it."""


class DataSourceProvider(GrafanaProvider):
    """Inputs: uid, name, clickhouse, clickhouse_access, trigger. The password is read when it is written."""

    watched = ("name", "clickhouse", "clickhouse_access", "trigger")

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        found = api.find(f"/api/datasources/uid/{props['uid']}")
        if found is None:
            return None
        json_data, address = found.get("jsonData", {}), dict(props["clickhouse"])
        address.update(host=json_data.get("host"), port=json_data.get("port"), user=json_data.get("username"))
        return {"name": found.get("name"), "clickhouse": {**address, "secure": bool(json_data.get("secure"))}}

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        body = data_source(props)
        if api.find(f"/api/datasources/uid/{props['uid']}") is None:
            api.call("POST", "/api/datasources", body)
        else:
            api.call("PUT", f"/api/datasources/uid/{props['uid']}", body)
        health = api.call("GET", f"/api/datasources/uid/{props['uid']}/health")
        if (health or {}).get("status") != "OK":
            raise UserError(
                f"Grafana's data source {body['name']} does not reach ClickHouse at {body['jsonData']['host']}:"
                f"{body['jsonData']['port']}: {(health or {}).get('message', 'no reason given')}. Is the workspace in the "
                "VPC, and may it open that port?"
            )

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        api.call("DELETE", f"/api/datasources/uid/{props['uid']}", missing_ok=True)


def data_source(props: Mapping[str, Any]) -> dict[str, Any]:
    """The data source as Grafana's API takes it (Grafana ClickHouse plugin, "Configure the data source")."""
    address = props["clickhouse"]
    host, port, secure = address["host"], int(address["port"]), bool(address["secure"])
    with access_from_dict(props["clickhouse_access"]).open(host, port) as reached:
        with_ca = bool(reached.ca_file)
        secrets = {"password": reached.password}
        if with_ca:
            secrets["tlsCACert"] = Path(reached.ca_file).read_text()
    return {
        "uid": props["uid"],
        "name": props["name"],
        "type": PLUGIN,
        "access": "proxy",
        "jsonData": {
            "host": host,
            "port": port,
            "protocol": "http",
            "secure": secure,
            "username": address["user"],
            "defaultDatabase": "telemetry",
            "queryTimeout": str(QUERY_SECONDS),
            "tlsSkipVerify": False,
            "tlsAuthWithCACert": with_ca,
        },
        "secureJsonData": secrets,
    }


class FolderProvider(GrafanaProvider):
    """Inputs: uid, title."""

    watched = ("title",)

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        found = api.find(f"/api/folders/{props['uid']}")
        return None if found is None else {"title": found.get("title")}

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        if self.live(api, props) is None:
            api.call("POST", "/api/folders", {"uid": props["uid"], "title": props["title"]})
        else:
            api.call("PUT", f"/api/folders/{props['uid']}", {"title": props["title"], "overwrite": True})

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        # Rules of ours in it go with it; dashboards of ours are gone already.
        api.call("DELETE", f"/api/folders/{props['uid']}?forceDeleteRules=true", missing_ok=True)


class DashboardProvider(GrafanaProvider):
    """Inputs: uid, folder (its uid), model (the dashboard as JSON text)."""

    watched = ("folder", "model")

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        found = api.find(f"/api/dashboards/uid/{props['uid']}")
        if found is None:
            return None
        return {"folder": found["meta"].get("folderUid"), "model": model_text(found["dashboard"])}

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        there = self.live(api, props)
        if there is not None and there["folder"] != props["folder"]:
            raise UserError(
                f"Grafana at {api.url}: a dashboard with our uid {props['uid']} lies in another folder ({there['folder']}); "
                "move or delete it, then run `up` again"
            )
        dashboard = {**json.loads(props["model"]), "uid": props["uid"], "id": None}
        body = {"dashboard": dashboard, "folderUid": props["folder"], "overwrite": True, "message": "by pulumi"}
        api.call("POST", "/api/dashboards/db", body)

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        api.call("DELETE", f"/api/dashboards/uid/{props['uid']}", missing_ok=True)


def model_text(model: Mapping[str, Any]) -> str:
    """A dashboard's JSON without what Grafana numbers, in an order of its own: equal texts are equal dashboards."""
    kept = {key: value for key, value in model.items() if key not in SAVED_BY_GRAFANA}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)


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
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {
            **grafana_inputs(grafana),
            "uid": uid,
            "name": uid,
            "clickhouse": clickhouse.address_inputs(),
            "clickhouse_access": clickhouse.access,
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
