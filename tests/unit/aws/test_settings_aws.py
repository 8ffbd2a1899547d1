"""The rules that join AWS's settings: what AWS would refuse half-way is refused at once, by name."""

from __future__ import annotations

from typing import Any

import pytest

from infra.errors import UserError
from tests.unit.aws.aws_settings import LARGE, settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kafkaVersion": "3.9.x"}, "kafkaVersion: 3.9.x names no version in KRaft mode"),
        ({"kafkaInstanceType": "kafka.t3.small"}, "the smallest is kafka.m7g.large"),
        ({"kafkaZones": 3}, "kafkaZones: 2 (the least that MSK takes) to networkZones (2), or 0"),
        ({"kafkaZones": 1}, "kafkaZones: 2 (the least"),
        ({"kafkaReplication": 3, "networkZones": 3, "kafkaZones": 2}, "kafkaReplication: 3, and there are 2 brokers"),
        ({"kafkaReplication": 2, "kafkaMinInSync": 2}, "kafkaMinInSync: 2 of 2 replicas"),
        ({"kafkaStorageGiB": 300}, "kafkaStorageMaxGiB: below kafkaStorageGiB"),
        ({"kafkaMode": "serverless"}, "kafkaMode: serverless has no topic API"),
        ({"kafkaMode": "existing"}, "kafkaSecretKeyArn: needed with kafkaMode existing and kafkaAuth scram"),
        ({"kafkaMode": "existing", "kafkaAuth": "iam"}, "kafkaClusterArn: needed with kafkaMode existing"),
        ({"kafkaMode": "existing"}, "kafkaSecurityGroupId: this or kafkaBrokerCidrs is needed"),
        ({"kafkaMode": "existing", "kafkaBootstrapServers": "b-1"}, "kafkaBootstrapServers: b-1 is not host:port"),
        ({"kafkaClusterArn": "arn:aws:kafka:x"}, "kafkaClusterArn"),
        (
            {"kafkaMode": "existing", "kafkaBrokerCidrs": ["10.99.0.0/24", "10.80.128.0/24"]},
            "kafkaBrokerCidrs: 10.80.128.0/24 overlaps networkCidr (10.80.0.0/16): no route would lead there",
        ),
        ({"networkCidr": "10.0.0.0/24"}, "networkCidr: 10.0.0.0/24 is not a private IPv4 range of /16 to /22"),
        ({"networkCidr": "8.8.0.0/16"}, "networkCidr: 8.8.0.0/16 is not a private"),
        ({"networkCidr": "10.0.0.1/16"}, "networkCidr: 10.0.0.1/16 has host bits set"),
        ({"networkVpcId": "vpc-1"}, "networkPrivateSubnetIds: 0 given, and networkZones is 2"),
        (
            {"networkVpcId": "vpc-1", "networkPublicSubnetIds": ["a", "a"], "networkPrivateSubnetIds": ["b", "c"]},
            "networkPublicSubnetIds: 1 given",
        ),
        ({"networkPublicSubnetIds": ["a"]}, "networkPublicSubnetIds: only counts together with networkVpcId"),
        ({"networkVpcId": "vpc-1", "networkFlowLogs": True}, "networkFlowLogs: only counts in a VPC that is made here"),
        ({"networkEndpoints": ["ssm", "simsalabim"]}, "networkEndpoints: simsalabim is none of"),
        ({"networkZoneIds": ["euc1-az1"]}, "networkZoneIds: 1 given, and networkZones is 2"),
        ({"networkZoneIds": ["use1-az1", "use1-az3"]}, "MSK has no brokers in use1-az3"),
        ({"collectorAllowedCidrs": ["10.0.0.0/8", "10.1.0.0/16"]}, "10.1.0.0/16 overlaps 10.0.0.0/8"),
        ({"collectorAllowedCidrs": ["::/0"]}, "collectorAllowedCidrs"),
        ({"clickhouseReach": "direct"}, "clickhouseAllowedCidrs: needed with clickhouseReach direct"),
        (
            {"clickhouseReach": "direct", "clickhouseAllowedCidrs": ["198.51.100.0/24", "1.1.1.0/24"]},
            "clickhouseAllowedCidrs: 1.1.1.0/24 is not private",
        ),
        (
            {"clickhouseAllowedCidrs": ["10.9.0.0/24"]},
            "clickhouseAllowedCidrs: only counts with clickhouseReach direct",
        ),
        ({"tenantTeams": {"acme": "Acme"}}, "tenantTeams: acme has no folder: it is not in tenantReaders"),
        ({"tenantReaders": ["acme"], "tenantTeams": {"acme": " "}}, "tenantTeams: acme: the team's name is empty"),
        (
            {"tenantReaders": ["acme"], "tenantTeams": {"acme": "Acme"}, "grafanaMode": "none"},
            "tenantTeams: only counts where",
        ),
        (
            {"grafanaAuthentication": "SAML", "grafanaSamlMetadataUrl": "https://idp.example.com/metadata"},
            "grafanaAdminGroups: needed with grafanaAuthentication SAML",
        ),
    ],
)
def test_a_contradiction_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        settings(**values)
    assert message in str(caught.value)


def test_all_contradictions_are_in_one_message() -> None:
    with pytest.raises(UserError) as caught:
        settings(kafkaVersion="2.8.1", networkCidr="10.0.0.0/8", clickhouseReach="direct")
    assert len(str(caught.value).splitlines()) == 3


def test_contradictions_are_named_beside_what_is_wrong_by_itself() -> None:
    with pytest.raises(UserError) as caught:
        settings(bogus=1, kafkaBrokersPerZone=0, kafkaReplication=3, kafkaMinInSync=2, retentionSlowDays=400)
    lines = str(caught.value).splitlines()
    named = [line.split(": ")[1] for line in lines]
    assert named == ["kafkaBrokersPerZone", "bogus", "retentionSlowDays", "kafkaReplication"]


def test_what_only_follows_from_a_wrong_setting_is_not_named() -> None:
    """Without its VPC, subnets would look as if they were not needed."""
    with pytest.raises(UserError) as caught:
        settings(networkVpcId="10.0.0.0/16", networkPublicSubnetIds=["a", "b"], networkPrivateSubnetIds=["c", "d"])
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_usual_is_taken() -> None:
    assert settings().broker_zones == 2
    assert settings(LARGE).broker_zones == 3
    given: dict[str, Any] = {"grafanaUrl": "https://grafana.example.com", "grafanaTokenSecretArn": "arn:x"}
    # A Grafana that exists asks from addresses of its own, and `up` still comes through a tunnel.
    assert settings(grafanaMode="existing", **given, clickhouseAllowedCidrs=["10.9.0.0/24"]).clickhouseReach == "tunnel"
    assert settings(LARGE, kafkaZones=2, kafkaReplication=2, kafkaMinInSync=1).broker_zones == 2
