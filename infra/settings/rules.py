"""Rules that join several settings. Each problem is one line that names the keys; all of them are found at once."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.settings.alerts import alert_problems
from infra.settings.aws import EXAMPLE_ACCOUNT, EXAMPLE_DOMAIN
from infra.settings.budgets import budget_problems
from infra.settings.instances import memory_gib
from infra.settings.kubernetes import problems as kubernetes_problems
from infra.settings.names import LONGEST_CERTIFIED
from infra.settings.sharing import lifetime_problems, sharing_problems
from infra.settings.tls import problems as tls_problems

if TYPE_CHECKING:
    from infra.settings import Settings

LEAST_MEMORY_GIB = {"clickhouseInstanceType": 4, "clickhouseKeeperInstanceType": 1}
"""Below, ClickHouse's own buffers and caches leave queries nothing."""
SMALLEST_COLD_VOLUME_GIB = 125
"""What EBS takes for st1 and sc1 (EBS volume types)."""
VPC_PREFIXES = (16, 22)
"""Below /22 the subnets of three zones have no room for brokers, tasks and endpoints."""


ENDPOINTS = {
    *("ecr.api", "ecr.dkr", "ecs", "ec2messages", "kms", "logs", "monitoring", "secretsmanager", "ssm", "ssmmessages"),
    *("sts", "sns", "grafana-workspace"),
}
"""Services that our parts call, by the last part of their endpoint's name (com.amazonaws.<region>.<service>)."""
SHARED = ipaddress.IPv4Network("100.64.0.0/10")
"""RFC 6598; a VPC may have it, and EKS gives it to pods where others are short."""
NO_BROKERS = "use1-az3"
"""The one zone in which MSK places no brokers (MSK API, BrokerNodeGroupInfo)."""


def problems(settings: Settings) -> list[str]:
    """Every contradiction in the settings, as `key: what is wrong`."""
    found = [*_retention(settings), *_readers(settings), *budget_problems(settings)]
    found += [*lifetime_problems(settings), *sharing_problems(settings)]
    found += alert_problems(settings, settings.platform == "aws" and settings.grafanaMode != "none")
    if settings.platform == "aws":
        for rule in (_network, _kafka, _clickhouse, _collector, _grafana):
            found += rule(settings)
        found += tls_problems(settings, settings.awsRegion)
        found += kubernetes_problems(settings)
    return found


def example_keys(settings: Settings) -> list[str]:
    """Keys that still hold a reserved example value: fine for a preview, refused by an `up`."""
    if settings.platform != "aws":
        return []

    def is_example(value: object) -> bool:
        if isinstance(value, str):
            return EXAMPLE_DOMAIN in value or EXAMPLE_ACCOUNT in value
        if isinstance(value, list):
            return any(is_example(item) for item in value)
        return isinstance(value, dict) and any(is_example(item) for item in value.values())

    return [key for key, value in settings.model_dump().items() if is_example(value)]


def _retention(s: Settings) -> Iterator[str]:
    if s.retentionSlowDays > s.retentionRawDays:
        yield "retentionSlowDays: above retentionRawDays: rows would be deleted before they move"
    if s.retentionS3Days and not s.retentionSlowDays <= s.retentionS3Days <= s.retentionRawDays:
        yield "retentionS3Days: must lie between retentionSlowDays and retentionRawDays, or be 0"


def _readers(s: Settings) -> Iterator[str]:
    if len(set(s.tenantReaders)) != len(s.tenantReaders):
        yield "tenantReaders: a tenant stands in it twice"
    for tenant, team in s.tenantTeams.items():
        if tenant not in s.tenantReaders:
            yield f"tenantTeams: {tenant} has no folder: it is not in tenantReaders"
        if not team.strip():
            yield f"tenantTeams: {tenant}: the team's name is empty"
    if s.tenantTeams and (s.platform != "aws" or s.grafanaMode == "none"):
        yield "tenantTeams: only counts where the stack puts folders into a Grafana (platform aws, grafanaMode not none)"


