"""Kafka on MSK: what protects it, who signs in, topics one after the other; and a cluster that exists."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from infra.aws.kafka_cluster import server_properties
from infra.aws.kafka_policy import client_statements
from infra.aws.kafka_topics import by_hand, topic_configs
from infra.aws.kafka_users import USERS
from infra.kafka import message_max_bytes, topics
from infra.paths import ROOT
from tests.unit.aws.aws_settings import LARGE, SMALL, settings
from tests.unit.aws.ground import ground
from tests.unit.aws.mocks import COMPUTED, value

CLUSTER, TOPIC = "aws:msk/cluster:Cluster", "aws:msk/topic:Topic"
SECRET, VERSION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"
ASSOCIATION = "aws:msk/singleScramSecretAssociation:SingleScramSecretAssociation"
ARN = COMPUTED[CLUSTER]["arn"]
SECRET_MARK = "4dabf18193072939515e22adb298388d"
"""By which Pulumi knows a secret on the wire."""
EXISTING: dict[str, Any] = {
    "kafkaMode": "existing",
    "kafkaBootstrapServers": "b-2.other:9096,b-1.other:9096",
    "kafkaSecurityGroupId": "sg-0123",
    "kafkaSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_other-1",
    "kafkaSecretKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/2",
}


def properties(**more: Any) -> dict[str, str]:
    return dict(line.split("=", 1) for line in server_properties(settings(**more)).splitlines())


def test_msk_lets_its_users_set_every_property_that_we_set() -> None:
    msk = yaml.safe_load((ROOT / "tests" / "providers" / "data" / "msk.yaml").read_text())
    assert set(properties()) <= set(msk["broker_properties"])
    configs = {key for topic in topics(settings()) for key in json.loads(topic_configs(settings(), topic))}
    assert configs <= set(msk["topic_properties"])


def test_brokers_lose_nothing_and_take_what_the_collector_sends() -> None:
    found = properties(kafkaReplication=2, kafkaMinInSync=1, collectorBodyLimitMiB=32)
    assert found["unclean.leader.election.enable"] == "false" and found["auto.create.topics.enable"] == "false"
    limit = str(message_max_bytes(settings(collectorBodyLimitMiB=32)))
    assert found["message.max.bytes"] == found["replica.fetch.max.bytes"] == limit
    assert found["default.replication.factor"] == found["offsets.topic.replication.factor"] == "2"


@pytest.mark.parametrize(("hours", "minutes"), [(24, "43200"), (2000, "120000")])
def test_a_consumer_finds_its_place_as_long_as_messages_are_kept(hours: int, minutes: str) -> None:
    assert properties(kafkaRetentionHours=hours)["offsets.retention.minutes"] == minutes


@pytest.mark.parametrize("base", [SMALL, LARGE])
@pytest.mark.parametrize("auth", ["scram", "iam"])
def test_the_cluster_is_private_encrypted_and_asks_in_one_way_who_is_there(base: dict, auth: str) -> None:
    made = ground(settings(base, kafkaAuth=auth)).cloud.one(CLUSTER).inputs
    assert made["encryptionInfo"]["encryptionInTransit"] == {"clientBroker": "TLS", "inCluster": True}
    assert "encryption-key" in made["encryptionInfo"]["encryptionAtRestKmsKeyArn"]
    assert made["clientAuthentication"]["unauthenticated"] is False
    assert made["clientAuthentication"]["sasl"] == {"scram": auth == "scram", "iam": auth == "iam"}
    group = made["brokerNodeGroupInfo"]
    assert group["connectivityInfo"]["publicAccess"]["type"] == "DISABLED"
    assert group["securityGroups"] == ["firewall-kafka-id"]
    assert all(subnet.startswith("network-private-") for subnet in group["clientSubnets"])
    assert made["loggingInfo"]["brokerLogs"]["cloudwatchLogs"]["enabled"] is True


def test_brokers_fill_every_zone_and_the_newest_configuration_reaches_them() -> None:
    cloud = ground(settings(LARGE, kafkaBrokersPerZone=2)).cloud
    made = cloud.one(CLUSTER).inputs
    assert made["numberOfBrokerNodes"] == 6 and len(made["brokerNodeGroupInfo"]["clientSubnets"]) == 3
    assert made["configurationInfo"]["revision"] == COMPUTED["aws:msk/configuration:Configuration"]["latestRevision"]
    assert "kafkaVersions" not in cloud.one("aws:msk/configuration:Configuration").inputs


def test_a_cluster_that_stands_in_two_zones_stays_there_when_the_network_gets_a_third() -> None:
    before = ground(settings(networkZones=2)).cloud.one(CLUSTER).inputs
    after = ground(settings(networkZones=3, kafkaZones=2)).cloud.one(CLUSTER).inputs
    assert before == after


def test_volumes_grow_by_themselves_and_their_size_is_then_not_ours_to_say() -> None:
    cloud = ground(settings(kafkaStorageGiB=100, kafkaStorageMaxGiB=400)).cloud
    assert "volumeSize" in cloud.options(cloud.one(CLUSTER)).ignore_changes[0]
    target = cloud.one("aws:appautoscaling/target:Target").inputs
    assert target["maxCapacity"] == 400 and target["scalableDimension"] == "kafka:broker-storage:VolumeSize"
    policy = cloud.one("aws:appautoscaling/policy:Policy").inputs["targetTrackingScalingPolicyConfiguration"]
    assert policy["disableScaleIn"] is True


def test_without_room_to_grow_the_size_is_what_the_setting_says() -> None:
    cloud = ground(settings(kafkaStorageGiB=400, kafkaStorageMaxGiB=400)).cloud
    assert cloud.options(cloud.one(CLUSTER)).ignore_changes == []
    assert not cloud.of("aws:appautoscaling/target:Target")


def test_each_user_has_a_secret_of_its_own_that_msk_takes() -> None:
    made = ground(settings())
    cloud = made.cloud
    assert len(cloud.of(SECRET)) == len(USERS)
    for item in cloud.of(SECRET):
        assert item.inputs["namePrefix"].startswith("AmazonMSK_") and "name" not in item.inputs
        assert "encryption-key" in item.inputs["kmsKeyId"] and "alias" not in item.inputs["kmsKeyId"]
    names = {json.loads(item.inputs["secretString"]["value"])["username"] for item in cloud.of(VERSION)}
    assert names == set(USERS)
    arns = {value(arn) for arn in made.kafka.credentials.values()}
    assert len(arns) == len(USERS) and [item.inputs["secretArn"] for item in cloud.of(ASSOCIATION)] == list(
        map(value, made.kafka.credentials.values())
    )


def test_passwords_are_secrets_to_pulumi() -> None:
    for item in ground(settings()).cloud.of(VERSION):
        assert SECRET_MARK in item.inputs["secretString"], item.name


def test_the_brokers_hear_of_users_whose_secrets_are_complete() -> None:
    cloud = ground(settings()).cloud
    before: set[str] = set()
    for user in USERS:
        association = cloud.one(ASSOCIATION, f"kafka-{user}-known")
        after = cloud.options(association).depends_on
        assert {f"kafka-{user}-value", f"kafka-{user}-policy", *before} <= after, "MSK takes one at a time"
        assert cloud.options(association).deleted_with == "kafka-cluster"
        before = {association.name}
    policy = json.loads(
        cloud.one("aws:secretsmanager/secretPolicy:SecretPolicy", "kafka-worker-policy").inputs["policy"]
    )
    [statement] = policy["Statement"]
    assert statement["Sid"] == "AWSKafkaResourcePolicy" and statement["Action"] == "secretsmanager:getSecretValue"


@pytest.mark.parametrize(("base", "kept"), [(SMALL, False), (LARGE, True)])
def test_topics_come_one_after_the_other_and_are_protected_with_the_stack(base: dict, kept: bool) -> None:
    cloud = ground(settings(base)).cloud
    first, second = cloud.of(TOPIC)
    assert (first.inputs["name"], second.inputs["name"]) == ("otel-spans", "otel-events")
    assert {"kafka-cluster", "kafka-worker-known"} <= cloud.options(first).depends_on
    assert "otel-spans" in cloud.options(second).depends_on
    for item in (first, second):
        options = cloud.options(item)
        assert options.protect is kept and options.delete_before_replace and options.deleted_with == "kafka-cluster"
        assert item.inputs["replicationFactor"] == base.get("kafkaReplication", 2)
        configs = json.loads(item.inputs["configs"])
        assert all(isinstance(text, str) for text in configs.values()), "MSK answers in text"
        assert configs["min.insync.replicas"] == str(base.get("kafkaMinInSync", 1))
        assert configs["retention.ms"] == str(72 * 3_600_000)


@pytest.mark.parametrize(("base", "kept"), [(SMALL, False), (LARGE, True)])
def test_what_holds_data_is_kept_when_the_stack_is_protected(base: dict, kept: bool) -> None:
    cloud = ground(settings(base)).cloud
    options = cloud.options(cloud.one(CLUSTER))
    assert options.protect is kept and options.retain_on_delete is kept
    for item in cloud.of(SECRET):
        assert item.inputs["recoveryWindowInDays"] == (30 if kept else 0)


@pytest.mark.parametrize(("auth", "port", "access"), [("scram", "9096", "KafkaSecret"), ("iam", "9098", "KafkaIam")])
def test_the_endpoint_says_where_and_how(auth: str, port: str, access: str) -> None:
    kafka = ground(settings(kafkaAuth=auth)).kafka
    servers = value(kafka.endpoint.bootstrap_servers)
    assert servers == f"b-1.msk:{port},b-2.msk:{port}"
    assert value(kafka.endpoint.security_protocol) == "SASL_SSL"
    assert str(kafka.endpoint.access["class"]).endswith(f":{access}")
    assert value(kafka.cluster_name) == "kafka-cluster" and value(kafka.cluster_arn) == ARN


def test_iam_needs_no_secrets_and_gives_each_role_its_share() -> None:
    made = ground(settings(kafkaAuth="iam"))
    assert not made.cloud.of(SECRET) and not made.cloud.of(ASSOCIATION) and not made.kafka.credentials
    statements = value(made.kafka.client_policy("collector"))
    assert "kafka-cluster:WriteData" in statements[1]["Action"]
    assert value(ground(settings()).kafka.client_policy("collector")) == []


@pytest.mark.parametrize("user", USERS)
def test_iam_statements_name_our_topics_and_groups_and_nothing_else(user: str) -> None:
    statements = client_statements(user, ARN, ["otel-spans", "otel-events"])
    tail = ARN.split(":cluster/")[1]
    allowed = {ARN, *(ARN.replace(":cluster/", ":topic/") + f"/{topic}" for topic in ("otel-spans", "otel-events"))}
    allowed.add(ARN.replace(":cluster/", ":group/") + "/clickhouse-*")
    resources = {resource for item in statements for resource in item["Resource"]}
    assert resources <= allowed and all(tail in resource for resource in resources)
    actions = {action for item in statements for action in item["Action"]}
    assert not any(action.endswith("*") for action in actions)
    assert ("kafka-cluster:WriteData" in actions) == (user == "collector")
    assert ("kafka-cluster:ReadData" in actions) == (user != "collector")  # the audit reads some messages again


def test_an_existing_cluster_gets_our_topics_and_keeps_everything_else() -> None:
    made = ground(settings(**EXISTING, kafkaClusterArn=ARN))
    assert not made.cloud.of(CLUSTER) and not made.cloud.of(SECRET) and not made.cloud.of(ASSOCIATION)
    assert [item.inputs["clusterArn"] for item in made.cloud.of(TOPIC)] == [ARN, ARN]
    assert value(made.kafka.endpoint.bootstrap_servers) == "b-1.other:9096,b-2.other:9096"
    assert {value(arn) for arn in made.kafka.credentials.values()} == {EXISTING["kafkaSecretArn"]}
    assert value(made.kafka.credentials_key_arn) == EXISTING["kafkaSecretKeyArn"]
    assert value(made.kafka.cluster_name) == "kafka-cluster"


def test_without_its_arn_the_topics_are_asked_for_word_by_word() -> None:
    made = ground(settings(**EXISTING))
    assert made.kafka.topics == [] and value(made.kafka.cluster_arn) == "" and value(made.kafka.cluster_name) == ""
    text = by_hand(settings(**EXISTING))
    for topic in topics(settings(**EXISTING)):
        assert f"{topic['name']}: {topic['partitions']} partitions, 2 replicas" in text
        assert topic["config"]["max.message.bytes"] in text


def test_a_change_of_the_brokers_changes_the_fingerprint() -> None:
    def seen(**more: Any) -> str:
        return value(ground(settings(**more)).kafka.fingerprint)

    base = seen()
    assert seen() == base
    assert (
        len(
            {
                base,
                seen(kafkaVersion="3.9.x.kraft"),
                seen(kafkaBrokersPerZone=2),
                seen(kafkaMinInSync=2, kafkaReplication=3, kafkaBrokersPerZone=2),
            }
        )
        == 4
    )
