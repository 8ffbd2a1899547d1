"""The configuration for a real `clickhouse server`, checked against the lists of settings that the engine itself has.

No server is to be had from package registries: what one refuses at its start is looked for here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from infra.endpoints import KafkaAddress
from infra.local.clickhouse import command
from infra.local.clickhouse.component import ClickHouseArgs, config_files, schema_folder
from infra.paths import CONFIGS, SQL
from infra.schema import template_values
from infra.settings import parse_settings
from infra.templates import render
from tests.pipeline.clickhouse_front import Front, running_front  # noqa: F401

SECTIONS = {
    "listen_host", "http_port", "timezone", "user_directories", "access_control_improvements", "remote_url_allow_hosts",
    "logger", "send_crash_reports", "merge_tree", "kafka", "storage_configuration", "query_log", "part_log",
}  # fmt: skip
"""What of our file is no server setting with a name in system.server_settings."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ElementTree.Element]:
    """config.xml and users.xml as a server gets them."""
    folder = tmp_path_factory.mktemp("server")
    args = ClickHouseArgs(parse_settings({"portBase": 14000}, "test"), folder / "run", folder / "data")
    return {path.name: ElementTree.fromstring(text) for path, text in config_files(args, server=True).items()}


def names(front: Front, table: str, where: str = "1") -> set[str]:
    return set(front.sql(f"SELECT name FROM system.{table} WHERE {where} FORMAT TSV").split())


def test_every_server_setting_is_one_that_the_engine_knows(front: Front, files: dict[str, ElementTree.Element]) -> None:
    given = {child.tag for child in files["config.xml"]}
    assert given - names(front, "server_settings") == SECTIONS
    merge_tree = files["config.xml"].find("merge_tree")
    assert merge_tree is not None
    assert {child.tag for child in merge_tree} <= names(front, "merge_tree_settings")


def test_no_query_setting_stands_where_a_server_refuses_to_start(
    front: Front, files: dict[str, ElementTree.Element]
) -> None:
    misplaced = {child.tag for child in files["config.xml"]} & names(front, "settings", "NOT is_obsolete")
    assert misplaced == set()


def test_every_profile_names_settings_that_exist(front: Front, files: dict[str, ElementTree.Element]) -> None:
    known = names(front, "settings", "NOT is_obsolete")
    profiles = files["users.xml"].find("profiles")
    assert profiles is not None and len(profiles) == 3
    assert {setting.tag for profile in profiles for setting in profile} <= known


def test_it_listens_on_loopback_with_http_alone_and_logs_to_its_supervisor(
    files: dict[str, ElementTree.Element],
) -> None:
    config = files["config.xml"]
    assert [node.text for node in config.iter("listen_host")] == ["127.0.0.1"]
    assert {node.tag: node.text for node in config if node.tag.endswith("_port")} == {"http_port": "14023"}
    assert (config.findtext("logger/console"), config.find("logger/log")) == ("1", None)
    assert config.findtext("user_directories/users_xml/path") == "users.xml"


def test_it_makes_two_log_tables_which_expire(files: dict[str, ElementTree.Element]) -> None:
    logs = [node for node in files["config.xml"] if node.tag.endswith("_log")]
    assert [node.tag for node in logs] == ["query_log", "part_log"]
    assert all("DELETE" in (node.findtext("ttl") or "") for node in logs)
    assert not [node for node in files["config.xml"].iter() if "remove" in node.attrib]


def test_a_server_is_given_the_schema_by_a_name_in_its_own_folder(files: dict[str, ElementTree.Element]) -> None:
    # "Absolute path in the 'format_schema' setting is prohibited": only chdb takes one.
    values = template_values(parse_settings({}, "test"), KafkaAddress("127.0.0.1:1"), schema_folder(server=True))
    made = "".join(render(path, values) for path in sorted((SQL / "ingest").glob("*.sql")))
    assert "kafka_schema = 'otlp.proto:" in made
    assert files["config.xml"].findtext("format_schema_path") == f"{CONFIGS / 'otlp'}/"
    assert (CONFIGS / "otlp" / "otlp.proto").is_file()


def test_its_command_names_the_configuration() -> None:
    started = command(Path("/usr/bin/clickhouse"), Path("/data"), Path("/run/config.xml"), 8123)
    assert started == ["/usr/bin/clickhouse", "server", "--config-file=/run/config.xml"]
