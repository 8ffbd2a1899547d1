"""The stack `dev` under the real engine on a stand-in account, through its life: up, changes, failures, drift, away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.dashboards.catalogue import DASHBOARDS
from infra.paths import SQL
from infra.postdeploy import migration_steps
from infra.postdeploy.migrations import migration_files
from infra.tenant_views import VIEWS
from tests.engine.aws_engine import Engine
from tests.engine.aws_world import READER_OF, World, aws_world
from tests.providers.api.managed import TOKEN
from tests.providers.api.systems import SESSION
from tests.providers.standin import objects

pytestmark = pytest.mark.timeout(900)
SERVICE, INSTANCE = "aws:ecs/service:Service", "aws:ec2/instance:Instance"
KEY_LIST = "credentials/jwks.json"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aws_world(tmp_path_factory.mktemp("dev")) as made:
        yield made


@pytest.fixture(scope="module")
def dev(world: World) -> Engine:
    return world.engine("dev")


def test_a_preview_makes_nothing_and_opens_nothing(world: World, dev: Engine) -> None:
    ran = dev.preview()
    assert ran.ok, ran.output
    assert ran.changed.keys() == {"create"}
    assert world.cloud.operations("create") == [] and world.doors.asked == [] and world.plane.calls == []


def test_an_up_gives_the_whole_pipeline(world: World, dev: Engine) -> None:
    ran = dev.up()
    print(f"up {ran.seconds:.1f} s", *ran.slowest(), sep="\n")
    assert ran.ok, ran.output
    assert ran.changed.keys() == {"create"}
    assert ran.outputs["otlpHttp"] == "https://otlp.telemetry.test:443"
    assert ran.outputs["clickhouseHttp"] == "https://clickhouse.dev.agent-telemetry.internal:8443"
    assert 0 <= ran.outputs["canaryDelaySeconds"] < 60
    assert world.rows("SELECT count() FROM telemetry.spans_raw WHERE tenant_id = 'canary'") == "1"
    assert [apply.node for apply in world.nodes.applied] == ["clickhouse-1"]
    (grafana,) = world.workspaces.grafana.values()
    assert grafana.data_sources["agent-telemetry-dev"]["jsonData"]["username"] == "dashboards"
    assert set(grafana.dashboards) == {f"agent-telemetry-dev-{slug}" for slug in DASHBOARDS}
    assert len(world.registry.pushed) == 1


def test_what_steps_opened_is_closed_and_nobody_else_was_called(world: World, dev: Engine) -> None:
    assert world.plane.called("StartSession") and world.cloud.state.all(SESSION) == []
    assert world.plane.called("CreateWorkspaceServiceAccountToken") and world.cloud.state.all(TOKEN) == []
    listed = [item for bucket in _buckets(world) for item in objects.latest(world.cloud.state, bucket, KEY_LIST)]
    kids = [key["kid"] for key in json.loads(listed[0].body)["keys"]]
    assert world.collector.received == ["canary"] and kids == ["no-credential"], "the canary's credential is revoked"
    assert world.doors.refused == []


def test_no_secret_is_in_what_was_stored_or_shown(world: World, dev: Engine) -> None:
    _no_secret_is_known(world, dev)


def _no_secret_is_known(world: World, dev: Engine) -> None:
    state = world.cloud.state
    known = {f"grafana token {token[-4:]}": token for token in world.workspaces.tokens}
    for item in state.all("aws:secretsmanager/secretVersion:SecretVersion"):
        for key, value in json.loads(item.get("secretString")).items():
            if key in ("password", "key"):
                known[f"{item.urn.rsplit('::', 1)[-1]}.{key}"] = value
    for item in state.all("tls:index/privateKey:PrivateKey"):
        known[item.urn] = item.get("privateKeyPem")
    assert sum(".password" in name for name in known) >= 6 and sum(".key" in name for name in known) >= 1
    stored, shown = dev.stored(), "\n".join(dev.shown)
    for name, value in known.items():
        # A key is searched by a line of its own: JSON writes its line ends another way.
        text = value.splitlines()[1] if "PRIVATE KEY" in value else value
        assert len(text) >= 20 and text not in stored and text not in shown, name
        for bucket in _buckets(world):
            assert not any(text.encode() in item.body for item in objects.versions(state, bucket)), (
                f"{name} in {bucket}"
            )
    for task in state.all("aws:ecs/taskDefinition:TaskDefinition"):
        assert not any(value in task.get("containerDefinitions") for value in known.values())


def _buckets(world: World) -> list[str]:
    return [item.id for item in world.cloud.state.all("aws:s3/bucket:Bucket")]


def test_a_second_up_changes_nothing(world: World, dev: Engine) -> None:
    before = len(world.nodes.applied)
    ran = dev.up()
    assert ran.ok and ran.changed == {}, ran.output
    assert len(world.nodes.applied) == before and len(world.collector.received) == 1


def test_a_refresh_finds_nothing(dev: Engine) -> None:
    ran = dev.refresh()
    assert ran.ok and ran.changed == {}, ran.output


def test_an_added_sql_file_is_one_pending_migration(
    world: World, dev: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(SQL / "migrations", folder)
    number = len(list(folder.iterdir())) + 1
    name = f"{number:04}_remarks"
    text = "-- A table.\n-- kind: metadata\nCREATE TABLE IF NOT EXISTS {{ database }}.remarks (text String) ENGINE = MergeTree ORDER BY text;\n"
    (folder / f"{name}.sql").write_text(text)
    monkeypatch.setattr(migration_steps, "migration_files", lambda: migration_files(folder))
    ran = dev.preview()
    assert ran.ok and ran.changed["create"] == [name], ran.output
    assert "CREATE TABLE IF NOT EXISTS telemetry.remarks" in ran.output
    assert set(ran.changed) == {"create", "update"} and ran.changed["update"] == ["canary"]
    ran = dev.up()
    assert ran.ok and ran.changed == {"create": [name], "update": ["canary"]}, ran.output
    assert world.rows("EXISTS telemetry.remarks") == "1"
    # A forgotten file is no rollback: its table stays.
    monkeypatch.undo()
    ran = dev.up()
    assert ran.ok and ran.changed["delete"] == [name], ran.output
    assert world.rows("EXISTS telemetry.remarks") == "1"


def test_a_collector_setting_rolls_the_service(world: World, dev: Engine) -> None:
    world.cloud.forget_operations()
    dev.configure(collectorBodyLimitMiB=8)
    ran = dev.up()
    assert ran.ok, ran.output
    assert "collector-service" in ran.changed["update"] and "collector-rollout" in ran.changed["update"]
    assert ran.changed["create-replacement"] == ["collector-task-definition"]
    (service,) = [item for item in world.cloud.operations("update", SERVICE) if item.error is None]
    assert service.changed == ("taskDefinition",)
    assert not any("clickhouse" in name and "applied" in name for name in ran.changed["update"])


def test_a_bigger_machine_is_stopped_and_started_in_place(world: World, dev: Engine) -> None:
    world.cloud.forget_operations()
    dev.configure(clickhouseInstanceType="m7g.xlarge")
    ran = dev.up()
    assert ran.ok, ran.output
    assert [op.name for op in world.cloud.operations("update", INSTANCE)] == ["clickhouse-1"]
    assert not any("clickhouse-1" in name for op in ("replace", "delete", "create") for name in ran.changed.get(op, []))
    assert world.nodes.applied[-1].node == "clickhouse-1"


def test_a_tenant_s_reader_comes_with_user_views_and_folder(world: World, dev: Engine) -> None:
    (grafana,) = world.workspaces.grafana.values()
    grafana.teams["Acme"], before = 4, set(grafana.dashboards)
    dev.configure(tenantReaders=[READER_OF], tenantTeams={READER_OF: "Acme"})
    ran = dev.up()
    assert ran.ok, ran.output
    node = world.nodes.applied[-1]
    assert (
        "<definer-acme>" in node.files["files/etc/clickhouse-server/users.xml"]
        and "reader-acme" in node.plan["secrets"]["users"]
    )
    assert world.rows("SELECT count() FROM system.tables WHERE name LIKE '%_of_acme'") == str(len(VIEWS))
    assert world.clickhouse.post("SELECT count() FROM spans_of_acme", user="reader-acme").text.strip() == "0"
    own = "agent-telemetry-dev-of-acme"
    assert grafana.permissions == {own: [{"teamId": 4, "permission": 1}]}
    source = grafana.data_sources[own]
    assert source["jsonData"]["username"] == "reader-acme"
    password = source["secureJsonData"]["password"]
    assert password not in {
        other["secureJsonData"]["password"] for uid, other in grafana.data_sources.items() if uid != own
    }
    assert {grafana.dashboards[uid]["meta"]["folderUid"] for uid in set(grafana.dashboards) - before} == {own}
    _no_secret_is_known(world, dev)
    assert dev.up().changed == {}


def test_what_aws_never_makes_smaller_is_refused_in_the_preview_all_at_once(world: World, dev: Engine) -> None:
    before = dict(dev.settings)
    dev.configure(clickhouseHotGiB=40, clickhouseSlowGiB=100, kafkaVersion="3.9.x.kraft", kafkaPartitions=3)
    dev.configure(clickhouseSlowType="gp3", kafkaStorageMaxGiB=60)
    ran = dev.preview()
    assert not ran.ok and ran.changed == {}
    for key in ("clickhouseHotGiB", "clickhouseSlowGiB", "kafkaVersion", "kafkaPartitions", "kafkaStorageMaxGiB"):
        assert f"{key}: " in ran.output, key
    dev.settings = before
    dev.configure()


def test_a_deployment_that_ecs_rolled_back_fails_the_up_and_the_next_one_repairs(world: World, dev: Engine) -> None:
    dev.configure(collectorBodyLimitMiB=16)
    world.cloud.fail("deploy")
    ran = dev.up()
    assert not ran.ok and "the deployment was rolled back" in ran.output
    sent = len(world.collector.received)
    ran = dev.up()
    assert ran.ok, ran.output
    assert "collector-service" in ran.changed["update"] and len(world.collector.received) == sent + 1
    assert dev.up().changed == {}


def test_drift_is_found_by_a_refresh_and_put_right_by_an_up(world: World, dev: Engine) -> None:
    (service,) = [item for item in world.cloud.state.all(SERVICE) if "collector" in item.get("name")]
    group = next(item for item in world.cloud.state.all("aws:cloudwatch/logGroup:LogGroup"))
    world.cloud.state.change(group.type, group.id, retentionInDays=1)
    world.rows("DROP VIEW telemetry.spans_raw_mv")
    (grafana,) = world.workspaces.grafana.values()
    grafana.dashboards.clear()
    ran = dev.refresh()
    assert ran.ok, ran.output
    ran = dev.up()
    assert ran.ok, ran.output
    touched = {name for names in ran.changed.values() for name in names}
    assert {group.urn.rsplit("::", 1)[-1], "ingest", *(f"dashboard-{slug}" for slug in DASHBOARDS)} <= touched, touched
    assert service.id and dev.up().changed == {}


def test_a_destroy_leaves_nothing_but_what_the_owner_brought(world: World, dev: Engine) -> None:
    ran = dev.destroy()
    assert ran.ok, ran.output
    assert [line.split()[0] for line in world.cloud.left()] == ["aws:acm/certificate:Certificate"]
    assert {line.split()[0] for line in world.cloud.scheduled()} == {"aws:kms/key:Key"}, "keys wait for seven days"
    assert dev.resources == []
