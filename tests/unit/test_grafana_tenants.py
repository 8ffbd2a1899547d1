"""A tenant's own things in a Grafana: its folder is closed to all but its team from the start, and stays so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.dashboards.tenants import build_tenant, tenant_prefix, tenant_title
from infra.errors import UserError
from infra.postdeploy.grafana_access import FolderAccessProvider
from infra.postdeploy.grafana_api import PLUGIN
from infra.postdeploy.grafana_folder import DashboardProvider, FolderProvider, model_text
from infra.postdeploy.grafana_ground import GroundProvider
from infra.postdeploy.grafana_source import DataSourceProvider, PluginProvider
from infra.postdeploy.grafana_step import GrafanaProvider
from tests.grafana_models import judge
from tests.grafana_steps import CLICKHOUSE, MODELS, TITLE, UID, ground, known_accesses, props, provision
from tests.grafana_stub import UNPUBLISHED, Grafana, serving

pytestmark = pytest.mark.timeout(300)
TENANT, TEAM = "acme", "Acme & people"
OWN = tenant_prefix(UID, TENANT)
OWN_MODELS = build_tenant(UID, TENANT)
VIEW = [{"teamId": 7, "permission": 1}]


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Grafana]:
    known_accesses(monkeypatch, tmp_path)
    with serving(Grafana(teams={"Others": 6, TEAM: 7})) as running:
        yield running


def access(grafana: Grafana, team: str = TEAM) -> dict[str, Any]:
    return props(grafana, uid=OWN, team=team)


def source(grafana: Grafana) -> dict[str, Any]:
    own = {"uid": OWN, "name": OWN, "clickhouse": {**CLICKHOUSE, "user": "reader-acme"}, "database": "telemetry_tenant"}
    return props(grafana, **own, trigger="1", clickhouse_access={"class": "known", "args": {}})


def whole_ground(grafana: Grafana) -> dict[str, Any]:
    """The stack's and the tenant's."""
    known = ground(grafana)
    return {
        **known,
        "folders": {**known["folders"], OWN: tenant_title(TITLE, TENANT)},
        "sources": {**known["sources"], OWN: OWN},
        "dashboards": {**known["dashboards"], **{model["uid"]: OWN for model in OWN_MODELS.values()}},
        "teams": [TEAM],
    }


def steps(grafana: Grafana, team: str = TEAM) -> list[tuple[GrafanaProvider, dict[str, Any]]]:
    """In the program's order."""
    boards = [props(grafana, uid=model["uid"], folder=OWN, model=model_text(model)) for model in OWN_MODELS.values()]
    return [
        (GroundProvider(), whole_ground(grafana)),
        (PluginProvider(), props(grafana, uid=PLUGIN)),
        (DataSourceProvider(), source(grafana)),
        (FolderProvider(), props(grafana, uid=OWN, title=tenant_title(TITLE, TENANT))),
        (FolderAccessProvider(), access(grafana, team)),
        *((DashboardProvider(), board) for board in boards),
    ]


def make(grafana: Grafana, team: str = TEAM) -> None:
    for provider, inputs in steps(grafana, team):
        provider.create(inputs)


@pytest.mark.parametrize(("team", "items"), [(TEAM, VIEW), ("", [])])
def test_the_folder_is_closed_before_anything_is_in_it(
    grafana: Grafana, team: str, items: list[dict[str, int]]
) -> None:
    make(grafana, team)
    assert grafana.permissions == {OWN: items}, "neither Viewer nor Editor, nor who made it"
    calls = grafana.calls
    assert calls.index(("POST", f"/api/folders/{OWN}/permissions")) < calls.index(("POST", "/api/dashboards/db"))
    kept = grafana.data_sources[OWN]["jsonData"]
    assert (kept["username"], kept["defaultDatabase"]) == ("reader-acme", "telemetry_tenant")


def test_every_call_and_every_answer_is_what_grafana_publishes(grafana: Grafana) -> None:
    for _ in range(2):
        make(grafana)
    for provider, inputs in steps(grafana):
        provider.read(inputs["uid"], inputs)
        provider.update(inputs["uid"], inputs, inputs)
    for provider, inputs in reversed(steps(grafana)):
        provider.delete(inputs["uid"], inputs)
    made = [call for call in grafana.traffic if not UNPUBLISHED.match(call["path"])]
    verdicts = judge(made)
    assert [(call, said) for call, said in zip(made, verdicts, strict=True) if said.request or said.answer] == []
    assert {said.operation for said in verdicts} >= {
        "getFolderPermissionList",
        "updateFolderPermissions",
        "searchTeams",
    }
    put = next(call for call in made if call["path"].endswith("/permissions") and call["method"] == "POST")
    wrong = {**put, "body": {"items": [{"teamID": 7, "permission": 1}]}}
    (verdict,) = judge([wrong])
    assert "written in another case" in str(verdict.request) or "unknown field" in str(verdict.request)