def _network(s: Settings) -> Iterator[str]:
    given = bool(s.networkVpcId)
    for key in ("networkPublicSubnetIds", "networkPrivateSubnetIds"):
        ids = getattr(s, key)
        if given and len(set(ids)) != s.networkZones:
            yield f"{key}: {len(set(ids))} given, and networkZones is {s.networkZones}: name one subnet a zone"
        if not given and ids:
            yield f"{key}: only counts together with networkVpcId"
    for key in ("networkEndpoints", "networkFlowLogs", "networkZoneIds"):
        if given and getattr(s, key):
            yield f"{key}: only counts in a VPC that is made here; in {s.networkVpcId} it is its owner's"
    try:
        network = ipaddress.ip_network(s.networkCidr)
    except ValueError as error:
        yield f"networkCidr: {error}"
    else:
        low, high = VPC_PREFIXES
        if network.version != 4 or not low <= network.prefixlen <= high or not network.is_private:
            yield f"networkCidr: {s.networkCidr} is not a private IPv4 range of /{low} to /{high}"
    if s.networkZoneIds and len(set(s.networkZoneIds)) < s.networkZones:
        yield f"networkZoneIds: {len(set(s.networkZoneIds))} given, and networkZones is {s.networkZones}"
    if NO_BROKERS in s.networkZoneIds:
        yield f"networkZoneIds: MSK has no brokers in {NO_BROKERS}"
    for service in sorted(set(s.networkEndpoints) - ENDPOINTS):
        yield f"networkEndpoints: {service} is none of {', '.join(sorted(ENDPOINTS))}"
    yield from _ranges("collectorAllowedCidrs", s.collectorAllowedCidrs)
    yield from _ranges("clickhouseAllowedCidrs", s.clickhouseAllowedCidrs, private=True)
    yield from _ranges("kubernetesPodCidrs", s.kubernetesPodCidrs, private=True)
    if s.clickhouseReach == "direct" and not s.clickhouseAllowedCidrs:
        yield "clickhouseAllowedCidrs: needed with clickhouseReach direct: from where it is reached"
    if s.clickhouseReach == "tunnel" and s.grafanaMode != "existing" and s.clickhouseAllowedCidrs:
        yield "clickhouseAllowedCidrs: only counts with clickhouseReach direct or grafanaMode existing"


def _ranges(key: str, cidrs: list[str], private: bool = False) -> Iterator[str]:
    """IPv4 ranges that don't overlap: security groups refuse a rule that is there twice."""
    seen: list[ipaddress.IPv4Network] = []
    for cidr in cidrs:
        try:
            network = ipaddress.IPv4Network(cidr)
        except ValueError as error:
            yield f"{key}: {error}"
            continue
        if private and not network.is_private and not network.subnet_of(SHARED):
            yield f"{key}: {cidr} is not private"
        for other in seen:
            if network.overlaps(other):
                yield f"{key}: {cidr} overlaps {other}"
        seen.append(network)


def _apart(s: Settings) -> Iterator[str]:
    """Brokers of another network are reached over a peering or a transit gateway, which takes no overlap."""
    if s.networkVpcId:
        return
    for cidr in s.kafkaBrokerCidrs:
        with contextlib.suppress(ValueError):
            if ipaddress.IPv4Network(cidr).overlaps(ipaddress.IPv4Network(s.networkCidr)):
                yield f"kafkaBrokerCidrs: {cidr} overlaps networkCidr ({s.networkCidr}): no route would lead there"


def _kafka(s: Settings) -> Iterator[str]:
    if s.kafkaMode == "serverless":
        yield (
            "kafkaMode: serverless has no topic API and takes no configuration (retention, message size): "
            "use provisioned, or make the topics by hand and use existing"
        )
    if s.kafkaMode == "existing":
        scram = ["kafkaSecretArn", "kafkaSecretKeyArn"]
        for key in ["kafkaBootstrapServers"] + (scram if s.kafkaAuth == "scram" else ["kafkaClusterArn"]):
            if not getattr(s, key):
                yield f"{key}: needed with kafkaMode existing and kafkaAuth {s.kafkaAuth}"
        if not re.fullmatch(r"([\w.-]+:\d+)?(,[\w.-]+:\d+)*", s.kafkaBootstrapServers):
            yield f"kafkaBootstrapServers: {s.kafkaBootstrapServers} is not host:port, comma-separated"
        if bool(s.kafkaSecurityGroupId) == bool(s.kafkaBrokerCidrs):
            yield "kafkaSecurityGroupId: this or kafkaBrokerCidrs is needed with kafkaMode existing, and not both"
        yield from _ranges("kafkaBrokerCidrs", s.kafkaBrokerCidrs, private=True)
        yield from _apart(s)
    if s.kafkaMinInSync >= s.kafkaReplication and s.kafkaReplication > 1:
        yield (
            f"kafkaMinInSync: {s.kafkaMinInSync} of {s.kafkaReplication} replicas: each restart of a broker would stop "
            "producers; keep it below kafkaReplication"
        )
    if s.owns_brokers:
        yield from _msk(s)


