"""What docker-compose.yml starts, run for real as far as it goes without Docker: the Dockerfile's program, Kafka by the image's own
entry class, the collector, `migrate` and the worker, with chdb in clickhouse-server's place."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from confluent_kafka.admin import AdminClient

from infra import otlp
from infra.clickhouse import connect
from infra.compose.project import compose_settings, kafka_environment, properties, variable
from infra.endpoints import ClickHouseAddress, Direct
from infra.local.toolchain import ensure
from infra.paths import ROOT
from infra.postdeploy import ingest_record
from infra.postdeploy.ingest_record import IngestRecord
from infra.postdeploy.migrations import migration_files
from tests.dockerfile import Program, build_program
from tests.pipeline.compose_world import PYTHON, World, compose_world
from tests.pipeline.otlp_messages import span, traces

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """What the image holds."""
    return build_program(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, program: Program) -> Iterator[World]:
    """Kafka, ClickHouse and the collector, up and empty."""
    with compose_world(tmp_path_factory.mktemp("world"), program) as made:
        made.configure()
        made.start_kafka()
        made.start_clickhouse()
        made.start_collector()
        yield made


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[Client]:
    with connect(ClickHouseAddress("127.0.0.1", world.ports[8123]), Direct()) as opened:
        yield opened


@pytest.fixture(scope="module")
def migrated(world: World) -> World:
    """`migrate` has been run to its end, twice killed on the way."""
    for at in ("0005_rollups: statement", "model_prices:"):
        killed = killed_at(world, at)
        assert "migrations: 0 applied" not in killed and "canary" not in killed
    done = world.migrate()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "error" not in done.stderr
    return world


def killed_at(world: World, line: str) -> str:
    """Runs `migrate` and kills it hard once it prints this line. Returns what it printed until then."""
    command = [*PYTHON, *world.migrate_words()]
    process = subprocess.Popen(
        command, cwd=world.program.app, env=world.program.environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    said = ""
    for printed in process.stdout:
        said += printed
        if line in printed:
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait(30) == -signal.SIGKILL, said
    return said


def test_the_packages_are_those_of_the_lock_and_the_program_needs_no_others(program: Program) -> None:
    lock = (program.app.parent / "build" / "requirements.lock").read_text()
    installed = [path.name.removesuffix(".dist-info") for path in (program.folder / "packages").glob("*.dist-info")]
    locked = {line.split(" ")[0].replace("-", "_").lower() for line in lock.splitlines() if "==" in line}
    assert len(installed) > 30
    assert not {name for name in installed if name.replace("-", "==", 1).lower() not in locked}
    assert not [name for name in installed if name.startswith(("chdb", "pytest", "pulumi_aws"))]


def test_a_package_that_is_not_what_the_lock_says_is_refused(tmp_path: Path) -> None:
    for name in ("requirements.lock", "configs/worker_packages.txt", "configs/compose/packages.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    lock = tmp_path / "requirements.lock"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", lock.read_text()))
    with pytest.raises(AssertionError, match=r"(?i)hash"):
        build_program(tmp_path / "image", tmp_path)


def test_kafka_s_image_makes_of_the_environment_what_the_local_broker_has(world: World) -> None:
    made = properties(world.kafka_properties().read_text())
    given = {key: value for key, value in kafka_environment(compose_settings()).items() if "LISTENERS" not in key}
    different = {"controller.quorum.voters", "log.dirs"}
    expected = {key: value for key, value in made.items() if variable(key) in given}
    assert len(expected) == len(given)
    assert {variable(key): value for key, value in expected.items() if key not in different} == {
        key: value for key, value in given.items() if key not in map(variable, different)
    }


def test_the_host_s_listener_tells_the_host_s_address_and_the_other_one_the_network_s(world: World) -> None:
    for inside in (9092, 29092):
        servers = f"127.0.0.1:{world.ports[inside]}"
        (broker,) = AdminClient({"bootstrap.servers": servers}).list_topics(timeout=30).brokers.values()
        assert f"{broker.host}:{broker.port}" == servers


def test_kafka_s_health_check_fails_where_none_listens(world: World) -> None:
    assert world.health("kafka") == 0
    real, world.ports[9092] = world.ports[9092], 1
    try:
        assert world.health("kafka") != 0
    finally:
        world.ports[9092] = real


def test_the_collector_finds_its_configuration_valid(world: World) -> None:
    config = world.configuration / "collector" / "collector.yaml"
    command = [str(ensure(["collector"]).collector), "validate", f"--config={config}"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    config = config.with_name("wrong.yaml")
    config.write_text((config.parent / "collector.yaml").read_text().replace("required_acks", "required_ack"))
    assert subprocess.run([*command[:2], f"--config={config}"], capture_output=True, timeout=60).returncode != 0


def test_the_engine_takes_the_server_s_files_with_its_tiers_and_its_users(migrated: World, client: Client) -> None:
    tiers = (
        "SELECT volume_name, disks FROM system.storage_policies WHERE policy_name = 'tiered' ORDER BY volume_priority"
    )
    assert client.query(tiers).result_rows == [("hot", ["default"]), ("slow", ["slow"]), ("s3", ["s3"])]
    reads = "EXECUTE AS dashboards SELECT count() FROM telemetry.spans"
    assert client.query(reads).result_rows[0][0] > 0
    for refused in ("INSERT INTO telemetry.tenants (tenant_id) SELECT 'x'", "TRUNCATE TABLE telemetry.spans_raw"):
        with pytest.raises(DatabaseError, match=r"(?i)readonly|Not enough privileges"):
            client.command(f"EXECUTE AS dashboards {refused}")


def test_a_killed_migrate_is_continued_and_then_nothing_is_left_to_do(migrated: World, client: Client) -> None:
    applied = "SELECT count(), countIf(finished) FROM (SELECT number, max(finished) AS finished "
    applied += "FROM telemetry.schema_migrations GROUP BY number)"
    count = len(migration_files())
    assert client.query(applied).result_rows == [(count, count)]
    before = state(client)
    again = migrated.migrate()
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == "nothing changed", again.stdout
    assert f"migrations: 0 applied, {count} were there" in again.stdout
    assert state(client) == before


def state(client: Client) -> list[tuple[Any, ...]]:
    """Every table as it is, and how often reference tables were loaded."""
    made = "SELECT name, uuid, metadata_modification_time FROM system.tables WHERE database = 'telemetry' AND "
    made += "name NOT LIKE 'schema_migrations_lock_%' ORDER BY name"
    loads = "SELECT 'prices', toString(max(loaded_at)), count() FROM telemetry.model_prices"
    return [tuple(map(str, row)) for query in (made, loads) for row in client.query(query).result_rows]


def test_an_agent_s_spans_are_stored(migrated: World, client: Client) -> None:
    request = traces("acme", span("checkout"), span("pay"))
    otlp.send(f"http://127.0.0.1:{migrated.ports[4318]}", request.SerializeToString())
    query = "SELECT operation FROM telemetry.spans WHERE tenant_id = 'acme' ORDER BY operation"
    migrated.until(lambda: len(client.query(query).result_rows) == 2, "two spans in ClickHouse", 30)
    assert client.query(query).result_rows == [("checkout",), ("pay",)]


def test_the_worker_is_healthy_once_it_works(migrated: World, client: Client) -> None:
    assert migrated.health("worker") == 1
    migrated.start_worker()
    migrated.until(lambda: migrated.health("worker") == 0, "the worker's health check", 60)
    query = "SELECT count() FROM telemetry.worker_results WHERE step = 'canary' AND ok"
    migrated.until(lambda: client.query(query).result_rows[0][0], "the worker's canary", 60)


def test_what_was_changed_by_hand_or_half_done_by_a_killed_run_is_brought_back(migrated: World, client: Client) -> None:
    record = ingest_record.read(client)
    assert record.files and {"telemetry.kafka_spans", "telemetry.kafka_events"} <= set(record.objects)
    # As a run leaves it that was killed between dropping and creating.
    ingest_record.write(client, IngestRecord({}, record.objects))
    client.command("DROP TABLE telemetry.kafka_events")
    client.command("ALTER TABLE telemetry.dead_letters MODIFY TTL toDateTime(ingest_ts) + toIntervalDay(3)")
    client.command("TRUNCATE TABLE telemetry.model_prices")
    done = migrated.migrate()
    assert done.stdout.splitlines()[-1] == "3 changed", done.stdout + done.stderr
    for what in ("ingest", "retention", "model_prices"):
        assert f"{what}: brought up to date" in done.stdout
    assert ingest_record.read(client) == record
    assert client.query("SELECT count() FROM telemetry.model_prices").result_rows[0][0] > 0


def test_a_changed_setting_changes_what_hangs_on_it_and_fewer_partitions_are_refused(migrated: World) -> None:
    file = migrated.program.app / "Pulumi.local.yaml"
    shipped = file.read_text()
    file.write_text(shipped + "  agent-telemetry:kafkaPartitions: 8\n  agent-telemetry:retentionDeadLettersDays: 7\n")
    done = migrated.migrate()
    assert done.stdout.splitlines()[-1] == "3 changed", done.stdout + done.stderr
    for line in ("topic otel-spans", "topic otel-events", "retention"):
        assert f"{line}: brought up to date" in done.stdout
    # It finds new partitions by itself.
    assert "ingest: as wanted" in done.stdout
    file.write_text(shipped)
    refused = migrated.migrate()
    assert refused.returncode == 1
    assert "otel-spans has 8 partitions and 6 are set (kafkaPartitions)" in refused.stderr


def test_a_clickhouse_that_does_not_answer_is_named(world: World) -> None:
    words = world.migrate_words()
    words[words.index("--clickhouse") + 1] = "nowhere"
    refused = world.python(*words)
    assert (refused.returncode, refused.stderr) == (1, "error: --clickhouse nowhere: has to be host:port\n")
