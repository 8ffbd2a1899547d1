"""What a stack lends, what fits, and what a stack that borrows declares: rules in lent groups, names of its own, no more."""

from __future__ import annotations

import copy
import json
from typing import Any

import pulumi
import pytest

from infra.aws.context import Context, common_tags
from infra.aws.costs import bill, table
from infra.aws.floors import stack_floors
from infra.aws.lent import Lent, check
from infra.errors import UserError
from infra.settings import Settings
from tests.unit.aws.aws_settings import context, settings
from tests.unit.aws.controls.stacks import ACCOUNT, LENT, declared
from tests.unit.aws.ground import Ground, declare
from tests.unit.aws.mocks import REGION, program, value

ARN = LENT["kafka"]["clusterArn"]
SHARING: dict[str, Any] = {"shareStack": "dev", "env": "pr-1", "awsAccount": ACCOUNT}
RULE = "aws:vpc/securityGroup{}Rule:SecurityGroup{}Rule"


def borrowing(lent: dict[str, Any] = LENT, **more: Any) -> Ground:
    """Key, network, firewall and Kafka of the stack pr-1."""
    found = settings(**SHARING, **more)
    with program() as cloud:
        lender = Lent(pulumi.Output.from_input(lent).apply(lambda values: check(found, values)))
        parts = declare(Context(found, "pr-1", context(found).provider, lender))
    return Ground(cloud, *parts)


def with_(part: str, **values: Any) -> dict[str, Any]:
    changed = copy.deepcopy(LENT)
    changed[part] |= values
    return changed


def without(part: str) -> dict[str, Any]:
    return {key: item for key, item in LENT.items() if key != part}


