"""The stack `prod` under the real engine on a stand-in account: refused, up, and its nodes changed one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.paths import CONFIGS
from tests.engine.aws_engine import Engine, Run, example_values
from tests.engine.aws_world import World, aws_world

pytestmark = pytest.mark.timeout(900)
INSTANCE, VOLUME = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume"
ATTACHMENT, APPLIED = "aws:ec2/volumeAttachment:VolumeAttachment", "pulumi-python:dynamic/aws:Applied"
CLUSTER, TOPIC, SERVICE = "aws:msk/cluster:Cluster", "aws:msk/topic:Topic", "aws:ecs/service:Service"
SERVERS = [f"clickhouse-{number}" for number in (1, 2, 3)]
KEEPERS = [f"keeper-{number}" for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aws_world(tmp_path_factory.mktemp("prod")) as made:
        yield made


@pytest.fixture(scope="module")
def prod(world: World) -> Engine:
    """The stack as it is committed, but for a Kafka that can be upgraded."""
    made = world.engine("prod")
    made.configure(kafkaVersion="4.0.x.kraft")
    return made


def order(ran: Run) -> list[str]:
    """The nodes that the command touched, in their order. Fails when a second one was touched before the first served."""
    steps = [step for step in ran.of(INSTANCE, ATTACHMENT, APPLIED) if step.op not in ("same", "refresh")]
    touched: list[str] = []
    for step in steps:
        node = "-".join(step.name.split("-")[:2])
        if not touched or touched[-1] != node:
            touched.append(node)
    again = [node for node, times in Counter(touched).items() if times > 1]
    assert not again, f"{again} were touched again after another one: {touched}"
    return touched


def test_an_up_with_the_committed_example_values_names_them_all_and_makes_nothing(world: World, prod: Engine) -> None:
    own = dict(prod.settings)
    prod.configure(**example_values("prod"))
    ran = prod.up()
    prod.configure(**own)
    assert not ran.ok and world.cloud.operations("create") == []
    for key in ("awsAccount", "collectorDomain", "collectorCertificateArn", "grafanaAdminGroups", "alarmEmails"):
        assert f"{key}: still an example value" in ran.output


def test_an_up_gives_the_whole_pipeline(world: World, prod: Engine) -> None:
    ran = prod.up()
    print(f"up {ran.seconds:.1f} s", *ran.slowest(), sep="\n")
    assert ran.ok, ran.output
    assert ran.changed.keys() == {"create"}
    assert order(ran) == [*KEEPERS, *SERVERS], "a server wants its Keepers, a node the one before it"
    assert world.rows("SELECT count() FROM telemetry.spans_raw WHERE tenant_id = 'canary'") == "1"
    assert len(ran.outputs["clickhouseNodes"]) == 3 and world.doors.refused == []


def test_a_second_up_changes_nothing(prod: Engine) -> None:
    ran = prod.up()
    assert ran.ok and ran.changed == {}, ran.output


def test_a_setting_of_clickhouse_reaches_node_after_node_in_place(world: World, prod: Engine) -> None:
    world.cloud.forget_operations()
    before = len(world.nodes.applied)
    prod.configure(clickhouseCacheGiB=200)
    ran = prod.up()
    assert ran.ok, ran.output
    assert ran.changed.keys() == {"update"} and order(ran) == SERVERS
    assert [apply.node for apply in world.nodes.applied[before:]] == SERVERS
    name = "files/etc/clickhouse-server/config.d/20-storage.xml"
    assert all(str(200 * 2**30) in apply.files[name] for apply in world.nodes.applied[before:])
    assert world.cloud.operations("update", INSTANCE) == [] and world.cloud.operations("update", VOLUME) == []


def test_a_bigger_machine_is_stopped_and_started_in_place_one_after_the_other(world: World, prod: Engine) -> None:
    world.cloud.forget_operations()
    prod.configure(clickhouseInstanceType="r7g.4xlarge")
    ran = prod.up()
    assert ran.ok, ran.output
    assert order(ran) == SERVERS
    assert [op.name for op in world.cloud.operations("update", INSTANCE)] == SERVERS
    assert world.cloud.operations("delete", INSTANCE) == []


def test_another_image_replaces_node_after_node_and_no_volume(world: World, prod: Engine) -> None:
    volumes = {item.id for item in world.cloud.state.all(VOLUME)}
    rows = world.rows("SELECT count() FROM telemetry.spans_raw")
    world.cloud.forget_operations()
    prod.configure(clickhouseAmi=world.cloud.image())
    ran = prod.up()
    assert ran.ok, ran.output
    assert order(ran) == [*KEEPERS, *SERVERS]
    replaced = [op.name for op in world.cloud.operations("create", INSTANCE)]
    assert replaced == [*KEEPERS, *SERVERS]
    for op in ("create", "update", "delete"):
        assert world.cloud.operations(op, VOLUME) == []
    assert {item.id for item in world.cloud.state.all(VOLUME)} == volumes
    assert {item.get("volumeId") for item in world.cloud.state.all(ATTACHMENT)} == volumes
    assert int(world.rows("SELECT count() FROM telemetry.spans_raw")) >= int(rows)


def test_a_node_that_is_gone_is_made_anew_with_its_volumes(world: World, prod: Engine) -> None:
    volumes = {item.id for item in world.cloud.state.all(VOLUME)}
    (lost,) = [item for item in world.cloud.state.all(INSTANCE) if item.get("tags")["Name"].endswith("-clickhouse-2")]
    for item in world.cloud.state.all(ATTACHMENT):
        if item.get("instanceId") == lost.id:
            world.cloud.state.remove(ATTACHMENT, item.id)
    world.cloud.state.remove(INSTANCE, lost.id)
    world.cloud.forget_operations()
    ran = prod.up(refresh=True)
    assert ran.ok, ran.output
    assert [op.name for op in world.cloud.operations("create", INSTANCE)] == ["clickhouse-2"]
    assert order(ran) == ["clickhouse-2"] and world.nodes.applied[-1].node == "clickhouse-2"
    assert {item.id for item in world.cloud.state.all(VOLUME)} == volumes
    assert {item.get("volumeId") for item in world.cloud.state.all(ATTACHMENT)} == volumes


def test_newer_versions_go_broker_keeper_server_collector(
    world: World, prod: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One `up` for all three: what stands on another part is touched once that one is done (docs/operations.md)."""
    newer = {"clickhouse": "26.9.1.1", "collector-image": "0.161.0"}
    versions = yaml.safe_load((CONFIGS / "versions.yaml").read_text())
    for name, version in newer.items():
        versions["deployed"][name]["version"] = version
    (tmp_path / "versions.yaml").write_text(yaml.safe_dump(versions))
    monkeypatch.setattr("infra.guard.CONFIGS", tmp_path)
    world.cloud.forget_operations()
    before = len(world.nodes.applied)
    prod.configure(kafkaVersion="4.1.x.kraft")
    ran = prod.up()
    assert ran.ok, ran.output
    (cluster,) = world.cloud.operations("update", CLUSTER)
    assert cluster.changed == ("kafkaVersion",), "in place"
    for type_ in (CLUSTER, TOPIC, INSTANCE, VOLUME):
        assert world.cloud.operations("create", type_) == world.cloud.operations("delete", type_) == []
    assert order(ran) == [*KEEPERS, *SERVERS]
    applied = world.nodes.applied[before:]
    assert [apply.node for apply in applied] == [*KEEPERS, *SERVERS]
    assert {apply.plan["version"] for apply in applied} == {newer["clickhouse"]}
    (service,) = [item for item in world.cloud.operations("update", SERVICE) if item.name == "collector-service"]
    assert service.changed == ("taskDefinition",), "rolled, not replaced"
    kafka = ran.moment("end", "kafka-cluster")
    assert kafka < ran.moment("begin", "keeper-1-applied") and kafka < ran.moment("begin", "collector-service")
    proven = ran.moment("begin", "canary")
    assert all(ran.moment("end", name) < proven for name in ("clickhouse-3-applied", "collector-rollout"))
    assert prod.up().changed == {}, "nothing is left to do"


def test_a_destroy_is_refused_while_protect_is_set(world: World, prod: Engine) -> None:
    world.cloud.forget_operations()
    ran = prod.destroy()
    assert not ran.ok and "protect" in ran.output, ran.output
    assert world.cloud.operations("delete") == []
    kept = Counter(item["type"] for item in prod.resources if item.get("retainOnDelete") and item.get("protect"))
    assert kept[VOLUME] == 9 and kept["aws:msk/cluster:Cluster"] == 1 and kept["aws:kms/key:Key"] == 1
    assert kept["aws:msk/topic:Topic"] == 2 and kept["aws:grafana/workspace:Workspace"] == 1
    assert kept["aws:s3/bucket:Bucket"] == sum(item["type"] == "aws:s3/bucket:Bucket" for item in prod.resources)
