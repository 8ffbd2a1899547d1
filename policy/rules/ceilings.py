"""What an ephemeral stack may have at most (configs/policy.yaml). Nobody watches what such a stack costs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from policy.given import ceilings
from policy.rules.registry import Finding, control
from policy.stack import UNKNOWN, Resource, Stack, at

INSTANCE = "aws:ec2/instance:Instance"
VOLUME = "aws:ebs/volume:Volume"
CLUSTER = "aws:msk/cluster:Cluster"
SERVICE = "aws:ecs/service:Service"
SCALING = "aws:appautoscaling/target:Target"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
NAT = "aws:ec2/natGateway:NatGateway"
SIZES = ("nano", "micro", "small", "medium", "large", "xlarge")
STORAGE = "brokerNodeGroupInfo.storageInfo.ebsStorageInfo.volumeSize"


def rank(size: str) -> int:
    """Orders sizes: medium, large, xlarge, 2xlarge … What is no such size (metal) is larger than all."""
    if size in SIZES:
        return SIZES.index(size)
    several = re.fullmatch(r"([1-9]\d*)xlarge", size)
    return len(SIZES) + int(several[1]) if several else 10_000


def size_of(type_: Any) -> str:
    """`large` of m7g.large or kafka.m7g.large."""
    return str(type_).rpartition(".")[2]


def above(item: Resource, path: str, most: float, what: str) -> Iterator[Finding]:
    """A finding where a number is larger than it may be; a text that holds a number counts as one."""
    value = at(item, path)
    if value not in (None, UNKNOWN) and float(value) > most:
        yield item, f"{what} {float(value):g}, an ephemeral stack may have {most:g} (configs/policy.yaml)"


@control("ephemeral-sizes", "ephemeral-ceilings", INSTANCE, VOLUME, CLUSTER, SERVICE, SCALING, TASK)
def an_ephemeral_stack_s_parts_are_small(stack: Stack) -> Iterator[Finding]:
    if not stack.ephemeral:
        return
    most = ceilings()
    types: list[tuple[str, Callable[[Resource], Any], str]] = [
        (INSTANCE, lambda item: item.inputs.get("instanceType"), most.instance_size),
        (CLUSTER, lambda item: at(item, "brokerNodeGroupInfo.instanceType"), most.broker_size),
    ]
    for type_, told, largest in types:
        for item in stack.of(type_):
            if rank(size_of(told(item))) > rank(largest):
                yield item, f"{told(item)}: an ephemeral stack may have {largest} at most (configs/policy.yaml)"
    for item in stack.of(VOLUME):
        yield from above(item, "size", most.volume_gib, "GiB:")
    for item in stack.of(CLUSTER):
        yield from above(item, STORAGE, most.broker_storage_gib, "GiB a broker:")
    for item in stack.of(TASK):
        yield from above(item, "cpu", most.task_cpu, "CPU units:")
        yield from above(item, "memory", most.task_memory_mib, "MiB of memory:")
    for item in stack.of(SERVICE):
        yield from above(item, "desiredCount", most.tasks, "tasks:")
    for item in stack.of(SCALING):
        if item.inputs.get("serviceNamespace") == "ecs":
            yield from above(item, "maxCapacity", most.tasks, "tasks at most:")
        else:
            yield from above(item, "maxCapacity", most.broker_storage_max_gib, "GiB a broker at most:")


@control("ephemeral-numbers", "ephemeral-ceilings", INSTANCE, CLUSTER, NAT)
def an_ephemeral_stack_has_few_parts(stack: Stack) -> Iterator[Finding]:
    if not stack.ephemeral:
        return
    most = ceilings()
    for item in stack.of(CLUSTER):
        yield from above(item, "numberOfBrokerNodes", most.brokers, "brokers:")
    for type_, count, what in ((INSTANCE, most.instances, "instances"), (NAT, most.nat_gateways, "NAT gateways")):
        found = stack.of(type_)
        if len(found) > count:
            yield None, f"{len(found)} {what}, an ephemeral stack may have {count} (configs/policy.yaml)"


@control("ephemeral-cost", "ephemeral-ceilings")
def an_ephemeral_stack_is_cheap(stack: Stack) -> Iterator[Finding]:
    """Where every price is known; else the sizes decide alone."""
    most = ceilings().monthly_usd
    if stack.ephemeral and stack.monthly_usd is not None and stack.monthly_usd > most:
        yield (
            None,
            f"estimated {stack.monthly_usd:.0f} USD a month, an ephemeral stack may cost {most} (configs/policy.yaml)",
        )
