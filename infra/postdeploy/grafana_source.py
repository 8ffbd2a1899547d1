"""Grafana's ClickHouse plugin, and a data source of it: the read-only user's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.endpoints import access_from_dict
from infra.errors import UserError
from infra.postdeploy.grafana_api import PLUGIN, GrafanaApi, GrafanaRefusal, wait_for
from infra.postdeploy.grafana_step import GrafanaProvider

PLUGIN_SECONDS = 120
QUERY_SECONDS = 25
"""The plugin's timeout. ClickHouse is told 5 s more, which has to lie within its user's limit (DASHBOARDS_SECONDS)."""
ALREADY_THERE = 409
FIXED: Mapping[str, Any] = {"protocol": "http", "queryTimeout": str(QUERY_SECONDS), "tlsSkipVerify": False}
"""Of a data source's settings: those that are the same for each of ours."""


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
            api.call("POST", f"/api/plugins/{plugin}/install", {})
        except GrafanaRefusal as error:
            # 409: somebody installs it at the same time.
            if error.status != ALREADY_THERE:
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
    """Inputs: uid, name, clickhouse, clickhouse_access, database, trigger. The password is read when it is written."""

    watched = ("name", "clickhouse", "clickhouse_access", "database", "trigger")

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        found = api.find(f"/api/datasources/uid/{props['uid']}")
        if found is None:
            return None
        json_data, address = found.get("jsonData", {}), dict(props["clickhouse"])
        address.update(host=json_data.get("host"), port=json_data.get("port"), user=json_data.get("username"))
        told = {
            "name": found.get("name"),
            "clickhouse": {**address, "secure": bool(json_data.get("secure"))},
            "database": json_data.get("defaultDatabase"),
        }
        by_hand = sorted(key for key, value in FIXED.items() if json_data.get(key) != value)
        if not found.get("secureJsonFields", {}).get("password"):
            by_hand.append("password")
        return {**told, "trigger": f"changed by hand: {', '.join(by_hand)}"} if by_hand else told

    def objection(self, api: GrafanaApi, props: Mapping[str, Any], fresh: bool) -> str:
        return foreign_source(api, props["uid"], props["name"] if fresh else None)

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        body = data_source(props)
        if api.find(f"/api/datasources/uid/{props['uid']}") is None:
            api.call("POST", "/api/datasources", body)
        else:
            api.call("PUT", f"/api/datasources/uid/{props['uid']}", body)
        try:
            api.call("GET", f"/api/datasources/uid/{props['uid']}/health")
        except GrafanaRefusal as error:
            reach = f"{body['jsonData']['host']}:{body['jsonData']['port']}"
            raise UserError(
                f"{error}\nGrafana's data source {body['name']} does not reach ClickHouse at {reach}. May Grafana open that "
                "port (Managed Grafana: is the workspace in the VPC)? Then run `up` again."
            ) from None

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        api.call("DELETE", f"/api/datasources/uid/{props['uid']}", missing_ok=True)


def foreign_source(api: GrafanaApi, uid: str, name: str | None) -> str:
    """Why the data source under our uid is somebody else's; ''. `name`: what ours would be called if it was just made."""
    found = api.find(f"/api/datasources/uid/{uid}")
    if found is None:
        return ""
    fix = "rename its uid or delete it, then run `up` again"
    if found.get("type") != PLUGIN:
        return f"a data source of another type ({found.get('type')}) has our uid {uid}: {fix}"
    if found.get("readOnly"):
        return (
            f"the data source {uid} comes from a file of that Grafana's and can't be written: take it out of the file"
        )
    if name is not None and found.get("name") != name:
        return f"somebody else's data source ({found.get('name')}) has our uid {uid}: {fix}"
    return ""


def data_source(props: Mapping[str, Any]) -> dict[str, Any]:
    """The data source as Grafana's API takes it."""
    address = props["clickhouse"]
    host, port = address["host"], int(address["port"])
    with access_from_dict(props["clickhouse_access"]).open(host, port) as reached:
        ca = Path(reached.ca_file).read_text() if reached.ca_file else ""
        return source_body(props["uid"], props["name"], address, props["database"], reached.password, ca)


def source_body(
    uid: str, name: str, address: Mapping[str, Any], database: str, password: str, ca: str
) -> dict[str, Any]:
    """Grafana's ClickHouse data source, "Configure the data source" in its documentation. `ca`: a PEM text, or ''."""
    return {
        "uid": uid,
        "name": name,
        "type": PLUGIN,
        "access": "proxy",
        "jsonData": {
            "host": address["host"],
            "port": int(address["port"]),
            "secure": bool(address["secure"]),
            "username": address["user"],
            "defaultDatabase": database,
            "tlsAuthWithCACert": bool(ca),
            **FIXED,
        },
        "secureJsonData": {"password": password, **({"tlsCACert": ca} if ca else {})},
    }
