"""Checks of the account's quotas that a stack needs: what is allowed (Service Quotas), what is used, what an `up` adds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from infra.aws.api import client
from infra.config import PROJECT
from infra.doctor.check import Check, Result, Unseen, aws_answers, beside_the_point, fail, ok
from infra.settings import Settings

UNITS = 1024
"""CPU units of a vCPU (ECS)."""
TASKS_AT_ONCE = 2
"""While the collector is updated its old tasks and its new ones run at once; beside the worker a job may run."""


@dataclass(frozen=True)
class Quota:
    """One quota of AWS (General Reference, "Service endpoints and quotas")."""

    name: str
    service: str
    code: str
    need: Callable[[Settings], float]
    """What a whole stack takes; 0: none of it."""
    used: Callable[[str, str, Settings], tuple[float | None, bool]]
    """By region, stack and settings: what is used in the account (None: can't be told), and whether the stack has its part
    already."""


def _own(tags: Mapping[str, str] | None, stack: str) -> bool:
    found = tags or {}
    return found.get("Project") == PROJECT and found.get("Stack") == stack


def _listed(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


def _vpcs(region: str, stack: str, _: Settings) -> tuple[float, bool]:
    found = [vpc for page in client("ec2", region).get_paginator("describe_vpcs").paginate() for vpc in page["Vpcs"]]
    return len(found), any(_own(_listed(vpc.get("Tags")), stack) for vpc in found)


def _addresses(region: str, stack: str, _: Settings) -> tuple[float, bool]:
    found = client("ec2", region).describe_addresses()["Addresses"]
    return len(found), any(_own(_listed(item.get("Tags")), stack) for item in found)


def _brokers(region: str, stack: str, _: Settings) -> tuple[float, bool]:
    pages = client("kafka", region).get_paginator("list_clusters_v2").paginate()
    found = [cluster for page in pages for cluster in page["ClusterInfoList"]]
    count = sum(cluster.get("Provisioned", {}).get("NumberOfBrokerNodes", 0) for cluster in found)
    return count, any(_own(cluster.get("Tags"), stack) for cluster in found)


def _workspaces(region: str, stack: str, _: Settings) -> tuple[float, bool]:
    pages = client("grafana", region).get_paginator("list_workspaces").paginate()
    found = [item for page in pages for item in page["workspaces"]]
    return len(found), any(_own(item.get("tags"), stack) for item in found)


def _unseen(*_: object) -> tuple[None, bool]:
    """What others run is not counted: a sum over all of an account's tasks and instances would cost more than it tells."""
    return None, False


def _nat(settings: Settings) -> float:
    if not settings.owns_network:
        return 0
    return 1 if settings.networkNat == "one" else settings.networkZones


def _collector_vcpus(settings: Settings) -> float:
    if settings.collectorPlatform != "ecs":
        return 0
    return settings.collectorCpu * settings.collectorMaxTasks * TASKS_AT_ONCE / UNITS


def _worker_vcpus(settings: Settings) -> float:
    return settings.workerCpu * TASKS_AT_ONCE / UNITS


def _node_vcpus(settings: Settings) -> float:
    keepers = 3 if settings.clickhouseReplicas > 1 else 0
    nodes = {settings.clickhouseInstanceType: settings.clickhouseShards * settings.clickhouseReplicas}
    nodes[settings.clickhouseKeeperInstanceType] = nodes.get(settings.clickhouseKeeperInstanceType, 0) + keepers
    wanted = [kind for kind, count in nodes.items() if count]
    found = client("ec2", settings.awsRegion).describe_instance_types(InstanceTypes=wanted)["InstanceTypes"]
    return sum(item["VCpuInfo"]["DefaultVCpus"] * nodes[item["InstanceType"]] for item in found)


QUOTAS = (
    Quota("VPCs", "vpc", "L-F678F1CE", lambda s: int(s.owns_network), _vpcs),
    Quota("Elastic IP addresses", "ec2", "L-0263D0A3", _nat, _addresses),
    Quota(
        "MSK brokers",
        "kafka",
        "L-EDD31C36",
        lambda s: s.kafkaBrokersPerZone * s.broker_zones if s.owns_brokers else 0,
        _brokers,
    ),
    Quota("Managed Grafana workspaces", "grafana", "L-2C2D5119", lambda s: int(s.owns_workspace), _workspaces),
    Quota(
        "Fargate vCPUs",
        "fargate",
        "L-3032A538",
        lambda s: _worker_vcpus(s) + (0 if s.collectorSpot else _collector_vcpus(s)),
        _unseen,
    ),
    Quota(
        "Fargate Spot vCPUs", "fargate", "L-36FBB829", lambda s: _collector_vcpus(s) if s.collectorSpot else 0, _unseen
    ),
    Quota("EC2 vCPUs (standard)", "ec2", "L-1216C47A", _node_vcpus, _unseen),
)


def checks(name: str, settings: Settings, signed_in: Callable[[], object]) -> Iterator[Check]:
    """One a quota. `signed_in` raises Unseen where nobody is."""
    for quota in QUOTAS:
        yield Check(f"quota: {quota.name}", partial(look, quota, name, settings, signed_in))


def look(quota: Quota, name: str, settings: Settings, signed_in: Callable[[], object]) -> Result:
    """Whether what an `up` adds fits."""
    signed_in()
    region = settings.awsRegion
    with aws_answers():
        need = quota.need(settings)
        if not need:
            return beside_the_point("the stack takes none")
        allowed = _allowed(region, quota)
        used, has_it = quota.used(region, name, settings)
    if used is None:
        said, over = f"{allowed:g} allowed, a stack takes up to {need:g} (what others use is not seen)", need > allowed
    elif has_it:
        said, over = f"{used:g} of {allowed:g} used, this stack's among them", False
    else:
        said, over = f"{used:g} of {allowed:g} used, an `up` adds {need:g}", used + need > allowed
    if not over:
        return ok(said)
    more = need if used is None else used + need
    return fail(
        said,
        f"aws service-quotas request-service-quota-increase --service-code {quota.service} --quota-code {quota.code} "
        f"--desired-value {more:g} --region {region}",
    )


def _allowed(region: str, quota: Quota) -> float:
    """The account's own value; where it has none, AWS's default (GetServiceQuota knows applied values only)."""
    from botocore.exceptions import ClientError

    asked: dict[str, Any] = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    quotas = client("service-quotas", region)
    try:
        return float(quotas.get_service_quota(**asked)["Quota"]["Value"])
    except ClientError as error:
        if error.response["Error"].get("Code") != "NoSuchResourceException":
            raise
    try:
        return float(quotas.get_aws_default_service_quota(**asked)["Quota"]["Value"])
    except ClientError as error:
        if error.response["Error"].get("Code") != "NoSuchResourceException":
            raise
        raise Unseen(f"Service Quotas knows no {quota.code} of {quota.service} in {region}") from None
