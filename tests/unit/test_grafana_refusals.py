"""What a Grafana refuses, and what is not ours: a message that names the fix, nothing half-made, and a next run that ends
what the broken one began."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.errors import UserError
from infra.postdeploy import grafana_source
from infra.postdeploy.grafana_api import PLUGIN
from infra.postdeploy.grafana_folder import DashboardProvider, FolderProvider
from infra.postdeploy.grafana_ground import GroundProvider
from infra.postdeploy.grafana_source import DataSourceProvider, PluginProvider
from tests.grafana_steps import TITLE, UID, dashboard, folder, ground, known_accesses, props, provision, source
from tests.grafana_stub import Grafana, serving

WRITES = ("POST", "PUT", "DELETE")
COMPLETE = (1, 1, 6)


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Grafana]:
    known_accesses(monkeypatch, tmp_path)
    with serving(Grafana()) as running:
        yield running


def counts(grafana: Grafana) -> tuple[int, int, int]:
    return len(grafana.data_sources), len(grafana.folders), len(grafana.dashboards)


def written(grafana: Grafana) -> list[tuple[str, str]]:
    return [call for call in grafana.calls if call[0] in WRITES]


@pytest.mark.parametrize(
    ("call", "made"),
    [
        (("GET", "/api/datasources/uid"), (0, 0, 0)),
        (("GET", "/api/folders"), (0, 0, 0)),
        (("GET", "/api/dashboards"), (0, 0, 0)),
        (("GET", "/api/plugins"), (0, 0, 0)),
        (("POST", "/api/plugins"), (0, 0, 0)),
        (("POST", "/api/datasources"), (0, 0, 0)),
        (("POST", "/api/folders"), (1, 0, 0)),
        (("POST", "/api/dashboards/db"), (1, 1, 0)),
    ],
)
def test_a_token_without_rights_is_told_at_each_call_and_the_next_run_completes(
    grafana: Grafana, call: tuple[str, str], made: tuple[int, int, int]
) -> None:
    grafana.fail[call] = (403, "Permission denied")
    done: set[str] = set()
    with pytest.raises(UserError, match=r"403 Permission denied; the token needs the role Admin.*run `up` again"):
        provision(grafana, done)
    assert counts(grafana) == made, "what was made is kept, and no folder without the data source that its panels ask"
    grafana.fail.clear()
    provision(grafana, done)
    assert counts(grafana) == COMPLETE


def test_every_call_of_an_up_was_refused_once(grafana: Grafana) -> None:
    """The list above is whole: a call that is not in it would be a refusal that nobody has seen."""
    marks = test_a_token_without_rights_is_told_at_each_call_and_the_next_run_completes.pytestmark  # type: ignore[attr-defined]
    refused = [case[0] for case in marks[0].args[1]]
    provision(grafana)
    left = {call for call in grafana.calls if not any(call[0] == m and call[1].startswith(p) for m, p in refused)}
    assert left == {("GET", "/api/health")}, "which asks for no token"


def test_a_wrong_token_and_a_grafana_that_is_away_are_told_apart_and_leave_nothing(grafana: Grafana) -> None:
    grafana.token = "another"
    with pytest.raises(UserError, match="401 Invalid API key; the token is not valid"):
        provision(grafana)
    assert written(grafana) == []
    grafana.token = "glsa_test"
    away = {**ground(grafana), "grafana": "http://127.0.0.1:1"}
    with pytest.raises(UserError, match=r"Grafana at http://127.0.0.1:1 does not answer.*grafanaUrl"):
        GroundProvider().create(away)
    provision(grafana)
    assert counts(grafana) == COMPLETE


def test_an_old_grafana_is_refused_before_anything_is_made(grafana: Grafana) -> None:
    grafana.version = "9.4.7"
    with pytest.raises(UserError, match=r"is 9\.4\.7; the dashboards and alerts need 10 or newer"):
        provision(grafana)
    assert written(grafana) == []
    grafana.version = "10.4.1"
    provision(grafana)
    assert counts(grafana) == COMPLETE


@pytest.mark.parametrize(
    ("status", "message"),
    [(403, r"needs the role Admin.*could not be installed.*plugin administration"), (409, "does not answer after 0 s")],
)
def test_a_plugin_that_can_t_be_installed_says_what_to_do(
    grafana: Grafana, monkeypatch: pytest.MonkeyPatch, status: int, message: str
) -> None:
    monkeypatch.setattr(grafana_source, "PLUGIN_SECONDS", 0)
    grafana.fail[("POST", "/api/plugins")] = (status, "no")
    with pytest.raises(UserError, match=f"(?s){message}"):
        provision(grafana)
    assert counts(grafana) == (0, 0, 0)
    # Its administrator has installed it: ours is not asked for any more.
    grafana.plugins.add(PLUGIN)
    provision(grafana)
    assert counts(grafana) == COMPLETE


def test_a_clickhouse_that_grafana_does_not_reach_is_said_at_once_and_makes_no_folder(grafana: Grafana) -> None:
    grafana.reachable = False
    with pytest.raises(
        UserError, match=r"(?s)400 dial tcp: i/o timeout.*does not reach ClickHouse at .*:8443.*`up` again"
    ):
        provision(grafana)
    assert counts(grafana) == (1, 0, 0)
    grafana.reachable = True
    provision(grafana)
    assert counts(grafana) == COMPLETE


def foreign_dashboard(grafana: Grafana) -> None:
    grafana.folders["others"] = {"uid": "others", "title": "Others"}
    model = {"uid": f"{UID}-cost", "title": "Theirs", "id": 1, "version": 1, "tags": ["agent-telemetry", UID]}
    grafana.dashboards[f"{UID}-cost"] = {"dashboard": model, "meta": {"folderUid": "others"}}


def foreign_folder(grafana: Grafana) -> None:
    grafana.folders[UID] = {"uid": UID, "title": "Theirs"}


def foreign_source(grafana: Grafana) -> None:
    grafana.data_sources[UID] = {"uid": UID, "name": "theirs", "type": PLUGIN}


def another_type(grafana: Grafana) -> None:
    grafana.data_sources[UID] = {"uid": UID, "name": UID, "type": "loki"}


def from_a_file(grafana: Grafana) -> None:
    grafana.data_sources[UID] = {"uid": UID, "name": UID, "type": PLUGIN, "readOnly": True}


def dashboard_from_a_file(grafana: Grafana) -> None:
    foreign_dashboard(grafana)
    grafana.dashboards[f"{UID}-cost"]["meta"]["provisioned"] = True


@pytest.mark.parametrize(
    ("taken", "message"),
    [
        (
            foreign_dashboard,
            r"dashboard with our uid .*-cost lies in another folder \(others\): move it .* or delete it",
        ),
        (dashboard_from_a_file, r"dashboard .*-cost comes from a file of that Grafana's.*take it out of the file"),
        (foreign_folder, r"somebody else's folder \(Theirs\) has our uid agent-telemetry-dev: delete it"),
        (foreign_source, r"somebody else's data source \(theirs\) has our uid agent-telemetry-dev: rename its uid"),
        (another_type, r"data source of another type \(loki\) has our uid"),
        (from_a_file, r"the data source agent-telemetry-dev comes from a file"),
    ],
)
def test_what_has_our_uid_and_is_not_ours_is_named_before_anything_is_written(
    grafana: Grafana, taken, message: str
) -> None:
    taken(grafana)
    with pytest.raises(UserError, match=message):
        provision(grafana)
    assert written(grafana) == []
    for kept in (grafana.dashboards, grafana.folders, grafana.data_sources):
        kept.clear()
    provision(grafana)
    assert counts(grafana) == COMPLETE


def test_everything_that_is_taken_is_named_at_once(grafana: Grafana) -> None:
    for taken in (foreign_folder, foreign_source):
        taken(grafana)
    with pytest.raises(UserError, match=r"data source \(theirs\).*; somebody else's folder"):
        provision(grafana)


def test_somebody_who_took_our_uid_since_the_ground_was_looked_at_is_not_overwritten(grafana: Grafana) -> None:
    PluginProvider().create(props(grafana, uid=PLUGIN))
    foreign_dashboard(grafana)
    foreign_folder(grafana)
    foreign_source(grafana)
    for provider, inputs in (
        (DashboardProvider(), dashboard(grafana, "cost")),
        (FolderProvider(), folder(grafana)),
        (DataSourceProvider(), source(grafana)),
    ):
        with pytest.raises(UserError, match="our uid"):
            provider.create(inputs)


def test_a_foreign_dashboard_in_place_of_ours_is_not_overwritten_by_an_update_either(grafana: Grafana) -> None:
    provision(grafana)
    foreign_dashboard(grafana)
    grafana.dashboards[f"{UID}-cost"]["dashboard"]["tags"] = []
    wanted = dashboard(grafana, "cost")
    with pytest.raises(UserError, match="lies in another folder"):
        DashboardProvider().update(wanted["uid"], wanted, wanted)


def test_what_a_killed_run_made_is_taken_up_by_the_next(grafana: Grafana) -> None:
    provision(grafana)
    assert grafana.folders[UID]["title"] == TITLE
    # The engine knows nothing of it: every step is a create once more.
    provision(grafana)
    assert counts(grafana) == COMPLETE
