"""What is compared with what is deployed, and how."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from infra.aws.floors import objections, rank, stack_floors
from tests.unit.aws.aws_settings import settings
from tests.unit.aws.mocks import program

FLOORS = "pulumi-python:dynamic/aws:Floors"


def declared(**more: Any) -> dict[str, Any]:
    with program() as cloud:
        stack_floors(settings(**more))
    [made] = [item for item in cloud.made if item.type == FLOORS]
    return made.inputs


def refused(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {key for key, _ in objections(declared(**before), declared(**after))}


@pytest.mark.parametrize(
    ("low", "high"),
    [("3.9.x.kraft", "4.0.x.kraft"), ("9.4", "12.4"), ("26.3.9.1", "26.8.7.7"), (9, 10), (99.0, 100)],
)
def test_versions_and_numbers_are_compared_as_such(low: Any, high: Any) -> None:
    assert rank(low) < rank(high)


@pytest.mark.parametrize(
    ("key", "high", "low"),
    [
        ("kafkaVersion", "4.1.x.kraft", "4.0.x.kraft"),
        ("kafkaBrokersPerZone", 2, 1),
        ("kafkaStorageMaxGiB", 400, 300),
        ("kafkaPartitions", 12, 6),
        ("clickhouseHotGiB", 200, 100),
        ("clickhouseSlowGiB", 200, 150),
        ("grafanaVersion", "12.4", "9.4"),
    ],
)
def test_each_may_rise_and_not_fall(key: str, high: Any, low: Any) -> None:
    assert refused({key: high}, {key: low}) == {key}
    assert refused({key: low}, {key: high}) == set()
    assert refused({key: high}, {key: low, "floorsLifted": [key]}) == set()


def test_brokers_stay_in_their_zones_and_say_what_to_set() -> None:
    [(key, reason)] = objections(declared(networkZones=2), declared(networkZones=3))
    assert key == "kafkaZones" and "set kafkaZones to the deployed number" in reason
    assert refused({"networkZones": 2}, {"networkZones": 3, "kafkaZones": 2}) == set()


def test_users_that_one_resource_owned_are_not_taken_away_by_its_deletion() -> None:
    before = declared()
    now = copy.deepcopy(before)
    del before["fixed"]["kafkaUsers"]
    [(key, said)] = objections(before, now)
    assert key == "kafkaUsers" and "docs/ephemeral.md" in said
    assert objections(before, declared(floorsLifted=["kafkaUsers"])) == [] == objections(now, now)
    assert objections(before, declared(kafkaAuth="iam"))[0][0] == "kafkaAuth", "as without it"


def test_how_clients_sign_in_is_not_switched_under_their_feet() -> None:
    assert refused({"kafkaAuth": "scram"}, {"kafkaAuth": "iam"}) == {"kafkaAuth"}
    assert refused({"kafkaAuth": "scram"}, {"kafkaAuth": "iam", "floorsLifted": ["kafkaAuth"]}) == set()


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("awsAccount", "111122223333", "444455556666"),
        ("awsRegion", "eu-central-1", "eu-west-1"),
        ("networkCidr", "10.80.0.0/16", "10.81.0.0/16"),
        ("grafanaAuthentication", "AWS_SSO", "SAML"),
    ],
)
def test_what_would_make_everything_anew_is_not_done_by_a_slip(key: str, before: str, after: str) -> None:
    saml = {"grafanaSamlMetadataUrl": "https://idp.example.com", "grafanaAdminGroups": ["admins"]}
    assert refused({**saml, key: before}, {**saml, key: after}) == {key}
    assert refused({**saml, key: before}, {**saml, key: after, "floorsLifted": [key]}) == set()


def test_another_network_and_another_cluster_are_not_taken_by_a_slip() -> None:
    vpc = {"networkVpcId": "vpc-1", "networkPublicSubnetIds": ["a", "b"], "networkPrivateSubnetIds": ["c", "d"]}
    [(key, reason)] = objections(declared(), declared(**vpc))
    assert key == "networkVpcId" and reason.startswith("networkVpcId: nothing is deployed and vpc-1 is set: ")
    assert refused(vpc, {}) == {"networkVpcId"}
    existing = {
        "kafkaMode": "existing",
        "kafkaBootstrapServers": "b:9096",
        "kafkaSecurityGroupId": "sg-0123",
        "kafkaSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_x",
        "kafkaSecretKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/1",
    }
    [(key, reason)] = objections(declared(), declared(**existing))
    assert key == "kafkaMode" and "add kafkaMode to floorsLifted for one `up`" in reason


def test_another_number_of_replicas_is_a_topic_made_anew() -> None:
    assert refused({"kafkaBrokersPerZone": 2}, {"kafkaBrokersPerZone": 2, "kafkaReplication": 3}) == {
        "kafkaReplication"
    }


def test_a_size_that_no_longer_counts_is_not_changed_in_silence() -> None:
    grows = {"kafkaStorageGiB": 100, "kafkaStorageMaxGiB": 400}
    assert refused(grows, {**grows, "kafkaStorageGiB": 200}) == {"kafkaStorageGiB"}
    assert refused(grows, {**grows, "kafkaStorageMaxGiB": 800}) == set()
    fixed = {"kafkaStorageGiB": 400, "kafkaStorageMaxGiB": 400}
    assert refused(grows, fixed) == set(), "at the old maximum no volume shrinks"
    assert refused(fixed, {"kafkaStorageGiB": 300, "kafkaStorageMaxGiB": 300}) == {
        "kafkaStorageGiB",
        "kafkaStorageMaxGiB",
    }
    assert refused(fixed, {"kafkaStorageGiB": 400, "kafkaStorageMaxGiB": 800}) == set()


def test_what_the_stack_does_not_have_is_not_compared() -> None:
    existing = {
        "kafkaMode": "existing",
        "kafkaBootstrapServers": "b:9096",
        "kafkaSecurityGroupId": "sg-0123",
        "kafkaSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_x",
        "kafkaSecretKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/1",
    }
    assert "kafkaVersion" not in declared(**existing)["floors"]
    assert "grafanaVersion" not in declared(grafanaMode="none")["floors"]


def test_the_engine_shows_whole_numbers_as_whole() -> None:
    [(_, reason)] = objections({"floors": {"clickhouseHotGiB": 100.0}}, {"floors": {"clickhouseHotGiB": 50.0}})
    assert "100 is deployed and 50 is set" in reason


def test_a_namespace_that_was_made_is_not_deleted_with_what_its_owner_keeps_in_it() -> None:
    pods = {
        "collectorPlatform": "kubernetes",
        "collectorCertificateArn": "",
        "kubernetesEksCluster": "agents",
        "kubernetesOidcProviderArn": "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC",
        "kubernetesSecurityGroupId": "sg-0a",
        "kubernetesTlsSecret": "otlp-tls",
    }
    assert refused(pods, {**pods, "kubernetesNamespaceCreate": False}) == {"kubernetesNamespaceCreate"}
    assert refused(pods, {**pods, "kubernetesNamespace": "another"}) == {"kubernetesNamespace"}
    given = {**pods, "kubernetesNamespaceCreate": False}
    assert refused(given, {**given, "kubernetesNamespace": "another"}) == set()
    assert refused(pods, {}) == refused({}, pods) == set(), "collectors may move to a cluster and back"
