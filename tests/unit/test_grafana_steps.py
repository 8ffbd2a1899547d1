"""Steps on Grafana, against a stand-in that refuses what Grafana refuses: writing, drift, deleting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.aws.clickhouse import configuration as aws_limits
from infra.local.clickhouse import component as local_limits
from infra.postdeploy.grafana_api import PLUGIN
from infra.postdeploy.grafana_folder import DashboardProvider, FolderProvider
from infra.postdeploy.grafana_source import DataSourceProvider, PluginProvider
from tests.grafana_steps import (
    PASSWORD,
    TITLE,
    UID,
    all_steps,
    dashboard,
    folder,
    known_accesses,
    props,
    provision,
    source,
)
from tests.grafana_stub import Grafana, serving


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Grafana]:
    known_accesses(monkeypatch, tmp_path)
    with serving(Grafana()) as running:
        yield running


def test_everything_can_be_written_again_without_a_second_object(grafana: Grafana) -> None:
    provision(grafana)
    provision(grafana)
    assert (len(grafana.data_sources), len(grafana.folders), len(grafana.dashboards)) == (1, 1, 6)
    assert grafana.calls.count(("POST", f"/api/plugins/{PLUGIN}/install")) == 1


def test_the_data_source_is_the_read_only_user_with_tls_checked_and_no_secret_in_the_state(grafana: Grafana) -> None:
    PluginProvider().create(props(grafana, uid=PLUGIN))
    result = DataSourceProvider().create(source(grafana))
    kept = grafana.data_sources[UID]
    assert kept["jsonData"]["username"] == "dashboards" and kept["jsonData"]["port"] == 8443
    assert int(kept["jsonData"]["queryTimeout"]) + 5 <= min(
        aws_limits.DASHBOARDS_SECONDS, local_limits.DASHBOARDS_SECONDS
    )
    assert (
        kept["jsonData"]["secure"] and not kept["jsonData"]["tlsSkipVerify"] and kept["jsonData"]["tlsAuthWithCACert"]
    )
    assert kept["secureJsonData"] == {"password": PASSWORD, "tlsCACert": "CA"}
    assert PASSWORD not in json.dumps(result.outs)


def test_what_a_refresh_finds_unchanged_is_no_difference(grafana: Grafana) -> None:
    provision(grafana)
    for provider, inputs in all_steps(grafana):
        found = provider.read(inputs["uid"], inputs)
        assert found.outs and not provider.diff(inputs["uid"], found.outs, inputs).changes, type(provider).__name__


def edited(kept: dict[str, Any]) -> None:
    kept["dashboard"]["title"] = "by hand"


def panel_removed(kept: dict[str, Any]) -> None:
    kept["dashboard"]["panels"].pop()


def moved(kept: dict[str, Any]) -> None:
    kept["meta"]["folderUid"] = "mine"


def test_a_dashboard_edited_moved_or_deleted_by_hand_is_put_right(grafana: Grafana) -> None:
    provision(grafana)
    provider, wanted = DashboardProvider(), dashboard(grafana)
    grafana.folders["mine"] = {"uid": "mine", "title": "Mine"}
    for edit in (edited, panel_removed, moved):
        edit(grafana.dashboards[wanted["uid"]])
        drifted = provider.read(wanted["uid"], wanted).outs
        assert drifted and provider.diff(wanted["uid"], drifted, wanted).changes, edit.__name__
        provider.update(wanted["uid"], drifted, wanted)
        kept = grafana.dashboards[wanted["uid"]]
        assert kept["dashboard"]["title"] == "Agents: overview" and kept["meta"]["folderUid"] == UID
        assert not provider.diff(wanted["uid"], provider.read(wanted["uid"], wanted).outs or {}, wanted).changes
    del grafana.dashboards[wanted["uid"]], grafana.folders[UID]
    assert provider.read(wanted["uid"], wanted).id == "" and FolderProvider().read(UID, folder(grafana)).id == ""


def test_a_version_that_a_newer_grafana_raises_is_no_drift(grafana: Grafana) -> None:
    provision(grafana)
    wanted = dashboard(grafana)
    grafana.dashboards[wanted["uid"]]["dashboard"]["schemaVersion"] = 99
    seen = DashboardProvider().read(wanted["uid"], wanted).outs
    assert seen and not DashboardProvider().diff(wanted["uid"], seen, wanted).changes


@pytest.mark.parametrize("key", ["host", "username", "defaultDatabase", "tlsSkipVerify", "queryTimeout"])
def test_a_data_source_edited_by_hand_is_put_right(grafana: Grafana, key: str) -> None:
    provision(grafana)
    provider, wanted = DataSourceProvider(), source(grafana)
    before = dict(grafana.data_sources[UID]["jsonData"])
    grafana.data_sources[UID]["jsonData"][key] = "by hand"
    drifted = provider.read(UID, wanted).outs
    assert drifted and provider.diff(UID, drifted, wanted).changes
    provider.update(UID, drifted, wanted)
    assert grafana.data_sources[UID]["jsonData"] == before


def test_a_data_source_without_its_password_is_drift(grafana: Grafana) -> None:
    provision(grafana)
    del grafana.data_sources[UID]["secureJsonData"]["password"]
    found = DataSourceProvider().read(UID, source(grafana)).outs
    assert found and found["trigger"] == "changed by hand: password"


def test_deleting_what_is_gone_is_no_error_and_the_plugin_stays(grafana: Grafana) -> None:
    provision(grafana)
    for _ in range(2):
        for provider, inputs in reversed(all_steps(grafana)):
            provider.delete(inputs["uid"], inputs)
    assert not (grafana.dashboards or grafana.data_sources or grafana.folders) and grafana.plugins == {PLUGIN}


def test_what_is_other_people_s_stays_when_ours_goes(grafana: Grafana) -> None:
    theirs = {"dashboard": {"uid": "theirs", "title": "Theirs", "id": 7, "version": 1}, "meta": {"folderUid": "others"}}
    in_ours = {"dashboard": {"uid": "added", "title": "Added", "id": 8, "version": 1}, "meta": {"folderUid": UID}}
    grafana.folders["others"] = {"uid": "others", "title": "Others"}
    grafana.data_sources["theirs"] = {"uid": "theirs", "name": "theirs", "type": "loki"}
    grafana.dashboards["theirs"] = theirs
    provision(grafana)
    grafana.dashboards["added"] = in_ours
    assert [path for method, path in grafana.calls if "others" in path or "theirs" in path] == []
    for provider, inputs in reversed(all_steps(grafana)):
        provider.delete(inputs["uid"], inputs)
    # The folder would take the dashboard that somebody has saved in it along.
    assert grafana.dashboards == {"theirs": theirs, "added": in_ours}
    assert grafana.folders == {"others": {"uid": "others", "title": "Others"}, UID: {"uid": UID, "title": TITLE}}
    assert set(grafana.data_sources) == {"theirs"}


def test_a_folder_that_holds_alert_rules_of_others_is_left_to_them(grafana: Grafana) -> None:
    provision(grafana)
    grafana.dashboards.clear()
    grafana.fail[("DELETE", "/api/folders")] = (400, "folder contains alert rules")
    FolderProvider().delete(UID, folder(grafana))
    assert UID in grafana.folders


def test_a_folder_with_somebody_s_folder_in_it_is_left(grafana: Grafana) -> None:
    provision(grafana)
    grafana.dashboards.clear()
    grafana.folders["below"] = {"uid": "below", "title": "Theirs", "parentUid": UID}
    FolderProvider().delete(UID, folder(grafana))
    assert set(grafana.folders) == {UID, "below"}


def test_a_search_that_lags_behind_our_own_deletions_keeps_no_folder(grafana: Grafana) -> None:
    provision(grafana)
    grafana.stale = [
        {"uid": f"{UID}-overview", "title": "Agents: overview", "type": "dash-db"},
        {"uid": "gone", "title": "Gone", "type": "dash-folder"},
    ]
    for provider, inputs in reversed(all_steps(grafana)):
        provider.delete(inputs["uid"], inputs)
    assert grafana.folders == {}