@pytest.mark.parametrize(
    ("lent", "more", "said"),
    [
        (None, {}, "dev says nothing of what it lends (its output `shared`)"),
        ({}, {}, "run `telemetry up --name dev`"),
        (LENT, {"awsRegion": "eu-west-1"}, f"it is in {REGION}, and awsRegion is eu-west-1"),
        (LENT, {"awsAccount": "999999999999"}, f"it is in {ACCOUNT}, and awsAccount is 999999999999"),
        (LENT, {"networkZones": 3}, "it is in 2 zones, and networkZones is 3"),
        (LENT, {"kafkaAuth": "iam"}, "its brokers ask for scram, and kafkaAuth is iam"),
        (LENT, {"kafkaReplication": 3}, "it has 2 brokers, and kafkaReplication is 3"),
        ({**LENT, "protect": True}, {}, "it is protected, and its brokers know no access rules"),
        (without("kafka"), {}, "it lends no kafka: its brokers are another's"),
        (without("network"), {}, "it lends no network: it uses another stack's network itself"),
        (without("grafana"), {}, "it lends no grafana: its Grafana is another's"),
        (
            LENT,
            {"alertTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:mine"},
            "its workspace may tell no SNS topic, and alertTopicArn is",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_the_setting(
    lent: dict[str, Any] | None, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        check(settings(**{**SHARING, **more}), lent)
    assert said in str(caught.value)


def test_all_that_does_not_fit_is_said_at_once() -> None:
    with pytest.raises(UserError) as caught:
        check(settings(**SHARING, networkZones=3, kafkaReplication=3, awsRegion="eu-west-1"), LENT)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("more", [{}, {"shareParts": ["network"], "kafkaAuth": "iam"}, {"kafkaEncoding": "otlp_json"}])
def test_what_is_not_shared_need_not_fit(more: dict[str, Any]) -> None:
    assert check(settings(**SHARING, **more), LENT) is LENT
    if "shareParts" in more:
        assert check(settings(**SHARING, **more), without("kafka"))


def test_a_protected_stack_with_iam_lends_its_brokers() -> None:
    lent = {**with_("kafka", auth="iam"), "protect": True}
    assert check(settings(**SHARING, kafkaAuth="iam"), lent) is lent


def test_nothing_of_what_is_lent_is_made() -> None:
    cloud = borrowing().cloud
    for type_ in ("ec2/vpc:Vpc", "ec2/subnet:Subnet", "ec2/natGateway:NatGateway", "msk/cluster:Cluster"):
        assert not cloud.of(f"aws:{type_}"), type_
    groups = {item.name for item in cloud.of("aws:ec2/securityGroup:SecurityGroup")}
    assert groups == {f"firewall-{part}" for part in ("load-balancer", "collector", "clickhouse", "keeper", "worker")}
    assert all(item.inputs["vpcId"] == "vpc-other" for item in cloud.of("aws:ec2/securityGroup:SecurityGroup"))


def test_rules_in_lent_groups_name_our_groups_and_are_none_of_the_lender_s_own() -> None:
    cloud = borrowing().cloud
    for kind in ("Ingress", "Egress"):
        for item in cloud.of(RULE.format(kind, kind)):
            if item.inputs["securityGroupId"].startswith("sg-other-"):
                assert item.inputs.get("referencedSecurityGroupId", "").startswith("firewall-"), item.name
    ends = {
        (item.inputs["securityGroupId"], item.inputs.get("referencedSecurityGroupId"), int(item.inputs["fromPort"]))
        for kind in ("Ingress", "Egress")
        for item in cloud.of(RULE.format(kind, kind))
    }
    for caller in ("collector", "clickhouse", "worker"):
        assert ("sg-other-kafka", f"firewall-{caller}-id", 9096) in ends
        assert ("sg-other-endpoints", f"firewall-{caller}-id", 443) in ends
    assert {
        ("sg-other-grafana", "firewall-clickhouse-id", 8443),
        ("firewall-clickhouse-id", "sg-other-grafana", 8443),
    } <= ends


def test_the_canary_gets_in_from_the_lender_s_nat_gateways() -> None:
    cloud = borrowing(collectorAllowedCidrs=["198.51.100.0/24"]).cloud
    doors = [
        item.inputs["cidrIpv4"]
        for item in cloud.of(RULE.format("Ingress", "Ingress"))
        if item.inputs["securityGroupId"] == "firewall-load-balancer-id" and "cidrIpv4" in item.inputs
    ]
    assert set(doors) == {"198.51.100.0/24", "203.0.113.7/32"}


def test_topics_users_and_sign_ins_carry_the_stack_s_name() -> None:
    made = borrowing()
    cloud = made.cloud
    assert [item.inputs["name"] for item in cloud.of("aws:msk/topic:Topic")] == ["pr-1.otel-spans", "pr-1.otel-events"]
    assert [item.name for item in cloud.of("aws:msk/topic:Topic")] == ["otel-spans", "otel-events"]
    assert all(cloud.options(item).deleted_with == "" for item in cloud.of("aws:msk/topic:Topic")), "they go alone"
    names = {
        json.loads(item.inputs["secretString"]["value"])["username"]
        for item in cloud.of("aws:secretsmanager/secretVersion:SecretVersion")
    }
    assert names == {"pr-1.collector", "pr-1.clickhouse", "pr-1.worker"}
    known = cloud.of("aws:msk/singleScramSecretAssociation:SingleScramSecretAssociation")
    assert len(known) == 3 and {item.inputs["clusterArn"] for item in known} == {ARN}
    assert made.kafka.endpoint.prefix == "pr-1." and value(made.kafka.cluster_name) == "other"
    assert value(made.kafka.endpoint.bootstrap_servers) == "b-1.other:9096,b-2.other:9096"


def test_iam_lets_a_role_use_the_prefix_and_no_other_stack_s() -> None:
    made = borrowing(with_("kafka", auth="iam"), kafkaAuth="iam")
    resources = [text for item in value(made.kafka.client_policy("clickhouse")) for text in item["Resource"]]
    topics = [text.rpartition("/")[2] for text in resources if ":topic/" in text]
    groups = [text.rpartition("/")[2] for text in resources if ":group/" in text]
    assert topics == ["pr-1.otel-spans", "pr-1.otel-events"] and groups == ["pr-1.clickhouse-*"]


def test_the_bill_has_nothing_of_what_another_stack_pays() -> None:
    def items(found: Settings) -> set[str]:
        return {line.item.partition("/")[0] for line in bill(found, table()["assumptions"])}

    lent = {"nat-hour", "broker-hour", "broker-storage", "grafana-editor"}
    assert lent <= items(settings()) and not lent & items(settings(**SHARING))


def test_everything_says_whose_network_it_is_in() -> None:
    assert common_tags(settings(**SHARING), "pr-1")["SharesWith"] == "dev"
    assert "SharesWith" not in common_tags(settings(), "dev")


def test_what_a_stack_borrows_is_fixed_while_it_stands() -> None:
    def fixed(**more: Any) -> dict[str, Any]:
        with program() as cloud:
            stack_floors(settings(**more))
        (item,) = [item for item in cloud.made if item.name == "floors"]
        return item.inputs["fixed"]

    assert fixed()["shareStack"] == "" and fixed(**SHARING)["shareStack"] == "dev"
    assert fixed(**SHARING)["shareParts"] == "grafana kafka network"
    assert "kafkaZones" not in fixed(**SHARING) and "networkCidr" not in fixed(**SHARING)


def test_all_that_talks_to_kafka_puts_the_stack_s_name_first() -> None:
    stack = declared("lent")  # the stack is called dev, and borrows from another one
    variables = {
        item["name"]: item["value"] for _, container in stack.containers() for item in container.get("environment", [])
    }
    assert "topic: dev.otel-spans" in variables["OTEL_CONFIG"] and "topic: dev.otel-events" in variables["OTEL_CONFIG"]
    assert json.loads(variables["WORKER_CONFIG"])["kafka"]["prefix"] == "dev."
    assert stack.outputs["access"]["kafka"]["prefix"] == "dev."
    lag = [
        item.inputs["dimensions"] for item in stack.of("aws:cloudwatch/metricAlarm:MetricAlarm") if "lag" in item.name
    ]
    assert sorted((found["Topic"], found["Consumer Group"], found["Cluster Name"]) for found in lag) == [
        ("dev.otel-events", "dev.clickhouse-otel-events", "other"),
        ("dev.otel-spans", "dev.clickhouse-otel-spans", "other"),
    ]


def test_only_who_has_a_network_lends_it_and_none_of_it_is_a_secret() -> None:
    lent = declared("dev").outputs["shared"]
    assert {"network", "kafka", "grafana"} <= lent.keys()
    assert check(settings(**{**SHARING, "awsAccount": lent["account"]}), lent) is lent, (
        "what one writes the other reads"
    )
    assert not {"network", "kafka", "grafana"} & declared("lent").outputs["shared"].keys()
    assert declared("given").outputs["shared"].keys() & {"network", "kafka"} == {"network"}
    keepers = {
        name: [item.name for item in declared(name).resources if item.name == "lender"] for name in ("dev", "lent")
    }
    assert keepers == {"dev": ["lender"], "lent": []}