def _msk(s: Settings) -> Iterator[str]:
    if not re.fullmatch(r"\d+\.\d+\.x\.kraft", s.kafkaVersion):
        yield (
            f"kafkaVersion: {s.kafkaVersion} names no version in KRaft mode: 3.9.x.kraft, 4.0.x.kraft and 4.1.x.kraft do "
            "(a cluster made in ZooKeeper mode is a dead end)"
        )
    if s.kafkaInstanceType.startswith("kafka.t3."):
        # CreateCluster answers "Unsupported InstanceType" and names kafka.m5.*, kafka.m7g.* (seen by users in 2026).
        yield f"kafkaInstanceType: MSK takes no {s.kafkaInstanceType} in KRaft mode; the smallest is kafka.m7g.large"
    if s.kafkaZones == 1 or s.kafkaZones > s.networkZones:
        yield f"kafkaZones: 2 (the least that MSK takes) to networkZones ({s.networkZones}), or 0"
    brokers = s.kafkaBrokersPerZone * s.broker_zones
    if s.kafkaReplication > brokers:
        yield f"kafkaReplication: {s.kafkaReplication}, and there are {brokers} brokers"
    if s.kafkaStorageMaxGiB < s.kafkaStorageGiB:
        yield "kafkaStorageMaxGiB: below kafkaStorageGiB"


def _clickhouse(s: Settings) -> Iterator[str]:
    if s.clickhouseReplicas > s.networkZones:
        yield f"clickhouseReplicas: {s.clickhouseReplicas}, and there are {s.networkZones} zones: one node a zone"
    if s.clickhouseShards > 1 and s.tenantReaders:
        yield "clickhouseShards: tenantReaders ask the rows of one shard only; leave one of the two out"
    if s.clickhouseReplicas > 1 and s.networkZones < 3:
        yield "clickhouseReplicas: replicas need three Keepers, one a zone: set networkZones to 3"
    for key in ("clickhouseInstanceType", "clickhouseKeeperInstanceType"):
        try:
            memory = memory_gib(getattr(s, key))
        except ValueError as error:
            yield f"{key}: {error}"
        else:
            if memory < LEAST_MEMORY_GIB[key]:
                yield f"{key}: {getattr(s, key)} has {memory:g} GiB of memory, and {LEAST_MEMORY_GIB[key]} are needed"
    if s.clickhouseSlowType != "gp3" and s.clickhouseSlowGiB < SMALLEST_COLD_VOLUME_GIB:
        yield f"clickhouseSlowGiB: {s.clickhouseSlowType} volumes begin at {SMALLEST_COLD_VOLUME_GIB} GiB"
    if s.clickhouseHotIops > 500 * s.clickhouseHotGiB:
        yield f"clickhouseHotIops: gp3 gives at most 500 a GiB: {500 * s.clickhouseHotGiB} here"
    if s.clickhouseHotThroughputMiB > s.clickhouseHotIops // 4:
        yield f"clickhouseHotThroughputMiB: gp3 gives at most a quarter MiB/s an IOPS: {s.clickhouseHotIops // 4} here"
    if s.clickhouseCacheGiB * 2 > s.clickhouseHotGiB:
        yield "clickhouseCacheGiB: above half of clickhouseHotGiB, on which it lies"


def _collector(s: Settings) -> Iterator[str]:
    if s.collectorAuth != "jwt":
        yield "collectorAuth: only jwt on AWS: with none the payload would choose its tenant"
    if s.collectorMinTasks > s.collectorMaxTasks:
        yield "collectorMinTasks: above collectorMaxTasks"
    sizes = [("worker", s.workerCpu, s.workerMemoryMiB)]
    if s.collectorPlatform == "ecs":
        sizes.append(("collector", s.collectorCpu, s.collectorMemoryMiB))
    for part, cpu, memory in sizes:
        # The smallest size has half a GiB as well; from there on memory comes in whole GiB (ECS, task size).
        if not 2 * cpu <= memory <= 8 * cpu or (memory % 1024 and (cpu, memory) != (256, 512)):
            yield (
                f"{part}MemoryMiB: {memory}: Fargate gives {cpu} CPU units {2 * cpu} to {8 * cpu} MiB, in steps of 1024"
            )
    if s.collectorPlatform == "ecs" and not s.collectorCertificateArn and not s.collectorZoneId:
        yield "collectorCertificateArn: give a certificate, or collectorZoneId so that one can be validated there"
    if s.collectorPlatform == "ecs" and not s.collectorCertificateArn and len(s.collectorDomain) > LONGEST_CERTIFIED:
        yield (
            f"collectorDomain: {s.collectorDomain} has {len(s.collectorDomain)} characters, and ACM requests certificates for "
            f"{LONGEST_CERTIFIED} at most: take a shorter name, or set collectorCertificateArn to one that covers it (*.…)"
        )


def _grafana(s: Settings) -> Iterator[str]:
    if s.grafanaMode == "existing":
        for key in ("grafanaUrl", "grafanaTokenSecretArn"):
            if not getattr(s, key):
                yield f"{key}: needed with grafanaMode existing"
    if s.owns_workspace and s.grafanaAuthentication == "SAML" and not s.grafanaSamlMetadataUrl:
        yield "grafanaSamlMetadataUrl: needed with grafanaAuthentication SAML"
    if s.owns_workspace and s.grafanaAuthentication == "SAML" and not s.grafanaAdminGroups:
        yield "grafanaAdminGroups: needed with grafanaAuthentication SAML: nobody could administer the workspace"
