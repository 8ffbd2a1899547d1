"""The nodes' rendered configuration in the real engine, with an S3 that answers: disks, tiers, users, backups."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from infra.aws.clickhouse import names
from infra.aws.clickhouse.backup import FULL, INCREMENT, complete, make
from infra.aws.clickhouse.configuration import keeper_files
from infra.errors import UserError
from infra.local.toolchain import ensure
from infra.local.toolchain.builds import OTHER_ENGINES
from infra.paths import SQL
from infra.postdeploy.grafana_source import QUERY_SECONDS
from tests.pipeline.node_engine import (
    BACKUPS,
    DATA,
    GRAFANA,
    KEEPERS,
    Engine,
    EngineError,
    buckets_of,
    files,
    s3_that_answers,
)


def test_grafana_s_own_time_limit_lies_within_the_read_only_user_s() -> None:
    """The data source sends its timeout and 5 s as max_execution_time with every query."""
    found = ElementTree.fromstring(files()[GRAFANA]).find("profiles/dashboards/constraints/max_execution_time")
    assert found is not None and found.find("changeable_in_readonly") is not None
    low, high = (int(found.findtext(name, "")) for name in ("min", "max"))
    assert 0 < low <= QUERY_SECONDS + 5 <= high
    switch = "access_control_improvements/settings_constraints_replace_previous"
    assert ElementTree.fromstring(files()[f"{names.SERVER_CONFIG}/config.xml"]).findtext(switch) == "true"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_that_answers() as url:
        yield url


@pytest.fixture(scope="module")
def buckets(s3: str) -> Any:
    return buckets_of(s3)


BUDGETS = sorted(
    name
    for name in re.findall(
        r"CREATE TABLE IF NOT EXISTS \{\{ database \}\}\.(\w+)", (SQL / "migrations" / "0010_budgets.sql").read_text()
    )
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, s3: str, buckets: Any) -> Iterator[Engine]:
    made = Engine(tmp_path_factory.mktemp("node"), s3, tenantReaders=["acme"])
    made.rows("CREATE DATABASE telemetry")
    for table in ("spans_raw", "runs_data", "worker_results", "model_prices", *BUDGETS):
        made.rows(
            f"CREATE TABLE telemetry.{table} (tenant_id String, day Date, x UInt64) ENGINE = MergeTree PARTITION BY day "
            "ORDER BY (tenant_id, x) SETTINGS storage_policy = 'tiered'"
        )
    yield made
    made.stop()


class TestStorage:
    def test_volumes_have_the_schemas_names(self, engine: Engine) -> None:
        found = engine.rows("SELECT volume_name, disks FROM system.storage_policies WHERE policy_name = 'tiered'")
        assert [(row["volume_name"], row["disks"]) for row in found] == [
            ("hot", ["default"]),
            ("slow", ["slow"]),
            ("s3", ["s3_objects"]),
        ]

    def test_a_part_goes_to_s3_and_is_read_from_there(self, engine: Engine, buckets: Any) -> None:
        engine.rows("INSERT INTO telemetry.spans_raw SELECT 'acme', '2026-01-01', number FROM numbers(1000)")
        engine.rows("ALTER TABLE telemetry.spans_raw MOVE PARTITION '2026-01-01' TO VOLUME 'slow'")
        engine.rows("ALTER TABLE telemetry.spans_raw MOVE PARTITION '2026-01-01' TO VOLUME 's3'")
        where = engine.one("SELECT disk_name FROM system.parts WHERE table = 'spans_raw' AND active")
        assert where == "s3_objects"
        assert engine.one("SELECT sum(x) FROM telemetry.spans_raw WHERE day = '2026-01-01'") == 499500
        stored = buckets.list_objects_v2(Bucket=DATA)["Contents"]
        assert stored and all(item["Key"].startswith("disk/clickhouse-1/") for item in stored)

    def test_full_disks_leave_room_to_repair(self, engine: Engine) -> None:
        found = engine.rows("SELECT name, keep_free_space FROM system.disks WHERE name IN ('default', 'slow')")
        assert all(row["keep_free_space"] >= 2**30 for row in found) and len(found) == 2

    @pytest.mark.parametrize("name", ["fsync_after_insert", "fsync_part_directory"])
    def test_an_insert_is_on_disk_before_offsets_are_committed(self, engine: Engine, name: str) -> None:
        assert engine.one(f"SELECT value FROM system.merge_tree_settings WHERE name = '{name}'") == "1"
        off = files(clickhouseFsync=False)[f"{names.SERVER_CONFIG}/config.d/10-server.xml"]
        assert name not in off

    def test_a_block_is_never_dropped_by_its_hash(self, engine: Engine) -> None:
        wanted = "non_replicated_deduplication_window"
        assert engine.one(f"SELECT value FROM system.merge_tree_settings WHERE name = '{wanted}'") == "0"
        assert (
            "<replicated_deduplication_window>0<"
            in files(KEEPERS)[f"{names.SERVER_CONFIG}/config.d/50-replication.xml"]
        )


class TestUsers:
    def test_who_there_is_and_from_where(self, engine: Engine) -> None:
        found = {row["name"]: row for row in engine.rows("SELECT name, auth_type, host_ip FROM system.users")}
        assert set(found) == {"default", "operator", *names.USERS, "reader-acme", "definer-acme"}
        for user in (*names.USERS, "reader-acme"):
            assert found[user]["auth_type"] == ["sha256_password"] and found[user]["host_ip"] == ["10.80.0.0/16"]
        assert found["operator"]["auth_type"] == ["sha256_password"] and found["operator"]["host_ip"] == []

    def test_a_tenant_s_reader_has_a_quota(self, engine: Engine) -> None:
        assert engine.one("SELECT apply_to_list FROM system.quotas WHERE name = 'readers'") == ["reader-acme"]
        limits = (
            "SELECT duration, max_queries, max_execution_time FROM system.quota_limits WHERE quota_name = 'readers'"
        )
        assert [[float(value) for value in row.values()] for row in engine.rows(limits)] == [[60, 3000, 300]]

    def test_default_may_only_load_dictionaries(self) -> None:
        text = files()[f"{names.SERVER_CONFIG}/users.d/10-services.xml"]
        default = ElementTree.fromstring(text).find("users/default")
        assert default is not None and default.get("replace") == "1" and default.find("access_management") is None
        assert [grant.text for grant in default.iter("query")] == [
            "GRANT SELECT ON telemetry.model_prices",
            "GRANT SELECT ON telemetry.tenants",
        ]
        dictionaries = (SQL / "migrations" / "0002_prices_and_tenants.sql").read_text()
        assert set(re.findall(r"FROM \{\{ database \}\}\.(\w+)", dictionaries)) == {"model_prices", "tenants"}

    @pytest.mark.parametrize(
        "user, sql",
        [
            ("worker", "SELECT count() FROM telemetry.spans_raw"),
            ("worker", "INSERT INTO telemetry.runs_data SELECT 'a', '2026-01-01', 1"),
            ("worker", "DELETE FROM telemetry.runs_data WHERE x = 1"),
            ("worker", "INSERT INTO telemetry.worker_results SELECT 'a', '2026-01-01', 1"),
            *(("worker", f"INSERT INTO telemetry.{table} SELECT 'a', '2026-01-01', 1") for table in BUDGETS),
            ("worker", "SELECT count() FROM system.parts"),
            ("migrator", "CREATE TABLE telemetry.made (x UInt8) ENGINE = MergeTree ORDER BY x"),
            ("migrator", "ALTER TABLE telemetry.made ADD COLUMN y UInt8"),
            ("migrator", "DROP TABLE telemetry.made"),
            ("migrator", "CREATE DATABASE IF NOT EXISTS telemetry_tenant"),
            ("migrator", "SELECT count() FROM system.tables"),
            ("dashboards", "SELECT count() FROM telemetry.spans_raw"),
        ],
    )
    def test_what_they_may(self, engine: Engine, user: str, sql: str) -> None:
        engine.rows(f"EXECUTE AS {user} {sql}")

    @pytest.mark.parametrize(
        "user, sql",
        [
            ("worker", "DELETE FROM telemetry.spans_raw WHERE x = 1"),
            ("worker", "DELETE FROM telemetry.budget_events WHERE x = 1"),
            ("dashboards", "INSERT INTO telemetry.budget_events SELECT 'a', '2026-01-01', 1"),
            ("worker", "INSERT INTO telemetry.spans_raw SELECT 'a', '2026-01-01', 1"),
            ("worker", "DROP TABLE telemetry.runs_data"),
            ("worker", "SELECT * FROM file('/etc/passwd', LineAsString)"),
            ("worker", "SELECT * FROM system.users"),
            ("migrator", "SELECT * FROM file('/etc/passwd', LineAsString)"),
            ("migrator", "SELECT * FROM system.users"),
            ("migrator", "SYSTEM SHUTDOWN"),
            ("dashboards", "INSERT INTO telemetry.spans_raw SELECT 'a', '2026-01-01', 1"),
            ("dashboards", "SELECT * FROM system.users"),
            ("dashboards", "SELECT * FROM url('http://127.0.0.1:1/', LineAsString)"),
        ],
    )
    def test_what_they_may_not(self, engine: Engine, user: str, sql: str) -> None:
        with pytest.raises(EngineError, match=r"ACCESS_DENIED|READONLY"):
            engine.rows(f"EXECUTE AS {user} {sql}")

    @pytest.mark.parametrize(
        "user, grant, may",
        [
            ("migrator", "CREATE TABLE ON telemetry.*", 1),
            ("migrator", "CREATE VIEW ON telemetry_tenant.*", 1),
            ("migrator", "DROP VIEW ON telemetry_tenant.*", 1),
            ("migrator", "SET DEFINER ON `definer-acme`", 1),
            ("migrator", "SET DEFINER ON operator", 0),
            ("migrator", "ALTER UPDATE ON telemetry.spans_raw", 1),
            ("migrator", "SELECT ON system.mutations", 1),
            ("worker", "SELECT ON telemetry.retention_changes", 1),
            ("worker", "ALTER UPDATE ON telemetry.spans_raw", 0),
            ("reader-acme", "SELECT ON telemetry_tenant.spans_of_acme", 1),
            ("reader-acme", "SELECT ON telemetry_tenant.spans_of_globex", 0),
            ("reader-acme", "SELECT ON telemetry_tenant.spans", 0),
            ("reader-acme", "SELECT ON telemetry.spans_raw", 0),
            ("reader-acme", "IMPERSONATE ON `definer-acme`", 0),
            ("reader-acme", "CREATE TEMPORARY TABLE ON *.*", 0),
            ("migrator", "CREATE DATABASE ON other.*", 0),
            ("migrator", "CREATE USER ON *.*", 0),
            ("worker", "CREATE TABLE ON telemetry.*", 0),
            ("worker", "BACKUP ON telemetry.*", 1),
            ("worker", "BACKUP ON *.*", 0),
            ("dashboards", "CREATE TABLE ON telemetry.*", 0),
            ("migrator", "SYSTEM RELOAD DICTIONARY ON *.*", 1),
            ("migrator", "SYSTEM SYNC REPLICA ON telemetry.*", 1),
            ("migrator", "SYSTEM SYNC DATABASE REPLICA ON telemetry.*", 1),
            ("worker", "SYSTEM SYNC REPLICA ON telemetry.*", 1),
            ("dashboards", "SYSTEM SYNC REPLICA ON telemetry.*", 0),
        ],
    )
    def test_what_they_may_make(self, engine: Engine, user: str, grant: str, may: int) -> None:
        """Asked, not tried: in 26.1 EXECUTE AS checks no grant for CREATE."""
        assert engine.one(f"EXECUTE AS `{user}` CHECK GRANT {grant}") == may

    def test_the_worker_may_write_what_its_statements_write(self) -> None:
        text = files()[f"{names.SERVER_CONFIG}/users.d/10-services.xml"]
        granted = set(re.findall(r"GRANT INSERT[^<]* ON telemetry\.(\w+)<", text))
        worker = [path.read_text() for folder in ("worker", "audit") for path in (SQL / folder).glob("*.sql")]
        written = set(re.findall(r"INSERT INTO telemetry\.(\w+)", "\n".join(worker)))
        assert written and written <= granted


class TestBackups:
    def test_full_then_increment_then_restored(self, engine: Engine, buckets: Any, monkeypatch: Any) -> None:
        monkeypatch.setattr("infra.aws.clickhouse.backup.POLL_SECONDS", 0.05)
        client, now = cast(Any, engine), datetime(2026, 11, 1, 2, tzinfo=UTC)
        engine.rows("CREATE TABLE telemetry.kafka_like (x UInt8) ENGINE = Null")
        engine.rows("INSERT INTO telemetry.spans_raw SELECT 'acme', '2026-02-01', 7")
        full = make(client, buckets, BACKUPS, now)
        assert (full.name, full.base) == (f"{FULL}2026-11-01T02-00-00Z", "")
        engine.rows("INSERT INTO telemetry.spans_raw SELECT 'acme', '2026-02-02', 8")
        increment = make(client, buckets, BACKUPS, now + timedelta(days=1))
        assert (increment.name, increment.base) == (f"{INCREMENT}2026-11-02T02-00-00Z", full.name)
        assert 0 < increment.bytes < full.bytes or increment.files
        wanted = engine.one("SELECT sum(x) FROM telemetry.spans_raw")
        engine.rows(f"RESTORE DATABASE telemetry AS restored FROM Disk('backups', '{increment.name}')")
        assert engine.one("SELECT sum(x) FROM restored.spans_raw") == wanted
        assert engine.one("SELECT countIf(name = 'kafka_like') FROM system.tables WHERE database = 'restored'") == 0
        later = make(client, buckets, BACKUPS, now + timedelta(days=30))
        assert later.name.startswith(FULL) and complete(buckets, BACKUPS, FULL) == [full.name, later.name]

    def test_another_node_restores_it_whole(
        self, engine: Engine, buckets: Any, s3: str, tmp_path: Path, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("infra.aws.clickhouse.backup.POLL_SECONDS", 0.05)
        engine.rows("CREATE DATABASE IF NOT EXISTS telemetry_tenant")
        engine.rows("CREATE VIEW telemetry_tenant.spans AS SELECT x FROM telemetry.spans_raw")
        # Its definer is in the users' files; a tenant may have left the setting since.
        engine.rows(
            "CREATE VIEW telemetry_tenant.spans_of_acme DEFINER = `definer-acme` SQL SECURITY DEFINER "
            "AS SELECT x FROM telemetry_tenant.spans"
        )
        name = make(cast(Any, engine), buckets, BACKUPS, datetime(2026, 12, 10, tzinfo=UTC)).name
        other = Engine(tmp_path, s3)
        try:
            other.rows(f"RESTORE DATABASE telemetry_tenant, DATABASE telemetry FROM Disk('backups', '{name}')")
            wanted = engine.one("SELECT sum(x) FROM telemetry.spans_raw")
            assert other.one("SELECT sum(x) FROM telemetry_tenant.spans") == wanted
        finally:
            other.stop()

    def test_an_unfinished_full_backup_is_no_base(self, engine: Engine, buckets: Any) -> None:
        buckets.put_object(Bucket=BACKUPS, Key=f"{FULL}2027-01-01T00-00-00Z/data/x", Body=b"x")
        assert f"{FULL}2027-01-01T00-00-00Z" not in complete(buckets, BACKUPS, FULL)

    def test_one_that_fails_says_why(self, engine: Engine, buckets: Any, monkeypatch: Any) -> None:
        monkeypatch.setattr("infra.aws.clickhouse.backup.POLL_SECONDS", 0.05)
        again = datetime(2026, 12, 5, 2, tzinfo=UTC)
        make(cast(Any, engine), buckets, BACKUPS, again)
        with pytest.raises((UserError, EngineError), match="already exists"):
            make(cast(Any, engine), buckets, BACKUPS, again)


class TestWholeFiles:
    @pytest.mark.parametrize("keepers", [[], KEEPERS])
    def test_every_file_is_well_formed(self, keepers: list[str]) -> None:
        given = {**files(keepers), **(keeper_files(1, KEEPERS) if keepers else {})}
        for path, text in given.items():
            if path.endswith(".xml"):
                assert ElementTree.fromstring(text).tag == "clickhouse"
        assert any("replication" in path for path in given) == bool(keepers)

    def test_no_port_without_tls_is_open(self) -> None:
        text = files(KEEPERS)[f"{names.SERVER_CONFIG}/config.d/10-server.xml"]
        server = ElementTree.fromstring(text)
        port = server.find("http_port")
        assert port is not None and port.get("remove") == "1"
        base = ElementTree.fromstring(files()[f"{names.SERVER_CONFIG}/config.xml"])
        ports = {child.tag for tree in (server, base) for child in tree if child.tag.endswith("_port")}
        assert ports == {"http_port", "https_port"} and base.find("tcp_port") is None

    def test_every_setting_of_several_nodes_is_known_to_the_engine(self, engine: Engine) -> None:
        profile = ElementTree.fromstring(files(KEEPERS)[f"{names.SERVER_CONFIG}/users.d/50-replication.xml"]).find(
            "profiles/default"
        )
        assert profile is not None and len(profile) > 2
        for setting in profile:
            engine.rows(f"SELECT 1 SETTINGS {setting.tag} = '{setting.text}'")

    def test_every_section_is_known_to_the_engine(self, engine: Engine) -> None:
        known = {row["name"] for row in engine.rows("SELECT name FROM system.server_settings")}
        sections = {
            "listen_host", "https_port", "tcp_port_secure", "http_port", "openSSL", "logger", "merge_tree",
            "storage_configuration", "backups", "kafka", "interserver_https_port", "interserver_http_host",
            "zookeeper", "distributed_ddl", "macros", "filesystem_caches_path",
        }  # fmt: skip
        for path, text in files(KEEPERS).items():
            if "/config.d/" in path:
                assert {child.tag for child in ElementTree.fromstring(text)} <= known | sections, path
        merge_tree = {row["name"] for row in engine.rows("SELECT name FROM system.merge_tree_settings")}
        for path, text in files(KEEPERS).items():
            for section in ElementTree.fromstring(text).iter("merge_tree") if "/config.d/" in path else ():
                assert {child.tag for child in section} <= merge_tree, path


@pytest.mark.parametrize("version", OTHER_ENGINES)
def test_other_engines_take_it(version: str, tmp_path: Path, s3: str, buckets: Any) -> None:
    """The deployed one lies between the two."""
    installed = ensure([f"chdb-core-{version}"]).parts[f"chdb-core-{version}"]
    made = Engine(tmp_path, s3, site=installed.folder / "site")
    try:
        assert str(made.one("SELECT version()")).startswith(version.rpartition(".")[0])
        made.rows("CREATE TABLE t (day Date) ENGINE = MergeTree ORDER BY day SETTINGS storage_policy = 'tiered'")
        made.rows("INSERT INTO t SELECT '2026-01-01'")
        made.rows("ALTER TABLE t MOVE PARTITION tuple() TO VOLUME 's3'")
        assert made.one("SELECT count() FROM t") == 1
        made.rows(f"BACKUP TABLE t TO Disk('backups', 'other/{version}-{time.time_ns()}')")
    finally:
        made.stop()
