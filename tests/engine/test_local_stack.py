"""The local stack under the real engine: preview, up, unchanged up, change, drift, interruption, down."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from confluent_kafka import Producer

from infra.local.supervisor import Control, daemon_pid, wait_for
from infra.paths import ROOT
from infra.worker.positions import read_positions
from tests.engine.plain_cli import plain_cli
from tests.stack import Stack, copy_of_the_tree, local_stack
from tests.workload import requests

pytestmark = pytest.mark.timeout(600)
PARTS = ("kafka", "clickhouse", "collector", "worker", "dashboards")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One stack that the tests of this file take through its life, in order."""
    with local_stack(up=False) as made:
        yield made


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of a second checkout whose files tests change: up beside the other one, gone at the file's end."""
    with local_stack(root=copy_of_the_tree(tmp_path_factory.mktemp("clone"))) as made:
        yield made


def processes(stack: Stack) -> dict[str, str]:
    return {name: info["statename"] for name, info in Control(stack.run).processes().items()}


def pid_of(stack: Stack, part: str) -> int:
    return Control(stack.run).processes()[part]["pid"]


def unchanged(output: str) -> bool:
    counts = output.split("Resources:")[-1]
    return " unchanged" in counts and not any(word in counts for word in ("created", "updated", "deleted", "replaced"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kafkaPrt": 1}, "kafkaPrt: unknown setting"),
        ({"kafkaPartitions": "many"}, "kafkaPartitions"),
        ({"kafkaEncoding": "avro"}, "kafkaEncoding"),
        ({"retentionSlowDays": 400}, "retentionSlowDays: above retentionRawDays"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_before_anything_is_touched(settings: dict, message: str) -> None:
    with local_stack(settings, up=False) as stack:
        done = stack.telemetry("up", check=False)
        assert done.returncode == 1
        assert message in done.stderr and stack.file.name in done.stderr
        assert not stack.folder.exists()


def test_an_up_killed_half_way_is_continued_by_the_next() -> None:
    with local_stack(up=False) as stack:
        running = subprocess.Popen(
            stack.command("up"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **stack.process_options,
        )
        # The broker is being started: some resources are in the state, some are not.
        assert wait_for(lambda: "kafka" in processes(stack), 120)
        # The engine's provider of dynamic resources is in a group of its own.
        left = [
            each for each in psutil.Process(running.pid).children(recursive=True) if "pulumi.dynamic" in each.cmdline()
        ]
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert left
        for each in left:
            each.kill()
        assert list((stack.folder / "state").rglob("stacks/**/*.json"))
        stack.telemetry("up")
        assert set(processes(stack).values()) == {"RUNNING"}
        assert unchanged(stack.telemetry("up").stdout)


def test_preview_of_a_new_stack_names_the_parts_and_the_migrations_and_leaves_nothing(stack: Stack) -> None:
    shown = stack.telemetry("preview").stdout
    for name in ("kafka-broker", "clickhouse-process", "collector-process", "otel-spans", "canary", "0001_"):
        assert name in shown
    assert "pending migration" in shown and "(metadata)" in shown and "CREATE TABLE IF NOT EXISTS" in shown
    assert not stack.folder.exists()


def test_up_starts_every_part_and_reports_the_measured_delay(stack: Stack) -> None:
    shown = stack.telemetry("up").stdout
    assert "created" in shown
    assert processes(stack) == dict.fromkeys(PARTS, "RUNNING")
    assert "canaryDelaySeconds" in shown and "otlpHttp" in shown
    assert list((stack.folder / "pulumi").rglob("*.log")) == [], "the engine spares itself its debug log"


def test_a_second_up_changes_nothing_and_keeps_the_recorded_delay(stack: Stack) -> None:
    before = [pid_of(stack, part) for part in PARTS]
    shown = stack.telemetry("up").stdout
    assert unchanged(shown), shown
    assert len(shown.splitlines()) < 25 and "Migration" not in shown, "what does not change is counted, not listed"
    assert [pid_of(stack, part) for part in PARTS] == before


def test_commands_say_their_result_as_json_and_nothing_else(stack: Stack) -> None:
    said = json.loads(stack.telemetry("up", "--json").stdout)
    assert said["stack"] == stack.name and said["changes"].keys() == {"same"} and said["outputs"]["otlpHttp"]
    said = json.loads(stack.telemetry("status", "--json").stdout)
    assert {part["part"] for part in said["parts"]} == set(PARTS) and said["down"] == [] and said["problem"] == ""
    said = json.loads(stack.telemetry("doctor", "--json").stdout)
    found = {check["name"]: check["state"] for check in said["checks"]}
    assert said["failed"] == [] and found["parts"] == found["ports"] == found["last up"] == found["ClickHouse"] == "ok"
    assert json.loads(stack.telemetry("query", "SELECT 1 AS one", "--json").stdout)["data"] == [{"one": 1}]


def test_the_tree_stays_clean(stack: Stack) -> None:
    ours = [".telemetry", "Pulumi.local.yaml", "Pulumi.yaml", stack.file.name]
    command = ["git", "status", "--porcelain", "--untracked-files=all", "--", *ours]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout == ""


def test_a_changed_setting_is_an_update_of_what_it_touches(stack: Stack) -> None:
    collector = pid_of(stack, "collector")
    stack.configure(kafkaRetentionHours=24)
    shown = stack.telemetry("preview", "--diff").stdout
    assert "259200000" in shown and "86400000" in shown, "the topic's retention, before and after"
    shown = stack.telemetry("up").stdout
    assert "2 updated" in shown, shown
    assert pid_of(stack, "collector") == collector


def test_a_plain_pulumi_cli_runs_the_same_program_on_the_same_state(stack: Stack) -> None:
    shown = plain_cli(stack, "preview")
    assert " unchanged" in shown and "to create" not in shown and "to update" not in shown, shown
    stack.configure(kafkaRetentionHours=48)
    shown = plain_cli(stack, "up", "--yes", "--skip-preview")
    assert "2 updated" in shown, shown
    after = stack.telemetry("up").stdout
    assert "updated" not in after.split("Resources:")[-1], after


def test_new_partitions_are_read_within_seconds(stack: Stack) -> None:
    before = stack.settings.kafkaPartitions
    stack.configure(kafkaPartitions=before + 2)
    shown = stack.telemetry("up").stdout
    assert "2 updated" in shown, shown
    producer = Producer({"bootstrap.servers": stack.kafka.bootstrap_servers})
    producer.produce("otel-spans", requests(2_000)[0], partition=before + 1)
    assert producer.flush(30) == 0

    def read() -> bool:
        found = {at.partition: at for at in read_positions(stack.kafka) if at.topic == "otel-spans"}
        return found[before + 1].committed == 1

    assert wait_for(read, 40), "librdkafka by itself looks for new partitions every 5 minutes"
    rows = f"SELECT count() > 0 FROM telemetry.spans_raw WHERE partition = {before + 1}"
    assert stack.telemetry("query", rows, "-f", "TSV").stdout.strip() == "1"


def test_a_killed_part_is_restarted_by_supervisor(stack: Stack) -> None:
    before = pid_of(stack, "worker")
    os.kill(before, signal.SIGKILL)
    assert wait_for(lambda: processes(stack)["worker"] == "RUNNING" and pid_of(stack, "worker") != before, 30)
    assert unchanged(stack.telemetry("up").stdout)


def test_a_killed_supervisor_is_drift_and_the_next_up_heals_it_without_losing_data(stack: Stack) -> None:
    rows = stack.telemetry("query", "SELECT count() FROM telemetry.spans", "-f", "TSV").stdout
    pid = daemon_pid(stack.run)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    shown = stack.telemetry("preview", "--refresh").stdout
    assert "to update" in shown, shown
    stack.telemetry("up")
    assert set(processes(stack).values()) == {"RUNNING"}
    after = stack.telemetry("query", "SELECT count() FROM telemetry.spans", "-f", "TSV").stdout
    assert int(after) >= int(rows) > 0


def test_a_stopped_supervisor_is_drift_as_well(stack: Stack) -> None:
    Control(stack.run).shutdown()
    assert "to update" in stack.telemetry("preview", "--refresh").stdout
    stack.telemetry("up")
    assert set(processes(stack).values()) == {"RUNNING"}


def test_two_clones_run_side_by_side(stack: Stack, clone: Stack) -> None:
    for each in (stack, clone):
        assert set(processes(each).values()) == {"RUNNING"}
    assert clone.folder != stack.folder and not clone.folder.is_relative_to(ROOT)
    assert {pid_of(stack, part) for part in processes(stack)}.isdisjoint(
        pid_of(clone, part) for part in processes(clone)
    )
    assert unchanged(clone.telemetry("up").stdout)


@pytest.fixture
def second(clone: Stack) -> Iterator[Stack]:
    """An ephemeral one beside the clone's, gone afterwards however its test ends."""
    made = Stack("pr-7", clone.root)
    yield made
    made.remove()


def test_a_further_pipeline_with_an_end_lives_beside_the_first_and_is_reaped(clone: Stack, second: Stack) -> None:
    environment = clone.process_options["env"] | {"PULUMI_HOME": str(clone.root / "home")}
    for name in ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"):
        environment.pop(name, None)

    def ephemeral(*words: str, code: int = 0) -> Any:
        command = [sys.executable, "-m", "infra.cli", "ephemeral", *words, "--json"]
        done = subprocess.run(command, cwd=clone.root, env=environment, capture_output=True, text=True, timeout=500)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    made = ephemeral(
        "up", "pr-7", "--local", "--ttl", "1h", "--owner", "me", "--env-file", str(clone.root / "agents.env")
    )
    assert processes(second) == processes(clone) == dict.fromkeys(PARTS, "RUNNING")
    assert made["outputs"]["otlpHttp"] in (clone.root / "agents.env").read_text()
    assert made["outputs"]["otlpHttp"] != f"http://127.0.0.1:{clone.settings.otlpHttpPort}"
    again = clone.root / "again.env"
    ephemeral("fetch", "pr-7", "--env-file", str(again))
    assert again.read_text() == (clone.root / "agents.env").read_text()
    assert "nothing to fetch" in ephemeral("fetch", "pr-7", code=1)["error"]
    (row,) = ephemeral("list")
    assert (row["name"], row["where"], row["owner"], row["state"]) == ("pr-7", "here", "me", "up")
    assert ephemeral("reap")["stacks"][0]["result"] == "kept"
    pids = [info["pid"] for info in Control(second.run).processes().values()]
    (gone,) = ephemeral("reap", "--closed", "7")["stacks"]
    assert (gone["name"], gone["result"]) == ("pr-7", "removed")
    assert not second.folder.exists() and not second.file.exists()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert ephemeral("list") == [] and set(processes(clone).values()) == {"RUNNING"}


def test_down_leaves_no_process_and_no_folder(stack: Stack) -> None:
    pids = [info["pid"] for info in Control(stack.run).processes().values()]
    stack.telemetry("down")
    assert not stack.folder.exists()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not stack.file.exists()


def test_an_edited_past_migration_is_refused_by_name_with_both_checksums_and_touches_nothing(clone: Stack) -> None:
    migration = min((clone.root / "sql" / "migrations").glob("*.sql"))
    original = migration.read_text()
    migration.write_text(original + "\n-- edited\n")
    for verb in ("preview", "up"):
        done = clone.telemetry(verb, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 1
        assert migration.stem in said
        assert hashlib.sha256(original.encode()).hexdigest() in said
        assert hashlib.sha256(migration.read_bytes()).hexdigest() in said
    migration.write_text(original)
    assert unchanged(clone.telemetry("up").stdout)


def test_a_new_migration_is_pending_in_the_preview_and_applied_by_up(clone: Stack) -> None:
    folder = clone.root / "sql" / "migrations"
    number = len(list(folder.glob("*.sql"))) + 1
    new = folder / f"{number:04d}_a_note.sql"
    new.write_text("-- A note.\n-- kind: metadata\nALTER TABLE {{ database }}.spans_raw MODIFY COMMENT 'a note';\n")
    shown = clone.telemetry("preview").stdout
    assert f"pending migration {new.stem} (metadata)" in shown and "MODIFY COMMENT" in shown
    assert "1 to create" in shown
    clone.telemetry("up")
    asked = "SELECT comment FROM system.tables WHERE database = 'telemetry' AND name = 'spans_raw'"
    assert clone.telemetry("query", asked, "-f", "TSV").stdout.strip() == "a note"
    # A statement that ClickHouse refuses names file and statement, and the next up goes on there.
    broken = folder / f"{number + 1:04d}_broken.sql"
    broken.write_text(
        "-- Broken.\n-- kind: metadata\nCREATE TABLE IF NOT EXISTS telemetry.x (a NoSuchType) ENGINE = Null;\n"
    )
    done = clone.telemetry("up", check=False)
    assert done.returncode == 1
    assert broken.name in done.stdout + done.stderr and "NoSuchType" in done.stdout + done.stderr
    broken.write_text(broken.read_text().replace("NoSuchType", "UInt8"))
    clone.telemetry("up")
    assert unchanged(clone.telemetry("up").stdout)
