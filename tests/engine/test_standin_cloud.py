"""The stand-in providers under the real engine: a small program with a piece of everything goes up, changes, drifts and goes."""

from __future__ import annotations

import datetime
import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest
from cryptography import x509

from tests.providers.cloud import StandInCloud, StandInStack
from tests.providers.example import AL2023, Knobs, program

pytestmark = pytest.mark.timeout(600)

CANARY = "canary-7c1e"
INSTANCE, VOLUME, ATTACHMENT = (
    "aws:ec2/instance:Instance",
    "aws:ebs/volume:Volume",
    "aws:ec2/volumeAttachment:VolumeAttachment",
)
SERVICE, TOPIC, BUCKET = "aws:ecs/service:Service", "aws:msk/topic:Topic", "aws:s3/bucket:Bucket"


class World:
    """One cloud with its stack; the tests of this file take it through its life, in order."""

    def __init__(self, folder: Path) -> None:
        self.knobs = Knobs(secret=CANARY)
        self.cloud = StandInCloud(folder)
        self.stack: StandInStack = self.cloud.stack(lambda: program(self.knobs))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("cloud"))
    yield made
    made.stack.destroy()


def test_a_preview_makes_nothing_and_is_quick(world: World) -> None:
    shown = world.stack.preview()
    assert shown.ok, shown.output
    assert len(shown.changed["create"]) == 28 and shown.changed.keys() == {"create"}
    assert world.cloud.left() == [] and world.cloud.operations() == []
    assert "unknown" in shown.output or "output<" in shown.output


def test_up_makes_everything_once(world: World) -> None:
    ran = world.stack.up()
    assert ran.ok, ran.output
    assert len(world.cloud.left()) == 26, "all but the key and the certificate of pulumi-tls"
    assert world.cloud.unlisted() == set()
    assert ran.outputs["address"].startswith("10.0.0.") and ":9096" in ran.outputs["brokers"]


def test_a_second_up_changes_nothing(world: World) -> None:
    world.cloud.forget_operations()
    ran = world.stack.up()
    assert ran.ok and ran.changed == {}, ran.output
    assert world.cloud.operations() == []


