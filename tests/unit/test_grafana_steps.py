"""Steps on Grafana, against a stand-in that refuses what Grafana refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.aws.clickhouse import configuration as aws_limits
from infra.dashboards.overview import overview
from infra.endpoints import Reached, access_from_dict
from infra.errors import UserError
from infra.local.clickhouse import component as local_limits
from infra.postdeploy import grafana as steps
from infra.postdeploy import grafana_api
from tests.grafana_stub import Grafana, serving

UID = "agent-telemetry-dev"
CLICKHOUSE = {"host": "clickhouse.dev.internal", "port": 8443.0, "user": "dashboards", "secure": True}


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    with serving(Grafana()) as running:
        yield running


@pytest.fixture(autouse=True)
def _accesses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("CA")

    @dataclass(frozen=True)
    class Token:
        token: str

        @contextmanager
        def open(self) -> Iterator[str]:
            yield self.token

    @dataclass(frozen=True)
    class Known:
        @contextmanager
        def open(self, host: str, port: int) -> Iterator[Reached]:
            yield Reached(host, port, "dashboards-password", str(ca))

    def made(value: dict[str, Any]) -> Any:
        kind = value["class"]
        return (
            {"token": Token, "known": Known}[kind](**value["args"])
            if kind in ("token", "known")
            else access_from_dict(value)
        )

    for module in (grafana_api, steps):
        monkeypatch.setattr(module, "access_from_dict", made)
    monkeypatch.setattr(grafana_api, "POLL_SECONDS", 0)


def props(grafana: Grafana, **more: Any) -> dict[str, Any]:
    return {"grafana": grafana.url, "grafana_access": {"class": "token", "args": {"token": "glsa_test"}}, **more}


def source(grafana: Grafana) -> dict[str, Any]:
    access = {"class": "known", "args": {}}
    return props(grafana, uid=UID, name=UID, clickhouse=CLICKHOUSE, clickhouse_access=access, trigger="1")


def dashboard(grafana: Grafana, **changed: Any) -> dict[str, Any]:
    model = {**overview(UID), **changed}
    return props(grafana, uid=f"{UID}-overview", folder=UID, model=steps.model_text(model))


def provision(grafana: Grafana) -> None:
    steps.PluginProvider().create(props(grafana, uid=steps.PLUGIN))
    steps.DataSourceProvider().create(source(grafana))
    steps.FolderProvider().create(props(grafana, uid=UID, title="Agents (dev)"))
    steps.DashboardProvider().create(dashboard(grafana))


def test_everything_can_be_written_again_without_a_second_object(grafana: Grafana) -> None:
    provision(grafana)
    provision(grafana)
    assert (len(grafana.data_sources), len(grafana.folders), len(grafana.dashboards)) == (1, 1, 1)
    assert grafana.calls.count(("POST", f"/api/plugins/{steps.PLUGIN}/install")) == 1


def test_the_data_source_is_the_read_only_user_with_tls_checked_and_no_secret_in_the_state(grafana: Grafana) -> None:
    steps.PluginProvider().create(props(grafana, uid=steps.PLUGIN))
    result = steps.DataSourceProvider().create(source(grafana))
    kept = grafana.data_sources[UID]
    assert kept["jsonData"]["username"] == "dashboards" and kept["jsonData"]["port"] == 8443
    assert int(kept["jsonData"]["queryTimeout"]) + 5 <= min(
        aws_limits.DASHBOARDS_SECONDS, local_limits.DASHBOARDS_SECONDS
    )
    assert (
        kept["jsonData"]["secure"] and not kept["jsonData"]["tlsSkipVerify"] and kept["jsonData"]["tlsAuthWithCACert"]
    )
    assert kept["secureJsonData"] == {"password": "dashboards-password", "tlsCACert": "CA"}
    assert "dashboards-password" not in json.dumps(result.outs)


def test_a_clickhouse_that_grafana_does_not_reach_is_said_at_once(grafana: Grafana) -> None:
    steps.PluginProvider().create(props(grafana, uid=steps.PLUGIN))
    grafana.reachable = False
    with pytest.raises(UserError, match=r"refused GET .*health: 400 dial tcp: i/o timeout"):
        steps.DataSourceProvider().create(source(grafana))
    grafana.reachable = True
    steps.DataSourceProvider().create(source(grafana))


@pytest.mark.parametrize(
    ("status", "message"),
    [(403, r"needs the role Admin.*could not be installed.*plugin administration"), (409, "does not answer after 0 s")],
)
def test_a_plugin_that_can_t_be_installed_says_what_to_do(
    grafana: Grafana, monkeypatch: pytest.MonkeyPatch, status: int, message: str
) -> None:
    monkeypatch.setattr(steps, "PLUGIN_SECONDS", 0)
    grafana.fail[("POST", "/api/plugins")] = (status, "no")
    with pytest.raises(UserError, match=f"(?s){message}"):
        steps.PluginProvider().create(props(grafana, uid=steps.PLUGIN))


def test_a_refresh_finds_what_was_changed_or_deleted_by_hand_and_the_next_up_puts_it_right(grafana: Grafana) -> None:
    provision(grafana)
    provider, wanted = steps.DashboardProvider(), dashboard(grafana)
    unchanged = provider.read(wanted["uid"], wanted).outs
    assert unchanged and not provider.diff(wanted["uid"], unchanged, wanted).changes, "what Grafana adds is no drift"
    grafana.dashboards[wanted["uid"]]["dashboard"]["title"] = "by hand"
    drifted = provider.read(wanted["uid"], wanted).outs
    assert drifted and provider.diff(wanted["uid"], drifted, wanted).changes
    provider.update(wanted["uid"], drifted, wanted)
    assert grafana.dashboards[wanted["uid"]]["dashboard"]["title"] == "Agents: overview"
    del grafana.folders[UID]
    assert steps.FolderProvider().read(UID, props(grafana, uid=UID, title="x")).id == ""


def test_somebody_s_dashboard_with_our_uid_is_not_overwritten(grafana: Grafana) -> None:
    provision(grafana)
    grafana.folders["others"] = {"uid": "others", "title": "Others"}
    grafana.dashboards[f"{UID}-overview"]["meta"]["folderUid"] = "others"
    with pytest.raises(UserError, match=r"lies in another folder \(others\)"):
        steps.DashboardProvider().create(dashboard(grafana))


def test_a_wrong_token_and_a_grafana_that_is_away_are_told_apart(grafana: Grafana) -> None:
    grafana.token = "another"
    with pytest.raises(UserError, match="401 Invalid API key; the token is not valid"):
        steps.FolderProvider().create(props(grafana, uid=UID, title="x"))
    away = {**props(grafana, uid=UID, title="x"), "grafana": "http://127.0.0.1:1"}
    with pytest.raises(UserError, match=r"Grafana at http://127.0.0.1:1 does not answer.*grafanaUrl"):
        steps.FolderProvider().create(away)


def test_deleting_what_is_gone_is_no_error_and_the_plugin_stays(grafana: Grafana) -> None:
    provision(grafana)
    for _ in range(2):
        steps.DashboardProvider().delete("", dashboard(grafana))
        steps.DataSourceProvider().delete("", source(grafana))
        steps.FolderProvider().delete("", props(grafana, uid=UID, title="x"))
        steps.PluginProvider().delete("", props(grafana, uid=steps.PLUGIN))
    assert not (grafana.dashboards or grafana.data_sources or grafana.folders) and grafana.plugins == {steps.PLUGIN}
