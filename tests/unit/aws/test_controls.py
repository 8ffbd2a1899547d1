"""AWS Security Hub's controls on every resource of the program; each test has its control's id. The table: docs/controls.md."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from infra.paths import ROOT
from policy.rules import CONTROLS, POLICIES, Control, Finding, doors, kafka_and_tasks, machines, storage
from policy.stack import Resource, Stack
from tests.unit.aws.controls import ceilings as _ceilings
from tests.unit.aws.controls import doors as _doors
from tests.unit.aws.controls import kafka_and_tasks as _kafka_and_tasks
from tests.unit.aws.controls import machines as _machines
from tests.unit.aws.controls import stack_wide as _stack_wide
from tests.unit.aws.controls import storage as _storage
from tests.unit.aws.controls import watch as _watch
from tests.unit.aws.controls.breaks import Breaks
from tests.unit.aws.controls.stacks import VARIANTS, declared

pytestmark = pytest.mark.xdist_group("controls")
BREAKS: Breaks = {
    id_: breaks
    for module in (_ceilings, _doors, _kafka_and_tasks, _machines, _stack_wide, _storage, _watch)
    for id_, breaks in module.BREAKS.items()
}
HUB = [found for found in CONTROLS.values() if "." in found.id]
"""Security Hub's; the others are ours."""
NEVER_MADE = {
    *kafka_and_tasks.EFS,
    *machines.TEMPLATES,
    machines.DOCUMENT,
    machines.POLICY,
    doors.OLD_RULE,
    storage.ACL,
    storage.QUEUE_POLICY,
}
"""Looked for, and not there."""
NO_CONTROL = {
    "aws:acm/certificate:Certificate": "EC key, validated by DNS; ACM renews it",
    "aws:acm/certificateValidation:CertificateValidation": "waits",
    "aws:appautoscaling/policy:Policy": "numbers",
    "aws:appautoscaling/target:Target": "numbers",
    "aws:cloudwatch/eventRule:EventRule": "a pattern",
    "aws:cloudwatch/eventTarget:EventTarget": "to the alarms' topic",
    "aws:ec2/internetGateway:InternetGateway": "the VPC's way out",
    "aws:ec2/route:Route": "private subnets' go to NAT (test_network.py)",
    "aws:ec2/routeTable:RouteTable": "holds routes",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "a pair of ids",
    "aws:ec2/volumeAttachment:VolumeAttachment": "a pair of ids",
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": "Fargate and Fargate Spot",
    "aws:grafana/roleAssociation:RoleAssociation": "groups of the account's owner",
    "aws:grafana/workspace:Workspace": "Security Hub has no control of it; sign-in and network: test_grafana.py",
    "aws:grafana/workspaceSamlConfiguration:WorkspaceSamlConfiguration": "groups of the account's owner",
    "aws:kms/alias:Alias": "a name",
    "aws:lb/targetGroup:TargetGroup": "ELB.21 and ELB.22: plain text inside the VPC, the reason is in docs/controls.md",
    "aws:msk/configuration:Configuration": "test_kafka.py",
    "aws:msk/singleScramSecretAssociation:SingleScramSecretAssociation": "two ids",
    "aws:msk/topic:Topic": "test_kafka.py",
    "aws:route53/record:Record": "a name",
    "aws:s3/bucketObjectv2:BucketObjectv2": "encrypted by its bucket's default; what is in it: test_secrets.py",
    "aws:s3/bucketVersioning:BucketVersioning": "where old versions help",
    "aws:scheduler/scheduleGroup:ScheduleGroup": "a name",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "MSK's own, word for word (test_kafka.py)",
    "aws:sns/topicSubscription:TopicSubscription": "the alarms' readers",
}
"""Kinds of resources that no control here looks at, and why."""


def in_a_pack(control: Control, stack: Stack) -> list[Finding]:
    """What the policy pack finds: unless its policy is one of the whole stack a rule sees one resource at a time."""
    if POLICIES[control.policy].whole:
        return list(control.check(stack))
    alone = [Stack(stack.prod, [replace(item, refers={})]) for item in stack.of(*control.types)]
    return [found for one in alone for found in control.check(one)]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("id_", CONTROLS)
def test_control(id_: str, variant: str) -> None:
    found = CONTROLS[id_]
    assert not list(found.check(declared(variant)))
    assert not in_a_pack(found, declared(variant))


@pytest.mark.parametrize("id_", CONTROLS)
def test_control_notices(id_: str) -> None:
    found = CONTROLS[id_]
    for number, change in enumerate(BREAKS[id_], 1):
        broken = declared("prod").changed()
        change(broken)
        assert list(found.check(broken)), f"change {number} of {found.check.__name__} goes unnoticed"
        assert in_a_pack(found, broken), (
            f"change {number} of {found.check.__name__} goes unnoticed resource by resource"
        )


class Watched(Stack):
    """Knows which types it was asked for."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.prod, stack.resources, ephemeral=True)
        self.asked: set[str] = set()

    def of(self, *types: str) -> list[Resource]:
        self.asked |= {*types}
        return super().of(*types)


def test_a_rule_looks_only_at_what_it_names() -> None:
    """The pack hands over nothing else."""
    for found in CONTROLS.values():
        stack = Watched(declared("prod"))
        list(found.check(stack))
        assert stack.asked <= {*found.types}, found.id


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_resource_is_looked_at_or_has_a_reason(variant: str) -> None:
    made = {item.type for item in declared(variant).resources if item.type.startswith("aws:")}
    looked_at = {type_ for found in HUB for type_ in found.types}
    assert not looked_at & set(NO_CONTROL)
    assert not made - looked_at - set(NO_CONTROL), "a new kind of resource: write its controls, or why there is none"
    assert not made & NEVER_MADE


def test_no_list_names_what_nobody_makes() -> None:
    made = {item.type for variant in VARIANTS for item in declared(variant).resources}
    looked_at = {type_ for found in HUB for type_ in found.types}
    assert not (looked_at - NEVER_MADE) - made
    assert not set(NO_CONTROL) - made


def test_the_table_names_each_control_and_says_what_is_tested() -> None:
    rows = re.findall(
        r"^\| ([A-Za-z0-9]+\.\d+) \|.*\| (.+) \|$", (ROOT / "docs" / "controls.md").read_text(), re.MULTILINE
    )
    table = dict(rows)
    assert len(table) == len(rows), "a control stands in it twice"
    assert {id_ for id_, where in table.items() if "tested" in where} == {found.id for found in HUB}
    assert all("tested" in where or len(where) > 20 for where in table.values()), "a reason is missing"
