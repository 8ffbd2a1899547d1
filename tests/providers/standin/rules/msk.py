"""MSK: cluster shapes, one operation at a time, secrets for SCRAM, topics."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.data import table
from tests.providers.standin.rules.network import SUBNET, check_groups, distinct_zones, vpc_of
from tests.providers.standin.rules.registry import Failures, changed, created, gone, values

CLUSTER, SERVERLESS = "aws:msk/cluster:Cluster", "aws:msk/serverlessCluster:ServerlessCluster"
CONFIGURATION, TOPIC = "aws:msk/configuration:Configuration", "aws:msk/topic:Topic"
SCRAM, SINGLE = (
    "aws:msk/scramSecretAssociation:ScramSecretAssociation",
    "aws:msk/singleScramSecretAssociation:SingleScramSecretAssociation",
)
SECRET, VERSION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"
BROKER = re.compile(r"kafka\.t3\.small|(kafka|express)\.m(5|7g)\.(x?large|\d+xlarge)")
NO_BROKERS = "use1-az3"


def busy_key(type_: str, inputs: Mapping[str, Any]) -> str | None:
    """The cluster that an operation occupies."""
    if type_ in (TOPIC, SCRAM, SINGLE):
        return str(inputs.get("clusterArn"))
    return str(inputs.get("clusterName")) if type_ == CLUSTER else None


@values(CLUSTER)
def _cluster_values(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    version = inputs.get("kafkaVersion")
    if version is not None and version not in table("msk")["versions"]:
        failures.append(
            (
                "kafkaVersion",
                f"BadRequestException: Unsupported Kafka version {version}; known: {', '.join(table('msk')['versions'])}",
            )
        )
    nodes = inputs.get("brokerNodeGroupInfo") or {}
    kind = nodes.get("instanceType", "")
    if kind and not BROKER.fullmatch(kind):
        failures.append(("brokerNodeGroupInfo.instanceType", f"BadRequestException: Unsupported InstanceType {kind}"))
    if kind.startswith("express.") and nodes.get("storageInfo"):
        failures.append(("brokerNodeGroupInfo.storageInfo", "BadRequestException: Express brokers take no storageInfo"))
    size = ((nodes.get("storageInfo") or {}).get("ebsStorageInfo") or {}).get("volumeSize")
    if size is not None and not 1 <= size <= 16384:
        failures.append(("brokerNodeGroupInfo.storageInfo", f"volumeSize {size} is not between 1 and 16384 GiB"))
    subnets, brokers = nodes.get("clientSubnets") or [], inputs.get("numberOfBrokerNodes")
    if subnets and len(subnets) not in (2, 3):
        failures.append(
            (
                "brokerNodeGroupInfo.clientSubnets",
                f"BadRequestException: Specify either two or three client subnets, got {len(subnets)}",
            )
        )
    if subnets and brokers is not None and (brokers < len(subnets) or brokers % len(subnets)):
        failures.append(
            (
                "numberOfBrokerNodes",
                f"BadRequestException: The number of broker nodes must be a multiple of Availability Zones in the client subnets: {brokers} brokers, {len(subnets)} subnets",
            )
        )
    groups = nodes.get("securityGroups")
    if groups is not None and not groups:
        failures.append(
            ("brokerNodeGroupInfo.securityGroups", "BadRequestException: specify at least one security group")
        )
    sasl = (inputs.get("clientAuthentication") or {}).get("sasl") or {}
    transit = ((inputs.get("encryptionInfo") or {}).get("encryptionInTransit") or {}).get("clientBroker", "TLS")
    if (sasl.get("scram") or sasl.get("iam")) and transit == "PLAINTEXT":
        failures.append(("clientAuthentication", "BadRequestException: SASL needs TLS between clients and brokers"))
    return failures


@created(CLUSTER, SERVERLESS)
def _cluster_place(cloud: Cloud, cluster: Resource) -> None:
    groups = [(cluster.get("brokerNodeGroupInfo.clientSubnets"), cluster.get("brokerNodeGroupInfo.securityGroups", []))]
    if cluster.type == SERVERLESS:
        groups = [(config["subnetIds"], config.get("securityGroupIds", [])) for config in cluster.get("vpcConfigs", [])]
        if not cluster.get("clientAuthentication.sasl.iam.enabled"):
            raise Refused("BadRequestException", "a serverless cluster takes IAM authentication and nothing else")
    for subnets, security_groups in groups:
        distinct_zones(cloud, subnets, "BadRequestException")
        check_groups(cloud, security_groups, vpc_of(cloud, subnets[0]))
        for id_ in subnets:
            subnet = cloud.get(SUBNET, id_)
            if subnet and subnet.get("availabilityZoneId") == NO_BROKERS:
                raise Refused("BadRequestException", f"brokers can't be placed in {NO_BROKERS} ({id_})")


@created(CLUSTER)
def _revision_exists(cloud: Cloud, cluster: Resource) -> None:
    given = cluster.get("configurationInfo")
    if (
        given
        and (found := cloud.get(CONFIGURATION, given["arn"]))
        and not 1 <= given["revision"] <= found.get("latestRevision")
    ):
        raise Refused("BadRequestException", f"{given['arn']} has no revision {given['revision']}")


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@changed(CLUSTER)
def _cluster_change(cloud: Cloud, old: Resource, new: Resource, paths: list[str]) -> None:
    before, after = old.get("kafkaVersion"), new.get("kafkaVersion")
    if before != after and _version_key(after) < _version_key(before):
        raise Refused("BadRequestException", f"The Kafka version can't go down from {before} to {after}")
    if new.get("numberOfBrokerNodes") < old.get("numberOfBrokerNodes"):
        raise Refused(
            "BadRequestException",
            f"the number of brokers can't go down from {old.get('numberOfBrokerNodes')} to {new.get('numberOfBrokerNodes')} this way",
        )
    size = "brokerNodeGroupInfo.storageInfo.ebsStorageInfo.volumeSize"
    if (new.get(size) or 0) < (old.get(size) or 0):
        raise Refused(
            "BadRequestException", f"The volume size can't go down from {old.get(size)} to {new.get(size)} GiB"
        )


@gone(CLUSTER)
def _topics_go_too(cloud: Cloud, cluster: Resource, state: Mapping[str, Any]) -> None:
    for item in cloud.all(TOPIC, SCRAM, SINGLE, "aws:msk/clusterPolicy:ClusterPolicy"):
        if item.get("clusterArn") == cluster.id:
            cloud.remove(item.type, item.id)


@values(CONFIGURATION)
def _properties(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    for line in str(inputs.get("serverProperties", "")).splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or not value.strip():
            failures.append(("serverProperties", f"BadRequestException: {line!r} is not key=value"))
        elif key.strip() not in table("msk")["broker_properties"]:
            failures.append(
                (
                    "serverProperties",
                    f"BadRequestException: The configuration has a property that MSK doesn't take: {key.strip()}",
                )
            )
    return failures


@created(SCRAM, SINGLE)
def _secrets_fit(cloud: Cloud, association: Resource) -> None:
    cluster = cloud.get(CLUSTER, association.get("clusterArn"))
    if cluster and not cluster.get("clientAuthentication.sasl.scram"):
        raise Refused("BadRequestException", f"{cluster.id} has no SASL/SCRAM authentication")
    arns = association.get("secretArnLists") or [association.get("secretArn")]
    if len(arns) > 10:
        raise Refused("BadRequestException", "at most 10 secrets a call")
    for arn in arns:
        secret = cloud.get(SECRET, arn)
        assert secret, "references are checked before"
        if not str(secret.get("name")).startswith("AmazonMSK_"):
            raise Refused(
                "BadRequestException", f"The provided secret {arn} has an invalid name: it must begin with AmazonMSK_"
            )
        if not secret.get("kmsKeyId") or str(secret.get("kmsKeyId")).startswith("alias/"):
            raise Refused(
                "BadRequestException",
                f"The provided secret {arn} is encrypted by the default key; a customer managed key's id or ARN is needed",
            )
        versions = [item for item in cloud.all(VERSION) if item.get("secretId") == arn]
        try:
            value = json.loads(versions[-1].get("secretString")) if versions else {}
        except ValueError:
            value = {}
        # MSK says nothing of a second secret for a name; it would leave open which password counts.
        if isinstance(value, dict) and value.get("username") in _usernames(cloud, association):
            raise Refused("BadRequestException", f"{arn}: {value['username']} is a user of the cluster already")
        if not isinstance(value, dict) or not {"username", "password"} <= value.keys():
            raise Refused(
                "BadRequestException", f"The provided secret {arn} has no JSON value with username and password"
            )


def _usernames(cloud: Cloud, association: Resource) -> set[str]:
    """Who the cluster knows by other associations."""
    arns: set[str] = set()
    for other in cloud.all(SCRAM, SINGLE):
        if other.id != association.id and other.get("clusterArn") == association.get("clusterArn"):
            arns |= {*(other.get("secretArnLists") or [other.get("secretArn")])}
    texts = [item.get("secretString") for item in cloud.all(VERSION) if item.get("secretId") in arns]
    return {json.loads(text).get("username") for text in texts}


@values(TOPIC)
def _topic_values(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = [
        (key, f"{key} must be at least 1")
        for key in ("partitionCount", "replicationFactor")
        if (inputs.get(key) or 1) < 1
    ]
    if inputs.get("configs") is None:
        return failures
    try:
        configs = json.loads(inputs["configs"])
    except ValueError as error:
        return [*failures, ("configs", f"not JSON: {error}")]
    for key, value in configs.items():
        if not isinstance(value, str):
            failures.append(("configs", f"{key}: values have to be strings, got {value!r}"))
        if key not in table("msk")["topic_properties"]:
            failures.append(("configs", f"Unknown topic config name: {key}"))
    return failures


@created(TOPIC)
def _topic_fits(cloud: Cloud, topic: Resource) -> None:
    cluster = cloud.get(CLUSTER, topic.get("clusterArn"))
    assert cluster, "references are checked before"
    if topic.get("replicationFactor") > cluster.get("numberOfBrokerNodes"):
        raise Refused(
            "InvalidReplicationFactorException",
            f"Replication factor: {topic.get('replicationFactor')} larger than available brokers: {cluster.get('numberOfBrokerNodes')}",
        )
    insync = int(json.loads(topic.get("configs") or "{}").get("min.insync.replicas", 1))
    if insync > topic.get("replicationFactor"):
        raise Refused(
            "InvalidConfigurationException",
            f"min.insync.replicas {insync} is above the replication factor {topic.get('replicationFactor')}",
        )


@changed(TOPIC)
def _partitions_grow(cloud: Cloud, old: Resource, new: Resource, paths: list[str]) -> None:
    if new.get("partitionCount") < old.get("partitionCount"):
        raise Refused(
            "InvalidPartitionsException",
            f"Topic currently has {old.get('partitionCount')} partitions, which is higher than the requested {new.get('partitionCount')}",
        )