@pytest.mark.parametrize(
    ("by_hand", "told"),
    [
        ([*VIEW, {"role": "Viewer", "permission": 1}], "changed by hand: Acme & people 1, Viewer 1"),
        ([{"role": "Editor", "permission": 2}], "changed by hand: Editor 2"),
        ([*VIEW, {"userId": 9, "userLogin": "eve", "permission": 1}], "changed by hand: Acme & people 1, eve 1"),
        ([{"teamId": 7, "permission": 2}], "changed by hand: Acme & people 2"),
        ([{"teamId": 6, "permission": 1}], "Others"),
        ([], ""),
    ],
)
def test_whoever_is_let_in_by_hand_is_found_by_a_refresh_and_taken_out(
    grafana: Grafana, by_hand: list[dict[str, Any]], told: str
) -> None:
    make(grafana)
    provider, wanted = FolderAccessProvider(), access(grafana)
    assert not provider.diff(OWN, provider.read(OWN, wanted).outs or {}, wanted).changes
    grafana.permissions[OWN] = by_hand
    found = provider.read(OWN, wanted).outs
    assert found and found["team"] == told and provider.diff(OWN, found, wanted).changes
    provider.update(OWN, found, wanted)
    assert grafana.permissions[OWN] == VIEW


def test_administrators_see_every_folder_and_are_no_drift(grafana: Grafana) -> None:
    make(grafana)
    grafana.permissions[OWN] = [*VIEW, {"role": "Admin", "permission": 4}]
    found = FolderAccessProvider().read(OWN, access(grafana)).outs
    assert found and found["team"] == TEAM


def test_a_team_that_is_not_there_is_said_before_anything_is_written(grafana: Grafana) -> None:
    del grafana.teams[TEAM]
    message = r"no team called Acme & people \(tenantTeams\): make it there, or name another one, then run `up` again"
    with pytest.raises(UserError, match=message):
        GroundProvider().create(whole_ground(grafana))
    assert not [call for call in grafana.calls if call[0] != "GET"]
    with pytest.raises(UserError, match=message):
        FolderAccessProvider().update(OWN, access(grafana, ""), access(grafana))


def test_what_is_added_to_a_stack_is_looked_at_before_anything_is_written(grafana: Grafana) -> None:
    provision(grafana)
    grafana.folders["others"] = {"uid": "others", "title": "Others"}
    uid = OWN_MODELS["cost"]["uid"]
    theirs = {"dashboard": {"uid": uid, "title": "Theirs", "id": 9, "version": 1}, "meta": {"folderUid": "others"}}
    grafana.dashboards[uid] = theirs
    # Drift of what has been ours is its own resource's business.
    grafana.dashboards[MODELS["cost"]["uid"]]["meta"]["folderUid"] = "others"
    grafana.calls.clear()
    with pytest.raises(UserError, match=f"a dashboard with our uid {uid} lies in another folder"):
        GroundProvider().update(UID, ground(grafana), whole_ground(grafana))
    assert not [call for call in grafana.calls if call[0] != "GET"]
    del grafana.dashboards[uid]
    GroundProvider().update(UID, ground(grafana), whole_ground(grafana))


def test_a_tenant_s_things_go_and_what_people_have_put_there_stays_closed(grafana: Grafana) -> None:
    make(grafana)
    added = {"dashboard": {"uid": "added", "title": "Added", "id": 8, "version": 1}, "meta": {"folderUid": OWN}}
    grafana.dashboards["added"] = added
    for _ in range(2):
        for provider, inputs in reversed(steps(grafana)):
            provider.delete(inputs["uid"], inputs)
    assert grafana.dashboards == {"added": added} and set(grafana.folders) == {OWN}
    assert grafana.permissions == {OWN: VIEW} and grafana.data_sources == {}


@pytest.mark.parametrize(
    ("call", "made"),
    [(("POST", f"/api/folders/{OWN}/permissions"), 0), (("GET", "/api/teams"), 0), (("GET", f"/api/folders/{OWN}"), 0)],
)
def test_a_token_without_rights_leaves_an_empty_folder_at_most_and_the_next_run_completes(
    grafana: Grafana, call: tuple[str, str], made: int
) -> None:
    grafana.fail[call] = (403, "Permission denied")
    with pytest.raises(UserError, match="403 Permission denied; the token needs the role Admin"):
        make(grafana)
    assert len(grafana.dashboards) == made
    grafana.fail.clear()
    make(grafana)
    assert grafana.permissions == {OWN: VIEW} and len(grafana.dashboards) == len(OWN_MODELS)
