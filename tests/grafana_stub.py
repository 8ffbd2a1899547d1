"""A stand-in for Grafana's HTTP API: what the steps call, with what Grafana refuses. State is kept in memory."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
DATA_SOURCE_KEYS = {
    *("uid", "name", "type", "access", "url", "jsonData", "secureJsonData", "isDefault", "database", "user"),
}
SAVE_KEYS = {"dashboard", "folderUid", "overwrite", "message"}
CATALOGUE = ("grafana-clickhouse-datasource",)
UNPUBLISHED = re.compile(r"/api/plugins/")
"""What Grafana's OpenAPI document does not hold: nobody can check these calls but a Grafana."""


@dataclass
class Grafana:
    """One Grafana. `fail`: calls that it refuses, as (method, beginning of path) to status and message."""

    token: str = "glsa_test"
    version: str = "12.4.0"
    plugins: set[str] = field(default_factory=set)
    data_sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    permissions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By folder."""
    teams: dict[str, int] = field(default_factory=dict)
    """By name, their numbers."""
    stale: list[dict[str, Any]] = field(default_factory=list)
    """What its search still tells of and is gone."""
    reachable: bool = True
    """Whether its data sources reach ClickHouse."""
    fail: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    traffic: list[dict[str, Any]] = field(default_factory=list)
    """Each call whole, with its answer, as tests/grafana_models judges it."""
    url: str = ""

    def answer(
        self, method: str, path: str, token: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of one call. `headers`: those that mean something to Grafana."""
        status, answer = self._answer(method, path, token, body)
        made = {"method": method, "path": path, "headers": dict(headers or {}), "body": body}
        self.traffic.append({**made, "status": status, "answer": answer})
        return status, answer

    def _answer(self, method: str, whole: str, token: str, body: Any) -> tuple[int, Any]:
        path, _, query = whole.partition("?")
        self.calls.append((method, path))
        if token != self.token and path != "/api/health":
            return 401, {"message": "Invalid API key"}
        for (verb, start), (status, message) in self.fail.items():
            if verb == method and path.startswith(start):
                return status, {"message": message}
        for verb, pattern, handle in self._routes():
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                more = [body] if method in ("POST", "PUT") else [parse_qs(query)] if pattern.endswith("/search") else []
                return handle(*found.groups(), *more)
        return 404, {"message": "Not found"}

    def _routes(self) -> list[tuple[str, str, Callable[..., tuple[int, Any]]]]:
        return [
            ("GET", r"/api/health", lambda: (200, {"database": "ok", "version": self.version, "commit": "0"})),
            ("GET", r"/api/search", self._search),
            ("GET", r"/api/teams/search", self._teams),
            ("GET", r"/api/plugins/([^/]+)/settings", self._plugin),
            ("POST", r"/api/plugins/([^/]+)/install", self._install),
            ("GET", r"/api/datasources/uid/([^/]+)", self._get_source),
            ("GET", r"/api/datasources/uid/([^/]+)/health", self._health),
            ("POST", r"/api/datasources", self._new_source),
            ("PUT", r"/api/datasources/uid/([^/]+)", self._put_source),
            ("DELETE", r"/api/datasources/uid/([^/]+)", lambda uid: self._delete(self.data_sources, uid)),
            ("GET", r"/api/folders/([^/]+)", lambda uid: self._get(self.folders, uid)),
            ("POST", r"/api/folders", self._new_folder),
            ("PUT", r"/api/folders/([^/]+)", self._put_folder),
            ("DELETE", r"/api/folders/([^/]+)", self._delete_folder),
            ("GET", r"/api/folders/([^/]+)/permissions", self._get_permissions),
            ("POST", r"/api/folders/([^/]+)/permissions", self._put_permissions),
            ("GET", r"/api/dashboards/uid/([^/]+)", lambda uid: self._get(self.dashboards, uid)),
            ("POST", r"/api/dashboards/db", self._save),
            ("DELETE", r"/api/dashboards/uid/([^/]+)", self._delete_dashboard),
        ]

    def _get(self, kept: dict[str, Any], uid: str) -> tuple[int, Any]:
        return (200, kept[uid]) if uid in kept else (404, {"message": "not found"})

    def _delete(self, kept: dict[str, Any], uid: str) -> tuple[int, Any]:
        return (200, {"message": "deleted"}) if kept.pop(uid, None) else (404, {"message": "not found"})

    def _search(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        (folder,) = query["folderUIDs"]
        boards = [found for found in self.dashboards.values() if found["meta"]["folderUid"] == folder]
        below = [found for found in self.folders.values() if found.get("parentUid") == folder]
        hits = [(found["dashboard"], "dash-db") for found in boards] + [(found, "dash-folder") for found in below]
        told = [{"uid": found["uid"], "title": found["title"], "type": kind} for found, kind in hits]
        return 200, [*told, *self.stale]

    def _teams(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        (name,) = query["name"]
        shared = {"orgId": 1, "memberCount": 0, "isProvisioned": False}
        found = [
            {"id": id_, "uid": f"t{id_}", "name": team, **shared} for team, id_ in self.teams.items() if team == name
        ]
        return 200, {"totalCount": len(found), "teams": found, "page": 1, "perPage": 1000}

    def _plugin(self, name: str) -> tuple[int, Any]:
        return (
            (200, {"id": name}) if name in self.plugins else (404, {"message": "Plugin not found, no installed plugin"})
        )

    def _install(self, name: str, _body: Any) -> tuple[int, Any]:
        if name not in CATALOGUE:
            return 404, {"message": "plugin not in the catalogue"}
        self.plugins.add(name)
        return 200, {}

    def _source(self, body: dict[str, Any]) -> tuple[int, Any] | None:
        if unknown := set(body) - DATA_SOURCE_KEYS:
            return 400, {"message": f"unknown fields {sorted(unknown)}"}
        if body["type"] not in self.plugins:
            return 400, {"message": "plugin not found"}
        if not UID.fullmatch(body["uid"]) or not body["name"]:
            return 400, {"message": "bad uid or name"}
        if any(item["name"] == body["name"] for uid, item in self.data_sources.items() if uid != body["uid"]):
            return 409, {"message": "data source with the same name already exists"}
        return None

    def _told(self, uid: str) -> dict[str, Any]:
        """A data source as Grafana tells it: of its secrets only that they are there."""
        kept = self.data_sources[uid]
        secret = dict.fromkeys(kept.get("secureJsonData", {}), True)
        return {
            **{key: value for key, value in kept.items() if key != "secureJsonData"},
            "id": 1 + list(self.data_sources).index(uid),
            "secureJsonFields": secret,
        }

    def _get_source(self, uid: str) -> tuple[int, Any]:
        return (200, self._told(uid)) if uid in self.data_sources else (404, {"message": "Data source not found"})

    def _new_source(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body.get("uid") in self.data_sources:
            return 409, {"message": "data source with the same uid already exists"}
        refused = self._source(body)
        if refused:
            return refused
        self.data_sources[body["uid"]] = body
        told = self._told(body["uid"])
        return 200, {"id": told["id"], "message": "Datasource added", "name": body["name"], "datasource": told}

    def _put_source(self, uid: str, body: dict[str, Any]) -> tuple[int, Any]:
        if uid not in self.data_sources:
            return 404, {"message": "Data source not found"}
        if self.data_sources[uid].get("readOnly"):
            return 403, {"message": "Cannot update read-only data source"}
        refused = self._source(body)
        if refused:
            return refused
        self.data_sources[uid] = body
        told = self._told(uid)
        return 200, {"id": told["id"], "message": "Datasource updated", "name": body["name"], "datasource": told}

    def _health(self, uid: str) -> tuple[int, Any]:
        if uid not in self.data_sources:
            return 404, {"message": "Data source not found"}
        if not self.reachable or not self.data_sources[uid]["secureJsonData"].get("password"):
            return 400, {"message": "dial tcp: i/o timeout"}
        return 200, {"message": "Data source is working"}

    def _new_folder(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["uid"] in self.folders:
            return 409, {"message": "a folder with the same uid already exists"}
        if not UID.fullmatch(body["uid"]) or not body.get("title"):
            return 400, {"message": "bad uid or title"}
        self.folders[body["uid"]] = body
        return 200, body

    def _put_folder(self, uid: str, body: dict[str, Any]) -> tuple[int, Any]:
        if uid not in self.folders:
            return 404, {"message": "folder not found"}
        if not body.get("overwrite"):
            return 412, {"message": "the folder has been changed by someone else"}
        self.folders[uid]["title"] = body["title"]
        return 200, self.folders[uid]

    def _delete_folder(self, uid: str) -> tuple[int, Any]:
        if uid not in self.folders:
            return 404, {"message": "folder not found"}
        inside = [item for item in self.dashboards.values() if item["meta"]["folderUid"] == uid]
        for item in inside:
            del self.dashboards[item["dashboard"]["uid"]]
        title = self.folders.pop(uid)["title"]
        self.permissions.pop(uid, None)
        return 200, {"id": 1, "title": title, "message": f"Folder {title} deleted"}

    def _get_permissions(self, uid: str) -> tuple[int, Any]:
        if uid not in self.folders:
            return 404, {"message": "folder not found"}
        # A new folder is everybody's, and its maker's: so Grafana's defaults say.
        maker = {"userId": 2, "userLogin": "sa-1-telemetry", "permission": 4}
        everybody = [{"role": "Editor", "permission": 2}, {"role": "Viewer", "permission": 1}]
        names = {id_: name for name, id_ in self.teams.items()}
        told = self.permissions.get(uid, [maker, *everybody])
        return 200, [
            {**item, **({"team": names[item["teamId"]]} if "teamId" in item else {}), "folderUid": uid} for item in told
        ]

    def _put_permissions(self, uid: str, body: dict[str, Any]) -> tuple[int, Any]:
        if uid not in self.folders:
            return 404, {"message": "folder not found"}
        for item in body["items"]:
            who = [key for key in ("role", "teamId", "userId") if key in item]
            if set(item) - {*who, "permission"} or len(who) != 1 or item["permission"] not in (1, 2, 4):
                return 400, {"message": f"bad permission {item}"}
            if "teamId" in item and item["teamId"] not in self.teams.values():
                return 400, {"message": "team not found"}
        self.permissions[uid] = body["items"]
        return 200, {"message": "Folder permissions updated"}

    def _save(self, body: dict[str, Any]) -> tuple[int, Any]:
        if unknown := set(body) - SAVE_KEYS:
            return 400, {"message": f"unknown fields {sorted(unknown)}"}
        model = body["dashboard"]
        if not model.get("title") or not UID.fullmatch(model.get("uid", "")):
            return 400, {"message": "Dashboard title and uid cannot be empty"}
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        there = self.dashboards.get(model["uid"])
        if there and not body.get("overwrite"):
            return 412, {"message": "a dashboard with the same uid already exists"}
        if there and there["meta"].get("provisioned"):
            return 400, {"message": "Cannot save provisioned dashboard"}
        uid, folder = model["uid"], body["folderUid"]
        version = there["dashboard"]["version"] + 1 if there else 1
        number = there["dashboard"]["id"] if there else len(self.dashboards) + 1
        saved = {**model, "id": number, "version": version}
        self.dashboards[uid] = {"dashboard": saved, "meta": {"folderUid": folder}}
        told = {"uid": uid, "id": number, "status": "success", "version": version, "folderUid": folder}
        return 200, {**told, "title": "slug", "url": f"/d/{uid}/slug"}

    def _delete_dashboard(self, uid: str) -> tuple[int, Any]:
        if uid not in self.dashboards:
            return 404, {"message": "Dashboard not found"}
        title = self.dashboards.pop(uid)["dashboard"]["title"]
        return 200, {"uid": uid, "title": title, "message": f"Dashboard {title} deleted"}


@contextmanager
def serving(grafana: Grafana) -> Iterator[Grafana]:
    """Serves it on a free port of loopback; `url` is where."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            headers = {name: value for name, value in self.headers.items() if name.lower().startswith("x-")}
            status, answer = grafana.answer(self.command, self.path, token, body, headers)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    grafana.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield grafana
    finally:
        server.shutdown()
        server.server_close()
