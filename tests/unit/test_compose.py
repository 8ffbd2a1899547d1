"""docker-compose.yml as Docker Compose's own loader reads it, against the one source of ports, versions and settings."""

from __future__ import annotations

import configparser
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from infra.cli import app
from infra.compose import project
from infra.compose.files import WORKER, clickhouse_files, files
from infra.compose.project import CONFIGURATION, FILE, MINIMUM, compose_settings, doors, project_text
from infra.dashboards.catalogue import DASHBOARDS
from infra.dashboards.provisioning import write_files
from infra.errors import UserError
from infra.guard import versions
from infra.local.toolchain.versions import version_of
from infra.settings import PORTS, parse_settings
from tests.compose_project import RefusedError, load
from tests.grafana_models import judge
from tests.grafana_program import SECTIONS, loaded

MADE = files(compose_settings())
ONE_SHOT = {"configure", "migrate"}
PARTS = {"kafka", "clickhouse", "collector", "worker", "grafana"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return load()


def test_it_is_what_the_command_makes_of_configs_settings_and_versions() -> None:
    assert project_text() == FILE.read_text(), "run `telemetry compose --write`"


def test_the_command_prints_it() -> None:
    done = CliRunner().invoke(app, ["compose"])
    assert done.exit_code == 0 and done.stdout == FILE.read_text()


def test_the_loader_takes_it_and_refuses_what_docker_compose_refuses(tmp_path: Path) -> None:
    assert set(load()["services"]) == PARTS | ONE_SHOT
    text = FILE.read_text()
    for before, after, said in (
        ("stop_grace_period", "stop_grace", "stop_grace"),
        ("migrate: {condition: service_completed_successfully}", "migrat: {condition: service_healthy}", "migrat"),
        ("start_period: 60s", "start_period: sixty", "sixty"),
        ('"clickhouse-data:/var/lib/clickhouse"', '"clickhouse:/var/lib/clickhouse"', "clickhouse"),
    ):
        assert before in text
        wrong = tmp_path / "docker-compose.yml"
        wrong.write_text(text.replace(before, after))
        with pytest.raises(RefusedError, match=said):
            load(wrong)


PUBLISHED = {
    ("kafka", 29092): 29092,
    ("clickhouse", 8123): 8123,
    ("clickhouse", 9000): 9000,
    ("collector", 4317): 4317,
    ("collector", 4318): 4318,
    ("grafana", 3000): 3000,
}


def published(found: dict[str, Any]) -> dict[tuple[str, int], int]:
    return {
        (name, port["target"]): int(port["published"])
        for name, service in found["services"].items()
        for port in service.get("ports", [])
    }


def test_the_hosts_ports_are_the_well_known_ones_on_loopback_alone(compose: dict[str, Any]) -> None:
    assert published(compose) == PUBLISHED
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    same_as_local = {known for key, (known, _) in PORTS.items() if key not in NOT_OPEN}
    assert same_as_local <= set(published(compose).values()) | {9092}


NOT_OPEN = {"kafkaControllerPort", "collectorHealthPort", "collectorMetricsPort"}


def test_each_port_is_moved_by_its_variable_and_kafka_says_its_new_one_to_clients() -> None:
    moved = {door.variable: str(20000 + number) for number, door in enumerate(doors().values())}
    assert len(moved) == len(PUBLISHED)
    found = load(FILE, **moved)
    assert Counter(published(found).values()) == Counter(map(int, moved.values()))
    advertised = found["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert advertised == f"PLAINTEXT://kafka:9092,HOST://127.0.0.1:{moved['TELEMETRY_KAFKA_PORT']}"


def test_a_second_one_beside_it_has_a_name_and_volumes_of_its_own() -> None:
    found = load(COMPOSE_PROJECT_NAME="two")
    assert found["name"] == "two"
    assert {volume["name"] for volume in found["volumes"].values()} == {f"two_{name}" for name in found["volumes"]}
    assert not [service for service in found["services"].values() if "container_name" in service]


def test_ports_that_a_person_moved_for_make_up_stay_inside_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "file_settings", lambda _: parse_settings({"portBase": 14000}, "test"))
    assert project_text() == FILE.read_text()


def test_images_have_the_versions_that_the_rest_of_the_project_has() -> None:
    known = versions()
    assert known["compose"]["kafka-image"]["version"] == version_of("kafka")
    assert known["deployed"]["collector-image"]["version"] == version_of("collector")
    assert known["compose"]["clickhouse-image"]["version"] == known["deployed"]["clickhouse"]["version"]
    assert known["compose"]["uv-image"]["version"] == version_of("uv")


def used_images(compose: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for service in compose["services"].values():
        found |= {service["image"]} if "build" not in service else set(service["build"]["args"].values())
    return found


def test_every_image_is_one_of_the_pinned_list_and_none_floats(compose: dict[str, Any]) -> None:
    assert used_images(compose) == {project.image(name) for name in project.IMAGES.values()}
    assert all(re.search(r":\d[\w.-]+(@sha256:[0-9a-f]{64})?$", image) for image in used_images(compose))


def test_a_pin_stands_behind_the_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = versions()
    for entry in pinned["compose"].values():
        entry["pin"] = f"sha256:{'ab' * 32}"
    monkeypatch.setattr(project, "versions", lambda: pinned)
    assert project.image("kafka-image") == f"docker.io/apache/kafka:4.1.0@sha256:{'ab' * 32}"


def test_every_part_that_stays_is_asked_for_its_health_and_comes_back(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert ("healthcheck" in service) == (name in PARTS), name
        assert service.get("restart", "no") == ("unless-stopped" if name in PARTS else "no"), name
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_dependency_can_be_met(compose: dict[str, Any]) -> None:
    order: list[str] = []
    waiting = dict(compose["services"])
    while waiting:
        ready = [name for name, service in waiting.items() if set(service.get("depends_on", {})) <= set(order)]
        assert ready, f"a circle: {sorted(waiting)}"
        for name in ready:
            for other, how in waiting.pop(name).get("depends_on", {}).items():
                expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
                assert how["condition"] == expected, (name, other)
            order.append(name)
    assert order[0] == "configure" or order[1] == "configure"


def test_up_waits_for_every_one_shot_by_somebody_who_needs_its_success(compose: dict[str, Any]) -> None:
    """`up --wait` takes an ended container for a failure unless another one waits for its success."""
    waited = {other for service in compose["services"].values() for other in service.get("depends_on", {})}
    assert waited >= ONE_SHOT


def test_who_reads_written_files_is_restarted_when_they_are_written_anew(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        mounts = {volume["source"]: volume for volume in service.get("volumes", [])}
        if "configuration" not in mounts or name == "configure":
            continue
        assert mounts["configuration"]["read_only"] and mounts["configuration"]["target"] == CONFIGURATION
        assert service["depends_on"]["configure"]["restart"] is True, name


def test_data_is_in_named_volumes_and_nothing_of_the_host_is_mounted(compose: dict[str, Any]) -> None:
    mounts = [volume for service in compose["services"].values() for volume in service.get("volumes", [])]
    assert {volume["type"] for volume in mounts} == {"volume"}
    assert {volume["source"] for volume in mounts} == set(compose["volumes"])
    kept = {volume["source"]: volume["target"] for volume in mounts if not volume.get("read_only")}
    assert kept == {
        "configuration": CONFIGURATION,
        "kafka-data": compose["services"]["kafka"]["environment"]["KAFKA_LOG_DIRS"],
        "clickhouse-data": "/var/lib/clickhouse",
        "grafana-data": "/var/lib/grafana",
    }


def test_no_secret_is_in_the_environment(compose: dict[str, Any]) -> None:
    names = {name for service in compose["services"].values() for name in service.get("environment", {})}
    assert not [name for name in names if re.search("PASS|SECRET|TOKEN|KEY|CREDENTIAL", name)]


def test_every_path_that_a_container_is_told_is_a_file_that_configure_writes(compose: dict[str, Any]) -> None:
    written = {f"{CONFIGURATION}/{path}" for path in MADE}
    folders = {str(parent) for path in written for parent in Path(path).parents}
    told: list[str] = []
    for name, service in compose["services"].items():
        if name != "configure":
            words = [*(service["command"] or []), *service.get("environment", {}).values()]
            words += service.get("healthcheck", {}).get("test", [])
            told += re.findall(rf"{CONFIGURATION}/[\w./-]+", " ".join(words))
    assert len(told) >= 5 and set(told) <= written | folders
    config = clickhouse_files(compose_settings())["config.xml"]
    assert f"<format_schema_path>{CONFIGURATION}/clickhouse/schemas/</format_schema_path>" in config
    assert f"{CONFIGURATION}/{WORKER}" in told


def test_grafana_reads_what_configure_writes(tmp_path: Path) -> None:
    write_files(tmp_path, {name: text.replace(CONFIGURATION, str(tmp_path)) for name, text in MADE.items()})
    found = loaded(tmp_path / "grafana" / "provisioning")
    assert {len(boards) for boards in found["dashboards"].values()} == {len(DASHBOARDS)}
    (source,) = found["sources"]
    assert (source["jsonData"]["host"], source["jsonData"]["port"]) == ("clickhouse", 8123)
    assert source["jsonData"]["username"] == "dashboards" and "secureJsonData" not in source
    entry = {key: value for key, value in source.items() if key not in ("orgId", "editable")}
    (verdict,) = judge([{"method": "POST", "path": "/api/datasources", "body": entry}])
    assert (verdict.operation, verdict.request) == ("addDataSource", [])
    rules = {"apiVersion": 1, "groups": found["groups"]}
    call = {"method": "GET", "path": "/api/v1/provisioning/alert-rules/export", "status": 200, "answer": rules}
    (verdict,) = judge([call])
    assert (verdict.operation, verdict.answer) == ("GetAlertRulesExport", []) and found["groups"]


def test_grafana_s_ini_names_what_exists_and_leaves_the_image_s_paths_alone(compose: dict[str, Any]) -> None:
    ini = configparser.ConfigParser(interpolation=None)
    ini.read_string(MADE["grafana/grafana.ini"])
    assert "paths" not in ini and "plugins" not in ini, "preinstall_disabled would keep the plugin away too"
    assert all(set(ini[section]) <= SECTIONS[section] for section in ini.sections())
    home = ini["dashboards"]["default_home_dashboard_path"].removeprefix(f"{CONFIGURATION}/")
    assert home in MADE
    environment = compose["services"]["grafana"]["environment"]
    assert environment["GF_PLUGINS_PREINSTALL_SYNC"].startswith("grafana-clickhouse-datasource@")
    assert environment["GF_PATHS_CONFIG"] == f"{CONFIGURATION}/grafana/grafana.ini"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"collectorAuth": "jwt"}, "collectorAuth"),
        ({"tenantReaders": ["acme"]}, "tenantReaders"),
        ({"budgetWebhookUrl": "https://budgets.example.org/hook"}, "budgetWebhookUrl"),
        ({"budgetsFile": "budgets.yaml"}, "budgetsFile"),
    ],
)
def test_a_setting_that_containers_can_t_have_is_refused_by_name(
    given: dict[str, Any], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "file_settings", lambda _: parse_settings(given, "test"))
    with pytest.raises(UserError, match=rf"^Pulumi\.local\.yaml: {named}: docker-compose\.yml: "):
        project_text()


def test_it_says_which_docker_compose_it_needs() -> None:
    assert f"Docker Compose {MINIMUM} or newer" in FILE.read_text()
    assert yaml.safe_load(FILE.read_text())["name"] == "agent-telemetry"
