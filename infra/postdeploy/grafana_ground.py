"""What must hold before anything is put into a Grafana: it answers, is new enough, and none of our uids is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi.dynamic import UpdateResult

from infra.dynamic import plain_props
from infra.errors import UserError
from infra.postdeploy.grafana_access import missing_team
from infra.postdeploy.grafana_alerts import foreign_rules
from infra.postdeploy.grafana_api import GrafanaApi
from infra.postdeploy.grafana_folder import foreign_dashboard, foreign_folder
from infra.postdeploy.grafana_source import foreign_source
from infra.postdeploy.grafana_step import GrafanaProvider

OLDEST = 10
BY_UID = ("folders", "sources", "dashboards")


class GroundProvider(GrafanaProvider):
    """Inputs: uid (the stack's), folders (uid to title), sources (uid to name), dashboards (uid to folder), rules (the groups
    of alert rules: folder, title, and each rule's uid, title and labels), perhaps teams (names of those that must be there)."""

    watched = ("folders", "sources", "dashboards", "rules", "teams")

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        """As it was: each object is looked at as a resource of its own."""
        return {}

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        """Nothing is written: it is the objections that count."""

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        """Nothing was made."""

    def objection(self, api: GrafanaApi, props: Mapping[str, Any], fresh: bool) -> str:
        check_version(api)
        # One that has been ours since an earlier run is its own resource's business.
        return "; ".join(found for found in _taken(api, props) if found) if fresh else ""

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """What has come is looked at as everything was at first."""
        come = {key: {uid: news[key][uid] for uid in news[key] if uid not in olds.get(key, {})} for key in BY_UID}
        self._written({**news, **come, "rules": []}, fresh=True)
        return UpdateResult(plain_props(news))


def _taken(api: GrafanaApi, props: Mapping[str, Any]) -> Iterator[str]:
    # Data sources first: to read them takes the role that writing them takes, so a lesser token ends here.
    for uid, name in props["sources"].items():
        yield foreign_source(api, uid, name)
    for uid, title in props["folders"].items():
        yield foreign_folder(api, uid, title)
    for uid, folder in props["dashboards"].items():
        yield foreign_dashboard(api, uid, folder)
    yield from foreign_rules(api, props["rules"])
    for team in props.get("teams", ()):
        yield missing_team(api, team)


def check_version(api: GrafanaApi) -> None:
    """Raises UserError for a Grafana that is too old. One that does not tell its version is taken."""
    told = str((api.call("GET", "/api/health") or {}).get("version") or "")
    major = re.match(r"\d+", told)
    if major and int(major[0]) < OLDEST:
        raise UserError(f"Grafana at {api.url} is {told}; the dashboards and alerts need {OLDEST} or newer: update it")
