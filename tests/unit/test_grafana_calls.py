"""Every call that the steps make on Grafana, decoded strictly by Grafana's own published models; so is every answer that
the stand-in gives, for what it says has to be what a Grafana may say."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.errors import UserError
from tests.grafana_models import judge
from tests.grafana_steps import UID, all_steps, known_accesses, provision
from tests.grafana_stub import UNPUBLISHED, Grafana, serving

pytestmark = pytest.mark.timeout(300)
"""The first test builds the models."""


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Grafana]:
    known_accesses(monkeypatch, tmp_path)
    with serving(Grafana()) as running:
        yield running


def a_whole_life(grafana: Grafana) -> list[dict[str, Any]]:
    """Create, create again, update, refresh, refusals, delete, delete again: each call with its answer."""
    grafana.plugins.clear()
    for _ in range(2):
        provision(grafana)
    for provider, inputs in all_steps(grafana):
        provider.read(inputs["uid"], inputs)
        provider.update(inputs["uid"], inputs, inputs)
    grafana.reachable = False
    for provider, inputs in all_steps(grafana):
        if type(provider).__name__ == "DataSourceProvider":
            with pytest.raises(UserError):
                provider.update(inputs["uid"], inputs, inputs)
    for _ in range(2):
        for provider, inputs in reversed(all_steps(grafana)):
            provider.delete(inputs["uid"], inputs)
    return grafana.traffic


def test_every_call_and_every_answer_is_what_grafana_publishes(grafana: Grafana) -> None:
    made = a_whole_life(grafana)
    published = [call for call in made if not UNPUBLISHED.match(call["path"])]
    verdicts = judge(published)
    wrong = [
        (call["method"], call["path"], verdict)
        for call, verdict in zip(published, verdicts, strict=True)
        if verdict.request or verdict.answer
    ]
    assert wrong == []
    assert {verdict.operation for verdict in verdicts} >= {
        *("getHealth", "search", "getFolderByUID", "createFolder", "updateFolder", "deleteFolder"),
        *("getDataSourceByUID", "addDataSource", "updateDataSourceByUID", "deleteDataSourceByUID"),
        *("checkDatasourceHealthWithUID", "getDashboardByUID", "postDashboard", "deleteDashboardByUID"),
    }


def test_what_no_model_can_judge_is_the_plugin_s_installation_and_nothing_else(grafana: Grafana) -> None:
    unpublished = {(call["method"], call["path"]) for call in a_whole_life(grafana) if UNPUBLISHED.match(call["path"])}
    plugin = "/api/plugins/grafana-clickhouse-datasource"
    assert unpublished == {("GET", f"{plugin}/settings"), ("POST", f"{plugin}/install")}
    for verdict in judge({"method": method, "path": path} for method, path in unpublished):
        assert re.match("no operation", verdict.request[0]), "published by now: judge it"


def changed(call: dict[str, Any], **parts: Any) -> dict[str, Any]:
    made = copy.deepcopy(call)
    made["body"].update(parts)
    return made


def test_a_call_that_is_wrong_is_refused(grafana: Grafana) -> None:
    made = {(call["method"], call["path"]): call for call in a_whole_life(grafana)}
    source, save = made[("POST", "/api/datasources")], made[("POST", "/api/dashboards/db")]
    folder, put = made[("POST", "/api/folders")], made[("PUT", f"/api/folders/{UID}")]
    search = made[("GET", f"/api/search?folderUIDs={UID}")]
    wrong = [
        (changed(source, datasource="x"), 'unknown field "datasource"'),
        (changed(source, Name=source["body"]["name"]), 'field "Name" is written in another case'),
        (changed(source, jsonData=source["body"]["jsonData"], isDefault="no"), "cannot unmarshal string"),
        (changed(source, secureJsonData={"password": 1}), "cannot unmarshal number"),
        (changed(folder, parent="x"), 'unknown field "parent"'),
        (changed(put, uid=UID), 'unknown field "uid"'),
        (changed(save, folderUID=UID), 'field "folderUID" is written in another case'),
        ({**folder, "path": "/api/folder"}, "no operation POST /api/folder"),
        ({**folder, "method": "PATCH"}, "no operation PATCH /api/folders"),
        ({**folder, "body": None}, "needs a body"),
        ({**search, "body": {}}, "takes no body"),
        ({**search, "path": f"{search['path']}&folder=x"}, "no query parameter folder"),
        ({**folder, "headers": {"X-Disable-Provenance": "true"}}, "no header X-Disable-Provenance"),
    ]
    for (_, said), verdict in zip(wrong, judge(call for call, _ in wrong), strict=True):
        assert any(said in line for line in verdict.request), (said, verdict)


def test_an_answer_that_no_grafana_gives_is_refused(grafana: Grafana) -> None:
    made = {(call["method"], call["path"]): call for call in a_whole_life(grafana)}
    save = made[("POST", "/api/dashboards/db")]
    lesser = {key: value for key, value in save["answer"].items() if key != "uid"}
    wrong = [
        ({**save, "answer": lesser}, "uid in body is required"),
        ({**save, "answer": {**save["answer"], "more": 1}}, 'unknown field "more"'),
        ({**save, "status": 418}, "no answer 418"),
    ]
    for (_, said), verdict in zip(wrong, judge(call for call, _ in wrong), strict=True):
        assert any(said in line for line in verdict.answer), (said, verdict)
