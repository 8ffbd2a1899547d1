"""Network, firewall and Kafka under the real engine and the stand-in AWS: made, unchanged, grown, refused, taken away."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from infra.aws.context import Context, make_provider, tagging
from infra.aws.floors import stack_floors
from infra.settings import Settings
from tests.providers.cloud import Ran, StandInCloud
from tests.providers.standin.cloud import ACCOUNT
from tests.unit.aws.aws_settings import SMALL, settings
from tests.unit.aws.ground import declare

pytestmark = pytest.mark.timeout(900)
HERE: dict[str, Any] = {**SMALL, "awsAccount": ACCOUNT}
GROWN: dict[str, Any] = {
    "networkZones": 3,
    "networkNat": "zone",
    "kafkaZones": 2,
    "kafkaBrokersPerZone": 2,
    "kafkaPartitions": 12,
    "kafkaStorageMaxGiB": 300,
    "collectorBodyLimitMiB": 32,
    "collectorAllowedCidrs": ["198.51.100.0/24"],
}


def program(found: Settings) -> Callable[[], None]:
    def run() -> None:
        pulumi.runtime.register_stack_transformation(tagging(found, "dev"))
        provider = make_provider(found)
        opts = pulumi.ResourceOptions(providers=[provider], depends_on=[stack_floors(found)])
        network, _, kafka = declare(Context(found, "dev", provider), opts)
        pulumi.export("zones", network.zones)
        pulumi.export("servers", kafka.endpoint.bootstrap_servers)

    return run


class Deployed:
    """The parts on one stand-in cloud, with settings that change from command to command."""

    def __init__(self, cloud: StandInCloud) -> None:
        self.cloud = cloud
        self.shown: list[str] = []

    def run(self, command: str, **more: Any) -> Ran:
        ran: Ran = getattr(self.cloud.stack(program(settings(HERE, **more))), command)()
        self.shown.append(ran.output)
        return ran


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """Up once; the tests take it through its life, in order."""
    made = Deployed(StandInCloud(tmp_path_factory.mktemp("ground")))
    ran = made.run("up")
    assert ran.ok, ran.output
    return made


def test_msk_is_asked_for_one_thing_at_a_time(deployed: Deployed) -> None:
    order = [
        item.type.rsplit(":", 1)[-1] for item in deployed.cloud.operations("create") if item.type.startswith("aws:msk/")
    ]
    assert order == ["Configuration", "Cluster", *["SingleScramSecretAssociation"] * 3, "Topic", "Topic"]


def test_a_second_up_after_a_refresh_changes_nothing(deployed: Deployed) -> None:
    assert deployed.run("refresh").changed == {}
    assert deployed.run("up").changed == {}


def test_a_third_zone_is_refused_until_kafka_is_told_to_stay(deployed: Deployed) -> None:
    ran = deployed.run("preview", networkZones=3)
    assert not ran.ok and "set kafkaZones to the deployed number" in ran.output
    assert ran.changed == {}, "nothing is planned beside the refusal"


def test_growing_replaces_nothing_and_reaches_the_brokers(deployed: Deployed) -> None:
    ran = deployed.run("up", **GROWN)
    assert ran.ok, ran.output
    assert ran.replaced_by == {}
    updated = set(ran.changed["update"])
    assert {"kafka-configuration", "kafka-cluster", "otel-spans", "otel-events", "network-private-2-out"} <= updated
    assert not any("subnet" in name.lower() for name in ran.changed.get("delete", []))
    assert ran.outputs["zones"] == ["eu-central-1c", "eu-central-1a", "eu-central-1b"]


def test_no_password_stands_in_the_state_or_in_what_was_shown(deployed: Deployed) -> None:
    versions = deployed.cloud.state.all("aws:secretsmanager/secretVersion:SecretVersion")
    passwords = [json.loads(item.get("secretString"))["password"] for item in versions]
    assert len(set(passwords)) == 3 and all(len(password) == 32 for password in passwords)
    places = [deployed.cloud.stack(program(settings(HERE, **GROWN))).stored(), *deployed.shown]
    assert not any(password in place for password in passwords for place in places)


LOWER: dict[str, tuple[Any, str]] = {
    "kafkaBrokersPerZone": (1, "2 is deployed and 1 is set: AWS never lowers it"),
    "kafkaVersion": ("3.9.x.kraft", "4.1.x.kraft is deployed and 3.9.x.kraft is set: AWS never lowers it"),
    "kafkaStorageMaxGiB": (200, "300 is deployed and 200 is set: AWS never lowers it"),
    "kafkaPartitions": (6, "12 is deployed and 6 is set: AWS never lowers it"),
    "clickhouseHotGiB": (60, "100 is deployed and 60 is set: AWS never lowers it"),
    "clickhouseSlowGiB": (100, "125 is deployed and 100 is set: AWS never lowers it"),
    "grafanaVersion": ("10.4", "12.4 is deployed and 10.4 is set: AWS never lowers it"),
    "kafkaZones": (3, "2 is deployed and 3 is set: brokers can't move to other zones"),
    "kafkaStorageGiB": (150, "100 is deployed and 150 is set: the brokers' volumes have grown by themselves"),
    "kafkaAuth": ("iam", "scram is deployed and iam is set: every client would be locked out"),
    "kafkaReplication": (1, "2 is deployed and 1 is set: the topics would be deleted and made anew"),
    "awsRegion": ("eu-west-1", "eu-central-1 is deployed and eu-west-1 is set: everything would be made anew there"),
    "networkCidr": (
        "10.81.0.0/16",
        "10.80.0.0/16 is deployed and 10.81.0.0/16 is set: the network and all that is in it",
    ),
    "grafanaAuthentication": ("SAML", "AWS_SSO is deployed and SAML is set: the workspace would be made anew"),
    "clickhouseReplicas": (2, "1 is deployed and 2 or 3 is set: one node's tables can't become replicated ones"),
}


@pytest.mark.parametrize("command", ["preview", "up"])
def test_what_aws_never_lowers_and_what_would_lose_data_is_refused_all_at_once(
    deployed: Deployed, command: str
) -> None:
    deployed.cloud.forget_operations()
    lower = {key: value for key, (value, _) in LOWER.items()}
    saml = {"grafanaSamlMetadataUrl": "https://idp.test/metadata", "grafanaAdminGroups": ["admins"]}
    ran = deployed.run(command, **{**GROWN, **lower, **saml})
    assert not ran.ok and deployed.cloud.operations() == []
    for key, (_, said) in LOWER.items():
        assert f"{key}: {said}" in ran.output, key


def test_a_destroy_leaves_nothing_but_a_key_that_waits_its_days(deployed: Deployed) -> None:
    assert deployed.run("destroy", **GROWN).ok
    assert deployed.cloud.left() == []
    assert [line.split()[0] for line in deployed.cloud.scheduled()] == ["aws:kms/key:Key"]