def _processor_seconds() -> float:
    """Of this process, where the program runs, and of the engine: what else the machine does is not in it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def test_a_preview_of_no_change_takes_under_three_seconds_of_a_processor(world: World) -> None:
    before = _processor_seconds()
    shown = world.stack.preview()
    took = _processor_seconds() - before
    assert shown.ok and shown.changed == {}
    assert took < 3, f"{took:.1f} s of processor time, {shown.seconds:.1f} s in all"


def test_what_a_certificate_is_for_is_in_it(world: World) -> None:
    found = x509.load_pem_x509_certificate(world.stack.outputs()["authority"].encode())
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    days = found.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert 360 < days.days < 366


def test_a_newer_image_replaces_the_node_and_keeps_its_volume(world: World) -> None:
    volume = world.cloud.only(VOLUME).id
    node = world.cloud.only(INSTANCE).id
    image = world.cloud.publish(AL2023)
    world.cloud.forget_operations()
    shown = world.stack.preview()
    assert set(shown.replaced_by["node"]) == {"ami"} and "volume" not in shown.changed.get("replace", [])
    ran = world.stack.up()
    assert ran.ok, ran.output
    assert world.cloud.only(INSTANCE).get("ami") == image and world.cloud.only(INSTANCE).id != node
    assert world.cloud.only(VOLUME).id == volume
    assert world.cloud.only(ATTACHMENT).get("instanceId") == world.cloud.only(INSTANCE).id
    order = [(item.op, item.name) for item in world.cloud.operations() if item.name in ("node", "attachment")]
    assert order == [("delete", "attachment"), ("delete", "node"), ("create", "node"), ("create", "attachment")]


def test_changes_in_place_are_updates_of_what_they_touch(world: World) -> None:
    world.knobs.instance_type = "m7g.xlarge"
    world.knobs.partitions = 12
    world.cloud.forget_operations()
    ran = world.stack.up()
    assert (
        ran.ok and ran.changed == {"update": ran.changed["update"]} and set(ran.changed["update"]) == {"node", "spans"}
    )
    assert {item.name: item.changed for item in world.cloud.operations("update")} == {
        "node": ("instanceType",),
        "spans": ("partitionCount",),
    }


def test_a_new_image_of_the_collector_is_a_new_revision_and_an_update_of_the_service(world: World) -> None:
    world.knobs.image = "registry.example.com/collector:2"
    ran = world.stack.up()
    assert ran.ok, ran.output
    assert ran.changed["update"] == ["service"] and ran.changed["replace"] == ["task"]
    assert world.cloud.only(SERVICE).get("taskDefinition").endswith(":2")


def test_a_rollout_that_rolls_back_reports_success_and_the_next_up_tries_again(world: World) -> None:
    world.knobs.image = "registry.example.com/collector:3"
    world.cloud.fail("deploy")
    assert world.stack.up().ok
    assert world.cloud.only("stand-in/deployment").get("rolledBack")
    ran = world.stack.up()
    assert ran.changed == {"update": ["service"]}, ran.output
    assert not world.cloud.only("stand-in/deployment").get("rolledBack")


def test_a_refresh_finds_what_someone_changed_or_deleted_by_hand(world: World) -> None:
    node = world.cloud.only(INSTANCE)
    world.cloud.state.change(INSTANCE, node.id, instanceType="m7g.2xlarge")
    world.cloud.state.remove(TOPIC, world.cloud.only(TOPIC).id)
    ran = world.stack.refresh()
    assert ran.ok, ran.output
    shown = world.stack.preview()
    assert shown.changed == {"create": ["spans"], "update": ["node"]}, shown.output
    assert world.stack.up().ok
    assert world.cloud.only(INSTANCE).get("instanceType") == "m7g.xlarge"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"node": {"instance_type": "m7g.enormous"}}, "Invalid value 'm7g.enormous' for InstanceType"),
        ({"cold": {"tags": {"n": 1}}}, "expected str, got int"),
        ({"subnet-1": {"cidr_block": "10.0.0.128/25"}}, "InvalidSubnet.Conflict"),
        ({"node": {"subnet_id": "subnet-0"}}, "InvalidSubnetID.NotFound"),
        ({"volume": {"size": 50}}, "New size cannot be smaller"),
    ],
)
def test_what_aws_refuses_fails_the_up_by_name_and_leaves_the_rest(world: World, broken: dict, message: str) -> None:
    world.knobs.break_ = broken
    ran = world.stack.up()
    world.knobs.break_ = {}
    assert not ran.ok and message in ran.output
    assert world.stack.up().ok


def test_secrets_are_in_the_cloud_and_nowhere_in_what_the_engine_wrote_or_printed(world: World) -> None:
    stored = world.cloud.only("aws:secretsmanager/secretVersion:SecretVersion").get("secretString")
    assert json.loads(stored)["password"] == CANARY
    ran = world.stack.refresh()
    printed = ran.output + world.stack.preview(diff=True).output
    for place in (world.stack.stored(), printed):
        assert CANARY not in place and "PRIVATE KEY" not in place
    assert "AmazonMSK_example" in world.stack.stored(), "the search looks at the right files"


def test_a_certificate_is_made_anew_inside_of_its_early_renewal(world: World) -> None:
    before = world.stack.outputs()["authority"]
    assert world.stack.preview().changed == {}
    world.cloud.state.advance(days=310)
    shown = world.stack.preview()
    assert set(shown.replaced_by["authority"]) == {"readyForRenewal"}
    ran = world.stack.up()
    assert ran.ok and ran.outputs["authority"] != before
    assert world.stack.up().changed == {}


def test_destroy_leaves_an_empty_cloud(world: World) -> None:
    ran = world.stack.destroy()
    assert ran.ok, ran.output
    assert world.cloud.left() == []
    assert [item.split()[0] for item in world.cloud.scheduled()] == ["aws:kms/key:Key"], "a key waits for its window"


def test_a_bucket_that_is_not_empty_stops_the_destroy_until_force_is_in_the_state(tmp_path: Path) -> None:
    from tests.providers.standin import objects

    knobs = Knobs(kafka=False, service=False)
    cloud = StandInCloud(tmp_path)
    stack = cloud.stack(lambda: program(knobs))
    assert stack.up().ok
    objects.write(cloud.state, cloud.only(BUCKET).id, "left", b"over")
    refused = stack.destroy()
    assert not refused.ok and "BucketNotEmpty" in refused.output
    knobs.break_ = {"cold": {"force_destroy": True}}
    assert stack.up().ok
    assert stack.destroy().ok and cloud.left() == []


@pytest.mark.parametrize("how", ["before", "after"])
def test_an_up_that_fails_half_way_is_continued_by_the_next(tmp_path: Path, how: str) -> None:
    knobs = Knobs(kafka=False, service=False)
    cloud = StandInCloud(tmp_path)
    stack = cloud.stack(lambda: program(knobs))
    cloud.fail("create", nth=5, how=how)
    first = stack.up()
    assert not first.ok and "asked for by the test" in first.output
    second = stack.up()
    assert second.ok, second.output
    assert stack.up().changed == {}
    began = time.monotonic()
    assert stack.destroy().ok and cloud.left() == []
    assert time.monotonic() - began < 120


def test_a_lost_answer_leaves_an_orphan_that_the_test_can_see(tmp_path: Path) -> None:
    import pulumi_aws as aws

    cloud = StandInCloud(tmp_path)
    stack = cloud.stack(lambda: pulumi.export("bucket", aws.s3.Bucket("cold").id))
    cloud.fail("create", type=BUCKET, how="lost")
    assert not stack.up().ok
    assert len(cloud.state.all(BUCKET)) == 1
    assert stack.up().ok
    assert len(cloud.state.all(BUCKET)) == 2, "auto-naming makes another one; the first is nobody's"
