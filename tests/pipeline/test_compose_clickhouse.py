"""docker-compose.yml's ClickHouse configuration against the lists of settings that the engine has: what a server of its own would
refuse at its start, since none is to be had from package registries. test_compose_parts.py starts the engine with it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from infra.compose.files import NETWORKS, clickhouse_files
from infra.compose.project import CONFIGURATION, compose_settings
from infra.postdeploy.grafana_source import QUERY_SECONDS
from tests.pipeline.clickhouse_front import Front, running_front  # noqa: F401
from tests.pipeline.test_clickhouse_server_config import SECTIONS, names

OURS = {"tcp_port"}
"""Beside the shared file's: what is no server setting with a name in system.server_settings."""


@pytest.fixture(scope="module")
def made() -> dict[str, ElementTree.Element]:
    files = clickhouse_files(compose_settings())
    return {path: ElementTree.fromstring(text) for path, text in files.items() if path.endswith(".xml")}


def config_files(made: dict[str, ElementTree.Element]) -> list[ElementTree.Element]:
    return [root for path, root in made.items() if path == "config.xml" or path.startswith("config.d/")]


def users_files(made: dict[str, ElementTree.Element]) -> list[ElementTree.Element]:
    return [root for path, root in made.items() if path == "users.xml" or path.startswith("users.d/")]


def test_every_server_setting_is_one_that_the_engine_knows_and_none_a_query_s(
    front: Front, made: dict[str, ElementTree.Element]
) -> None:
    given = {child.tag for root in config_files(made) for child in root}
    assert given - names(front, "server_settings") == SECTIONS | OURS
    assert given & names(front, "settings", "NOT is_obsolete") == set()


def test_every_profile_names_settings_that_exist(front: Front, made: dict[str, ElementTree.Element]) -> None:
    known = names(front, "settings", "NOT is_obsolete")
    profiles = [profile for root in users_files(made) for profile in root.iterfind("profiles/*")]
    assert {profile.tag for profile in profiles} == {"default", "dashboards", "readers"}
    assert {setting.tag for profile in profiles for setting in profile} - {"constraints"} <= known


def test_it_listens_where_other_containers_reach_it_by_http_and_natively(
    made: dict[str, ElementTree.Element],
) -> None:
    container = made["config.d/10-container.xml"]
    listen = container.find("listen_host")
    assert listen is not None and (listen.text, listen.get("replace")) == ("0.0.0.0", "1")
    ports = {node.tag: node.text for root in config_files(made) for node in root if node.tag.endswith("_port")}
    assert ports == {"http_port": "8123", "tcp_port": "9000"}
    assert made["config.xml"].findtext("format_schema_path") == f"{CONFIGURATION}/clickhouse/schemas/"
    assert made["config.xml"].findtext("path") == "/var/lib/clickhouse/"


def test_the_tiers_are_folders_of_the_one_volume(made: dict[str, ElementTree.Element]) -> None:
    disks = made["config.xml"].findall("storage_configuration/disks/*")
    assert {disk.tag: disk.findtext("path") for disk in disks} == {
        "slow": "/var/lib/clickhouse/disks/slow/",
        "s3": "/var/lib/clickhouse/disks/s3/",
    }


def test_users_come_from_private_addresses_alone_and_have_the_rights_that_they_have_on_a_laptop(
    made: dict[str, ElementTree.Element],
) -> None:
    here = made["users.d/10-networks.xml"]
    assert [user.tag for user in here.iterfind("users/*")] == ["default", "dashboards"]
    for user in here.iterfind("users/*"):
        assert [child.tag for child in user] == ["networks"]
        networks = user.find("networks")
        assert networks is not None and networks.get("replace") == "1"
        assert [ip.text for ip in networks] == NETWORKS
    assert not {"0.0.0.0/0", "::/0"} & set(NETWORKS)
    assert made["users.xml"].findtext("profiles/dashboards/readonly") == "1"


def test_grafana_s_own_time_limit_lies_within_the_read_only_user_s(made: dict[str, ElementTree.Element]) -> None:
    found = made["users.d/20-grafana.xml"].find("profiles/dashboards/constraints/max_execution_time")
    assert found is not None and found.find("changeable_in_readonly") is not None
    assert int(found.findtext("max", "")) >= QUERY_SECONDS + 5
