"""Every step on Grafana with its inputs as the program declares them, against tests/grafana_stub: for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.dashboards.catalogue import build_all
from infra.endpoints import Reached, access_from_dict
from infra.postdeploy import grafana_api, grafana_source
from infra.postdeploy.grafana_api import PLUGIN
from infra.postdeploy.grafana_folder import DashboardProvider, FolderProvider, model_text
from infra.postdeploy.grafana_ground import GroundProvider
from infra.postdeploy.grafana_source import DataSourceProvider, PluginProvider
from infra.postdeploy.grafana_step import GrafanaProvider
from tests.grafana_stub import Grafana

UID = "agent-telemetry-dev"
TITLE = "Agents (dev)"
PASSWORD = "dashboards-password"
CLICKHOUSE = {"host": "clickhouse.dev.internal", "port": 8443.0, "user": "dashboards", "secure": True}


@dataclass(frozen=True)
class Token:
    """A token that is known."""

    token: str

    @contextmanager
    def open(self) -> Iterator[str]:
        yield self.token


@dataclass(frozen=True)
class Known:
    """ClickHouse with a known password and CA."""

    ca_file: str

    @contextmanager
    def open(self, host: str, port: int) -> Iterator[Reached]:
        yield Reached(host, port, PASSWORD, self.ca_file)


MODELS = build_all(UID)


def known_accesses(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Lets the steps open the two accesses above: product code opens its own only."""
    ca = folder / "ca.pem"
    ca.write_text("CA")

    def made(value: Mapping[str, Any]) -> Any:
        if value["class"] == "token":
            return Token(**value["args"])
        return Known(str(ca)) if value["class"] == "known" else access_from_dict(value)

    for module in (grafana_api, grafana_source):
        monkeypatch.setattr(module, "access_from_dict", made)
    monkeypatch.setattr(grafana_api, "POLL_SECONDS", 0)


def props(grafana: Grafana, **more: Any) -> dict[str, Any]:
    """Inputs of a step on this Grafana."""
    return {"grafana": grafana.url, "grafana_access": {"class": "token", "args": {"token": "glsa_test"}}, **more}


def ground(grafana: Grafana) -> dict[str, Any]:
    dashboards = {model["uid"]: UID for model in MODELS.values()}
    return props(grafana, uid=UID, folders={UID: TITLE}, sources={UID: UID}, dashboards=dashboards, rules=[])


def source(grafana: Grafana, **changed: Any) -> dict[str, Any]:
    own = {"uid": UID, "name": UID, "clickhouse": CLICKHOUSE, "database": "telemetry", "trigger": "1"}
    return props(grafana, **own, clickhouse_access={"class": "known", "args": {}}, **changed)


def folder(grafana: Grafana, title: str = TITLE) -> dict[str, Any]:
    return props(grafana, uid=UID, title=title)


def dashboard(grafana: Grafana, slug: str = "overview", **changed: Any) -> dict[str, Any]:
    model = {**MODELS[slug], **changed}
    return props(grafana, uid=model["uid"], folder=UID, model=model_text(model))


def all_steps(grafana: Grafana) -> list[tuple[GrafanaProvider, dict[str, Any]]]:
    """Each step with its inputs, in the program's order."""
    return [
        (GroundProvider(), ground(grafana)),
        (PluginProvider(), props(grafana, uid=PLUGIN)),
        (DataSourceProvider(), source(grafana)),
        (FolderProvider(), folder(grafana)),
        *((DashboardProvider(), dashboard(grafana, slug)) for slug in MODELS),
    ]


def provision(grafana: Grafana, done: set[str] | None = None) -> None:
    """An `up`: creates what is not `done` yet and stops at the first refusal, as the engine does with what depends on it."""
    for provider, inputs in all_steps(grafana):
        name = f"{type(provider).__name__} {inputs['uid']}"
        if done is None or name not in done:
            provider.create(inputs)
        if done is not None:
            done.add(name)
