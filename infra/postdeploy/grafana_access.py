"""Who may look at a tenant's folder: one team, or nobody but the administrators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import pulumi
from pulumi.dynamic import Resource

from infra.endpoints import GrafanaEndpoint
from infra.postdeploy.grafana_api import GrafanaApi, grafana_inputs
from infra.postdeploy.grafana_step import GrafanaProvider

VIEW = 1
"""Of Grafana's permissions: 1 to look, 2 to edit, 4 to administer (Folder permissions HTTP API)."""


class FolderAccessProvider(GrafanaProvider):
    """Inputs: uid (the folder's), team (its name; '': none). The permissions are ours as a whole: whoever else is let in by
    hand is found by a refresh and taken out."""

    watched = ("team",)

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        found = api.find(_path(props))
        return None if found is None else {"team": _told(found)}

    def objection(self, api: GrafanaApi, props: Mapping[str, Any], fresh: bool) -> str:
        return missing_team(api, props["team"])

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        team = props["team"]
        # The roles Viewer and Editor, which a new folder has, are not among them, nor is who made it.
        items = [{"teamId": _team(api, team), "permission": VIEW}] if team else []
        api.call("POST", _path(props), {"items": items})

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        """Nothing is opened again: the folder goes, or what people have put into it stays closed."""


def missing_team(api: GrafanaApi, team: str) -> str:
    """Why the team can't be let in; ''."""
    if not team or _team(api, team) is not None:
        return ""
    return f"it has no team called {team} (tenantTeams): make it there, or name another one, then run `up` again"


def _team(api: GrafanaApi, name: str) -> int | None:
    found = api.call("GET", f"/api/teams/search?name={quote(name, safe='')}") or {}
    return next((team["id"] for team in found.get("teams") or [] if team["name"] == name), None)


def _path(props: Mapping[str, Any]) -> str:
    return f"/api/folders/{props['uid']}/permissions"


def _told(items: Iterable[Mapping[str, Any]]) -> str:
    """As the input says it, or who there is. Administrators see every folder, whatever its permissions."""
    own = [item for item in items if item.get("role") != "Admin"]
    if len(own) == 1 and own[0].get("team") and own[0].get("permission") == VIEW:
        return str(own[0]["team"])
    who = sorted(
        f"{item.get('role') or item.get('team') or item.get('userLogin') or item.get('userId')} {item.get('permission')}"
        for item in own
    )
    return f"changed by hand: {', '.join(who)}" if who else ""


class FolderAccess(Resource, module="postdeploy", name="GrafanaFolderAccess"):
    """The permissions of one folder."""

    def __init__(
        self, name: str, grafana: GrafanaEndpoint, uid: str, team: str, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__(FolderAccessProvider(), name, {**grafana_inputs(grafana), "uid": uid, "team": team}, opts)
