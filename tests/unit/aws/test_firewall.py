"""The firewall: both ends of every rule, nothing open to the world but what is meant to be."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.aws.firewall import GROUPS, OTLP_DOORS, table
from tests.unit.aws.aws_settings import LARGE, SMALL, settings
from tests.unit.aws.ground import ground
from tests.unit.aws.mocks import Cloud

IN, OUT = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
)
EVERYWHERE = "0.0.0.0/0"
DESCRIPTION = re.compile(r"[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")
"""What EC2 takes (AuthorizeSecurityGroupIngress)."""


def group(part: str) -> str:
    return f"firewall-{part.replace('_', '-')}-id"


def ends(cloud: Cloud, kind: str) -> set[tuple[str, str, int]]:
    """(whose rule, who is at the other end, port)."""
    found = set()
    for item in cloud.of(kind):
        rule = item.inputs
        assert rule["ipProtocol"] == "tcp" and rule["fromPort"] == rule["toPort"]
        sources = [rule[key] for key in ("referencedSecurityGroupId", "cidrIpv4") if key in rule]
        assert len(sources) == 1, "one source a rule"
        found.add((rule["securityGroupId"], sources[0], int(rule["fromPort"])))
    return found


@pytest.mark.parametrize("base", [SMALL, LARGE])
def test_whoever_may_call_may_also_leave_and_the_other_way_round(base: dict) -> None:
    cloud = ground(settings(base)).cloud
    groups = {group(part) for part in GROUPS}
    incoming = {(source, target, port) for target, source, port in ends(cloud, IN) if source in groups}
    outgoing = {(source, target, port) for source, target, port in ends(cloud, OUT) if target in groups}
    assert incoming == outgoing and incoming


@pytest.mark.parametrize("base", [SMALL, LARGE])
def test_only_the_doors_are_open_to_the_world_and_only_https_leaves_for_it(base: dict) -> None:
    cloud = ground(settings(base)).cloud
    assert {(t, p) for t, s, p in ends(cloud, IN) if s == EVERYWHERE} == {
        (group("load_balancer"), p) for p in OTLP_DOORS
    }
    assert {p for _, t, p in ends(cloud, OUT) if t == EVERYWHERE} == {443}
    leaving = {s for s, t, _ in ends(cloud, OUT) if t == EVERYWHERE}
    assert not leaving & {group("kafka"), group("load_balancer"), group("endpoints")}


def test_the_allowed_ranges_replace_the_world_and_the_canary_still_gets_in() -> None:
    cloud = ground(settings(collectorAllowedCidrs=["198.51.100.0/24"])).cloud
    sources = {s for t, s, _ in ends(cloud, IN) if t == group("load_balancer")}
    assert sources == {"198.51.100.0/24", "203.0.113.10/32"}, "the NAT gateway's address is the worker's"


def test_an_internal_door_takes_the_canary_from_the_worker_itself() -> None:
    cloud = ground(settings(collectorInternal=True, collectorAllowedCidrs=["10.0.0.0/8"])).cloud
    assert (group("load_balancer"), group("worker"), 443) in ends(cloud, IN)
    assert not any("203.0.113" in source for _, source, _ in ends(cloud, IN))


@pytest.mark.parametrize(("auth", "port"), [("scram", 9096), ("iam", 9098)])
def test_brokers_are_reached_at_the_one_port_of_their_sign_in(auth: str, port: int) -> None:
    cloud = ground(settings(kafkaAuth=auth)).cloud
    callers = {(s, p) for t, s, p in ends(cloud, IN) if t == group("kafka")}
    assert callers == {(group(part), port) for part in ("collector", "clickhouse", "worker")}


EXISTING: dict[str, Any] = {
    "kafkaMode": "existing",
    "kafkaBootstrapServers": "b-1.other:9096,b-2.other:19096",
    "kafkaSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_other-1",
    "kafkaSecretKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/2",
}
CLIENTS = ("collector", "clickhouse", "worker")


def test_brokers_that_exist_let_our_parts_in_through_their_own_group() -> None:
    cloud = ground(settings(**EXISTING, kafkaSecurityGroupId="sg-0123")).cloud
    expected = {("sg-0123", group(part), port) for part in CLIENTS for port in (9096, 19096)}
    assert {rule for rule in ends(cloud, IN) if rule[0] == "sg-0123"} == expected
    outgoing = {(target, source, port) for source, target, port in ends(cloud, OUT) if target == "sg-0123"}
    assert outgoing == expected
    assert "firewall-kafka" not in {item.name for item in cloud.of("aws:ec2/securityGroup:SecurityGroup")}


def test_brokers_known_by_their_addresses_are_gone_out_to() -> None:
    cloud = ground(settings(**EXISTING, kafkaBrokerCidrs=["10.200.0.0/24"])).cloud
    outgoing = {(source, port) for source, target, port in ends(cloud, OUT) if target == "10.200.0.0/24"}
    assert outgoing == {(group(part), port) for part in CLIENTS for port in (9096, 19096)}
    assert not any("kafka" in target for target, _, _ in ends(cloud, IN))


def test_keepers_and_replicas_talk_only_where_there_are_some() -> None:
    few = ends(ground(settings()).cloud, IN)
    many = ends(ground(settings(LARGE)).cloud, IN)
    assert not any(t == group("keeper") for t, _, _ in few)
    assert (group("keeper"), group("keeper"), 9234) in many and (group("keeper"), group("clickhouse"), 9281) in many
    assert (group("clickhouse"), group("clickhouse"), 9010) in many


def test_clickhouse_is_reached_directly_only_from_where_the_setting_says() -> None:
    cloud = ground(settings(clickhouseReach="direct", clickhouseAllowedCidrs=["10.9.0.0/24"])).cloud
    assert ("firewall-clickhouse-id", "10.9.0.0/24", 8443) in ends(cloud, IN)
    assert not any(
        "/" in source for target, source, _ in ends(ground(settings()).cloud, IN) if target == group("clickhouse")
    )


@pytest.mark.parametrize("base", [SMALL, LARGE])
def test_no_rule_is_there_twice_and_every_text_is_one_that_ec2_takes(base: dict) -> None:
    cloud = ground(settings(base)).cloud
    for kind in (IN, OUT):
        assert len(ends(cloud, kind)) == len(cloud.of(kind))
    rules = list(table(settings(base)))
    assert len(rules) == len({(rule.source, rule.target, rule.port) for rule in rules})
    for text in [rule.why for rule in rules] + [
        item.inputs["description"] for item in cloud.of("aws:ec2/securityGroup:SecurityGroup")
    ]:
        assert DESCRIPTION.fullmatch(text), text


def test_each_nat_gateway_is_let_in_once() -> None:
    made = ends(ground(settings(LARGE, collectorAllowedCidrs=["198.51.100.0/24"])).cloud, IN)
    sources = {source for target, source, port in made if target == group("load_balancer") and port == 443}
    assert len(sources) == 4, "one range, three gateways"


def test_groups_hold_no_rules_of_their_own() -> None:
    for item in ground(settings()).cloud.of("aws:ec2/securityGroup:SecurityGroup"):
        assert "ingress" not in item.inputs and "egress" not in item.inputs


CLUSTER: dict[str, Any] = {
    "collectorPlatform": "kubernetes",
    "collectorCertificateArn": "",
    "kubernetesContext": "theirs",
    "kubernetesOidcProviderArn": "arn:aws:iam::123456789012:oidc-provider/issuer.example.com",
    "kubernetesTlsSecret": "otlp-tls",
}


@pytest.mark.parametrize(
    ("given", "who"),
    [
        ({"kubernetesSecurityGroupId": "sg-0a"}, {"sg-0a"}),
        ({"kubernetesPodCidrs": ["10.9.0.0/16", "100.64.0.0/16"]}, {"10.9.0.0/16", "100.64.0.0/16"}),
    ],
)
def test_pods_of_a_cluster_are_let_in_to_the_brokers_and_nobody_else_is_let_in_at_all(given: dict, who: set) -> None:
    cloud = ground(settings(**CLUSTER, **given)).cloud
    incoming = ends(cloud, IN)
    ours = {group(part) for part in GROUPS}
    assert {(source, target, port) for target, source, port in incoming if source not in ours} == {
        (source, group("kafka"), 9096) for source in who
    }
    # The pods' group is its owner's: nothing is written into it.
    assert "sg-0a" not in {rule[0] for rule in ends(cloud, OUT)} | {rule[0] for rule in incoming}
    made = {item.name for item in cloud.of("aws:ec2/securityGroup:SecurityGroup")}
    assert not made & {"firewall-load-balancer", "firewall-collector"}


def test_where_the_brokers_are_known_by_address_letting_pods_in_is_their_owners() -> None:
    theirs = {
        "kafkaMode": "existing",
        "kafkaBootstrapServers": "b-1.kafka.test:9096",
        "kafkaBrokerCidrs": ["172.16.0.0/24"],
        "kafkaSecretArn": "arn:secret",
        "kafkaSecretKeyArn": "arn:key",
    }
    rules = list(table(settings(**CLUSTER, **theirs)))
    assert not [rule for rule in rules if rule.why == "produces"]
