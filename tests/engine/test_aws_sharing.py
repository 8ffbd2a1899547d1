"""Ephemeral stacks beside dev under the real engine on a stand-in account: what they borrow, what is theirs, what they leave.

`pr-1` uses dev's network, brokers and workspace; `pr-12`, whose name begins like its, has no Grafana and shares the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.dashboards.catalogue import DASHBOARDS
from tests.engine.aws_engine import Engine, Run, committed
from tests.engine.aws_world import World, aws_world
from tests.providers.standin.cloud import Resource

pytestmark = pytest.mark.timeout(1800)
TOPIC, GROUP = "aws:msk/topic:Topic", "aws:ec2/securityGroup:SecurityGroup"
KNOWN = "aws:msk/singleScramSecretAssociation:SingleScramSecretAssociation"
OWNED_ONCE = {"aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/natGateway:NatGateway", "aws:msk/cluster:Cluster"}
RULES = {
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aws_world(tmp_path_factory.mktemp("sharing")) as made:
        yield made


@pytest.fixture(scope="module")
def dev(world: World) -> Engine:
    return world.engine("dev")


def ephemeral(name: str, **more: Any) -> dict[str, Any]:
    """Dev's settings as an ephemeral stack's."""
    own = {"env": name, "collectorDomain": f"{name}.telemetry.test", "expiresAt": "2026-12-01T18:00:00Z"}
    return committed("dev") | own | {"shareStack": "dev"} | more


@pytest.fixture(scope="module")
def one(world: World, dev: Engine) -> Engine:
    return world.beside(dev, "pr-1", ephemeral("pr-1"))


@pytest.fixture(scope="module")
def other(world: World, dev: Engine) -> Engine:
    return world.beside(
        dev, "pr-12", ephemeral("pr-12", shareParts=["network", "kafka"], grafanaMode="none", kafkaPartitions=3)
    )


def of(world: World, *types: str) -> dict[str, list[Resource]]:
    """Stack to its resources, by whose engine made them."""
    found: dict[str, list[Resource]] = {}
    for item in world.cloud.state.all(*types):
        found.setdefault(item.urn.split("::")[0].removeprefix("urn:pulumi:"), []).append(item)
    return found


def made(ran: Run) -> list[str]:
    """What a command made, or would make: our components are names for groups of things, and nothing by themselves."""
    return [step.name for step in ran.steps if step.op == "create" and not step.type.startswith("agent-telemetry:")]


def test_what_was_never_up_lends_nothing_and_the_preview_says_so(world: World, one: Engine) -> None:
    ran = one.preview()
    assert not ran.ok and made(ran) == [], ran.output
    assert "dev says nothing of what it lends" in ran.output and "Traceback" not in ran.output
    assert world.cloud.left() == ["aws:acm/certificate:Certificate " + _certificate(world)]


def _certificate(world: World) -> str:
    return world.cloud.only("aws:acm/certificate:Certificate").id


def test_a_preview_beside_dev_knows_what_is_lent(world: World, dev: Engine, one: Engine) -> None:
    ran = dev.up()
    print(f"dev up {ran.seconds:.1f} s", *ran.slowest(), sep="\n")
    assert ran.ok, ran.output
    world.cloud.forget_operations()
    ran = one.preview()
    assert ran.ok, ran.output
    assert ran.changed.keys() == {"create"} and world.cloud.operations("create") == []
    (vpc,) = world.cloud.state.all("aws:ec2/vpc:Vpc")
    assert vpc.id in ran.output, "groups in dev's network"


def test_what_does_not_fit_dev_is_refused_at_once_and_nothing_is_made(world: World, one: Engine) -> None:
    before, kept = len(world.cloud.left()), dict(one.settings)
    one.configure(awsRegion="eu-west-1", kafkaAuth="iam", networkZones=3, kafkaReplication=3)
    ran = one.up()
    assert not ran.ok and made(ran) == [] and len(world.cloud.left()) == before, ran.output
    for said in ("awsRegion is eu-west-1", "set kafkaAuth to scram", "set networkZones to 2", "it has 2 brokers"):
        assert said in ran.output, said
    one.settings = kept
    one.configure()


def test_two_stacks_live_beside_dev_with_what_is_theirs(world: World, one: Engine, other: Engine) -> None:
    for stack in (one, other):
        ran = stack.up()
        print(f"{stack.name} up {ran.seconds:.1f} s", *ran.slowest(), sep="\n")
        assert ran.ok and ran.changed.keys() == {"create"}, ran.output
        assert ran.outputs["expiresAt"] == "2026-12-01T18:00:00Z"
        assert world.rows("SELECT count() FROM telemetry.spans_raw WHERE tenant_id = 'canary'", 1, stack.name) == "1"
    owned = of(world, *OWNED_ONCE)
    assert owned.keys() == {"dev"}, "no network and no brokers beside dev's"
    topics = {stack: sorted(item.get("name") for item in found) for stack, found in of(world, TOPIC).items()}
    assert topics == {
        "dev": ["otel-events", "otel-spans"],
        "pr-1": ["pr-1.otel-events", "pr-1.otel-spans"],
        "pr-12": ["pr-12.otel-events", "pr-12.otel-spans"],
    }
    assert {stack: len(found) for stack, found in of(world, KNOWN).items()} == {"dev": 3, "pr-1": 3, "pr-12": 3}


def test_tables_read_their_own_topics_by_their_own_groups(world: World, one: Engine, other: Engine) -> None:
    query = "SELECT create_table_query FROM system.tables WHERE name = 'kafka_spans' FORMAT TSVRaw"
    for stack in ("pr-1", "pr-12"):
        table = world.rows(query, 1, stack)
        assert f"kafka_topic_list = '{stack}.otel-spans'" in table
        assert f"kafka_group_name = '{stack}.clickhouse-otel-spans'" in table
    assert "kafka_topic_list = 'otel-spans'" in world.rows(query)


def test_the_workspace_has_a_folder_and_a_source_for_each_and_reaches_both(world: World, one: Engine) -> None:
    (grafana,) = world.workspaces.grafana.values()
    assert set(grafana.folders) == {"agent-telemetry-dev", "agent-telemetry-pr-1"}
    source = grafana.data_sources["agent-telemetry-pr-1"]["jsonData"]
    assert source["host"] == "clickhouse.pr-1.agent-telemetry.internal"
    assert set(grafana.dashboards) == {f"agent-telemetry-{s}-{slug}" for s in ("dev", "pr-1") for slug in DASHBOARDS}
    groups = {
        (item.get("tags")["Stack"], item.get("description").partition(": ")[2]): item.id for item in _groups(world)
    }
    workspace, nodes = groups["dev", "way of Grafana into the VPC"], groups["pr-1", "ClickHouse nodes"]
    rules = {
        (item.type, item.get("securityGroupId"), item.get("referencedSecurityGroupId"), item.get("fromPort"))
        for item in world.cloud.state.all(*RULES)
    }
    into, out = sorted(RULES, reverse=False)[1], sorted(RULES)[0]
    assert (into, nodes, workspace, 8443) in rules and (out, workspace, nodes, 8443) in rules


def _groups(world: World) -> list[Resource]:
    return world.cloud.state.all(GROUP)


def test_a_second_up_changes_nothing_of_any(dev: Engine, one: Engine, other: Engine) -> None:
    for stack in (dev, one, other):
        ran = stack.up()
        assert ran.ok and ran.changed == {}, f"{stack.name}\n{ran.output}"


def test_dev_is_not_destroyed_while_others_use_it(world: World, dev: Engine) -> None:
    before = sorted(world.cloud.left())
    ran = dev.destroy()
    assert not ran.ok and "pr-1, pr-12 use what dev lends (shareStack)" in ran.output, ran.output
    assert "`telemetry down --name pr-1`" in ran.output
    assert sorted(world.cloud.left()) == before, "and nothing of it is gone"
    assert dev.up().changed == {}


def test_both_go_and_leave_dev_as_it_was(world: World, dev: Engine, one: Engine, other: Engine) -> None:
    for stack in (one, other):
        ran = stack.destroy()
        assert ran.ok, ran.output
        assert stack.resources == []
    assert of(world).keys() - {""} == {"dev"}
    scheduled = [item.type for item in world.cloud.state.all(state="scheduled")]
    assert set(scheduled) == {"aws:kms/key:Key"}, "keys wait for seven days, secrets do not"
    (grafana,) = world.workspaces.grafana.values()
    assert set(grafana.folders) == {"agent-telemetry-dev"} == set(grafana.data_sources)
    world.cloud.forget_operations()
    assert dev.refresh().changed == {}
    ran = dev.preview()
    assert ran.ok and ran.changed == {}, ran.output


def test_dev_goes_when_nobody_uses_it(world: World, dev: Engine) -> None:
    ran = dev.destroy()
    assert ran.ok, ran.output
    assert world.cloud.left() == ["aws:acm/certificate:Certificate " + _certificate(world)]
