"""Controls of MSK and ECS, and of EFS, of which there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from policy.rules.registry import Finding, control, missing
from policy.stack import Resource, Stack, at

CLUSTER = "aws:msk/cluster:Cluster"
SERVICE = "aws:ecs/service:Service"
SCHEDULE = "aws:scheduler/schedule:Schedule"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
ECS_CLUSTER = "aws:ecs/cluster:Cluster"
EFS = ("aws:efs/fileSystem:FileSystem", "aws:efs/accessPoint:AccessPoint")
CREDENTIAL = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|ACCESS_KEY|API_?KEY|PRIVATE_?KEY|AUTH_DATA|SASL", re.IGNORECASE)
"""Names of variables that hold, or look as if they held, something to sign in with."""
FINE_MONITORING = ("PER_TOPIC_PER_BROKER", "PER_TOPIC_PER_PARTITION")


@control("MSK.1", "encryption-in-transit", CLUSTER)
def kafka_speaks_tls(stack: Stack) -> Iterator[Finding]:
    wanted = {"clientBroker": "TLS", "inCluster": True}
    yield from missing(
        stack.of(CLUSTER), lambda item: at(item, "encryptionInfo.encryptionInTransit") == wanted, "not TLS only"
    )


@control("MSK.2", "logs-and-alarms", CLUSTER)
def kafka_is_measured_in_prod(stack: Stack) -> Iterator[Finding]:
    if stack.prod:
        yield from missing(
            stack.of(CLUSTER), lambda item: item.inputs["enhancedMonitoring"] in FINE_MONITORING, "too coarse"
        )


@control("MSK.4", "no-public-access", CLUSTER)
def kafka_is_private(stack: Stack) -> Iterator[Finding]:
    path = "brokerNodeGroupInfo.connectivityInfo.publicAccess.type"
    yield from missing(stack.of(CLUSTER), lambda item: at(item, path) in (None, "DISABLED"), "public")


@control("MSK.6", "no-public-access", CLUSTER)
def kafka_asks_who_it_is(stack: Stack) -> Iterator[Finding]:
    def signs_in(item: Resource) -> bool:
        ways = at(item, "clientAuthentication.sasl") or {}
        return at(item, "clientAuthentication.unauthenticated") is not True and sum(map(bool, ways.values())) == 1

    yield from missing(stack.of(CLUSTER), signs_in, "not exactly one way to sign in")


@control("ECS.2", "no-public-access", SERVICE, SCHEDULE)
def tasks_have_no_public_address(stack: Stack) -> Iterator[Finding]:
    paths = {
        SERVICE: "networkConfiguration.assignPublicIp",
        SCHEDULE: "target.ecsParameters.networkConfiguration.assignPublicIp",
    }
    for type_, path in paths.items():
        yield from missing(stack.of(type_), lambda item, path=path: not at(item, path), "a public address")


@control("ECS.3", "containers", TASK)
def tasks_share_no_processes(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(TASK), lambda item: item.inputs.get("pidMode") is None, "pidMode")


@control("ECS.17", "containers", TASK)
def tasks_have_a_network_of_their_own(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(TASK), lambda item: item.inputs.get("networkMode") == "awsvpc", "networkMode")


def each_container(stack: Stack, wanted: Callable[[dict[str, Any]], bool], what: str) -> Iterator[Finding]:
    for task, container in stack.containers():
        if not wanted(container):
            yield task, f"container {container['name']}: {what}"


@control("ECS.4", "containers", TASK)
def containers_are_not_privileged(stack: Stack) -> Iterator[Finding]:
    yield from each_container(stack, lambda found: not found.get("privileged"), "privileged")
    none = {"capabilities": {"drop": ["ALL"]}}
    yield from each_container(stack, lambda found: found.get("linuxParameters") == none, "has capabilities")


@control("ECS.20", "containers", TASK)
def containers_do_not_run_as_root(stack: Stack) -> Iterator[Finding]:
    def by_number(container: dict[str, Any]) -> bool:
        found = re.fullmatch(r"(\d+):(\d+)", container.get("user") or "")
        return bool(found) and int(found[1]) > 0 and int(found[2]) > 0

    yield from each_container(stack, by_number, "root, or a name that an image decides about")


@control("ECS.5", "containers", TASK)
def containers_cannot_write_to_their_image(stack: Stack) -> Iterator[Finding]:
    yield from each_container(stack, lambda found: found.get("readonlyRootFilesystem") is True, "a writable root")


@control("ECS.8", "containers", TASK)
def environments_hold_no_credential(stack: Stack) -> Iterator[Finding]:
    for task, container in stack.containers():
        for variable in container.get("environment", []):
            if CREDENTIAL.search(variable["name"]):
                yield task, f"container {container['name']}: {variable['name']} in the plain environment"
        for variable in container.get("secrets", []):
            if not variable["valueFrom"].startswith("arn:aws:secretsmanager:"):
                yield task, f"container {container['name']}: {variable['name']} is no secret's ARN"


@control("ECS.9", "logs-and-alarms", TASK)
def containers_write_a_log(stack: Stack) -> Iterator[Finding]:
    yield from each_container(
        stack, lambda found: bool((found.get("logConfiguration") or {}).get("logDriver")), "no log"
    )


@control("ECS.10", "containers", SERVICE, SCHEDULE)
def fargate_is_the_latest(stack: Stack) -> Iterator[Finding]:
    paths = {SERVICE: "platformVersion", SCHEDULE: "target.ecsParameters.platformVersion"}
    for type_, path in paths.items():
        yield from missing(
            stack.of(type_), lambda item, path=path: at(item, path) in (None, "LATEST"), "an old platform"
        )


@control("ECS.12", "logs-and-alarms", ECS_CLUSTER)
def clusters_are_measured(stack: Stack) -> Iterator[Finding]:
    on = ({"name": "containerInsights", "value": "enabled"}, {"name": "containerInsights", "value": "enhanced"})
    yield from missing(
        stack.of(ECS_CLUSTER),
        lambda item: any(setting in on for setting in item.inputs.get("settings", [])),
        "no Container Insights",
    )


@control("ECS.18", "encryption-in-transit", TASK)
def volumes_are_the_task_s_own(stack: Stack) -> Iterator[Finding]:
    """Folders of the task itself: nothing travels over a network."""
    yield from missing(
        stack.of(TASK),
        lambda item: all(set(volume) == {"name"} for volume in item.inputs.get("volumes", [])),
        "a volume that is not the task's own",
    )


for id_ in ("EFS.3", "EFS.4", "EFS.8"):

    @control(id_, "reviewed-kinds", *EFS)
    def there_is_no_efs(stack: Stack) -> Iterator[Finding]:
        yield from missing(stack.of(*EFS), lambda _: False, "EFS is not used: write its controls first")
