"""A folder in Grafana with who may see it, and the dashboards in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.postdeploy.grafana_api import GrafanaApi, GrafanaRefusal
from infra.postdeploy.grafana_step import GrafanaProvider

SAVED_BY_GRAFANA = ("id", "version", "uid", "iteration")
"""Of a dashboard: what Grafana numbers itself, or what is the address."""
NOT_EMPTY = 400
"""What Grafana answers when a folder that is to go holds alert rules."""


class FolderProvider(GrafanaProvider):
    """Inputs: uid, title."""

    watched = ("title",)

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        found = api.find(f"/api/folders/{props['uid']}")
        return None if found is None else {"title": found.get("title")}

    def objection(self, api: GrafanaApi, props: Mapping[str, Any], fresh: bool) -> str:
        return foreign_folder(api, props["uid"], props["title"]) if fresh else ""

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        if self.live(api, props) is None:
            api.call("POST", "/api/folders", {"uid": props["uid"], "title": props["title"]})
        else:
            api.call("PUT", f"/api/folders/{props['uid']}", {"title": props["title"], "overwrite": True})

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        """What is ours is gone by now. A folder goes with all that is in it, so one in which people have put something is
        left to them."""
        if any(_is_there(api, hit) for hit in api.find(f"/api/search?folderUIDs={props['uid']}") or []):
            return
        try:
            api.call("DELETE", f"/api/folders/{props['uid']}", missing_ok=True)
        except GrafanaRefusal as error:
            if error.status != NOT_EMPTY:
                raise


def _is_there(api: GrafanaApi, hit: Mapping[str, Any]) -> bool:
    """Whether a dashboard or a folder that the search tells of is still there: its index may lag behind a deletion."""
    kind = "folders" if hit.get("type") == "dash-folder" else "dashboards/uid"
    return api.find(f"/api/{kind}/{hit['uid']}") is not None


def foreign_folder(api: GrafanaApi, uid: str, title: str) -> str:
    """Why the folder under our uid, which we are about to make, is somebody else's; ''."""
    found = api.find(f"/api/folders/{uid}")
    if found is None or found.get("title") == title:
        return ""
    return (
        f"somebody else's folder ({found.get('title')}) has our uid {uid}: delete it (people's dashboards first), or name "
        f"it {title} if it is to be ours, then run `up` again"
    )


class DashboardProvider(GrafanaProvider):
    """Inputs: uid, folder (its uid), model (the dashboard as JSON text)."""

    watched = ("folder", "model")

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        found = api.find(f"/api/dashboards/uid/{props['uid']}")
        if found is None:
            return None
        model = dict(found["dashboard"])
        # A newer Grafana may raise it in what it tells; that is nobody's edit.
        model["schemaVersion"] = json.loads(props["model"]).get("schemaVersion")
        return {"folder": found["meta"].get("folderUid"), "model": model_text(model)}

    def objection(self, api: GrafanaApi, props: Mapping[str, Any], fresh: bool) -> str:
        # Ours, and moved by hand, is drift: it has our tags.
        tags = () if fresh else tuple(json.loads(props["model"]).get("tags", ()))
        return foreign_dashboard(api, props["uid"], props["folder"], tags)

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        api.call("POST", "/api/dashboards/db", save_command(props["uid"], props["folder"], json.loads(props["model"])))

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        api.call("DELETE", f"/api/dashboards/uid/{props['uid']}", missing_ok=True)


def save_command(uid: str, folder: str, model: Mapping[str, Any]) -> dict[str, Any]:
    """The body that saves a dashboard under its uid, whatever is there."""
    dashboard = {**model, "uid": uid, "id": None}
    return {"dashboard": dashboard, "folderUid": folder, "overwrite": True, "message": "by pulumi"}


def foreign_dashboard(api: GrafanaApi, uid: str, folder: str, tags: tuple[str, ...] = ()) -> str:
    """Why the dashboard under our uid is somebody else's; ''. `tags`: those that ours have, if it may have been moved."""
    found = api.find(f"/api/dashboards/uid/{uid}")
    if found is None:
        return ""
    if found["meta"].get("provisioned"):
        return f"the dashboard {uid} comes from a file of that Grafana's and can't be written: take it out of the file"
    lies_in = found["meta"].get("folderUid")
    if lies_in == folder or (tags and set(tags) <= set(found["dashboard"].get("tags") or ())):
        return ""
    return (
        f"a dashboard with our uid {uid} lies in another folder ({lies_in or 'General'}): move it to the folder {folder} or "
        "delete it, then run `up` again"
    )


def model_text(model: Mapping[str, Any]) -> str:
    """A dashboard's JSON without what Grafana numbers, in an order of its own: equal texts are equal dashboards."""
    kept = {key: value for key, value in model.items() if key not in SAVED_BY_GRAFANA}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)
