"""Controls of MSK and ECS, and of EFS, of which there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.unit.aws.controls.registry import adds, at, control, missing, put
from tests.unit.aws.controls.stacks import Declared

CLUSTER = "aws:msk/cluster:Cluster"
SERVICE = "aws:ecs/service:Service"
SCHEDULE = "aws:scheduler/schedule:Schedule"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
ECS_CLUSTER = "aws:ecs/cluster:Cluster"
EFS = ("aws:efs/fileSystem:FileSystem", "aws:efs/accessPoint:AccessPoint")
CREDENTIAL = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|ACCESS_KEY|API_?KEY|PRIVATE_?KEY|AUTH_DATA|SASL", re.IGNORECASE)
"""Names of variables that hold, or look as if they held, something to sign in with."""
FINE_MONITORING = ("PER_TOPIC_PER_BROKER", "PER_TOPIC_PER_PARTITION")
FIRST = "containerDefinitions!.0"


@control(
    "MSK.1",
    CLUSTER,
    breaks=[
        put(CLUSTER, "encryptionInfo.encryptionInTransit.inCluster", False),
        put(CLUSTER, "encryptionInfo.encryptionInTransit.clientBroker", "TLS_PLAINTEXT"),
    ],
)
def kafka_speaks_tls(stack: Declared) -> Iterator[str]:
    wanted = {"clientBroker": "TLS", "inCluster": True}
    yield from missing(
        stack.of(CLUSTER), lambda item: at(item, "encryptionInfo.encryptionInTransit") == wanted, "not TLS only"
    )


@control("MSK.2", CLUSTER, breaks=[put(CLUSTER, "enhancedMonitoring", "DEFAULT")])
def kafka_is_measured_in_prod(stack: Declared) -> Iterator[str]:
    if stack.prod:
        yield from missing(
            stack.of(CLUSTER), lambda item: item.inputs["enhancedMonitoring"] in FINE_MONITORING, "too coarse"
        )


@control(
    "MSK.4",
    CLUSTER,
    breaks=[put(CLUSTER, "brokerNodeGroupInfo.connectivityInfo.publicAccess.type", "SERVICE_PROVIDED_EIPS")],
)
def kafka_is_private(stack: Declared) -> Iterator[str]:
    path = "brokerNodeGroupInfo.connectivityInfo.publicAccess.type"
    yield from missing(stack.of(CLUSTER), lambda item: at(item, path) in (None, "DISABLED"), "public")


@control(
    "MSK.6",
    CLUSTER,
    breaks=[
        put(CLUSTER, "clientAuthentication.unauthenticated", True),
        put(CLUSTER, "clientAuthentication.sasl", {"scram": False, "iam": False}),
    ],
)
def kafka_asks_who_it_is(stack: Declared) -> Iterator[str]:
    def signs_in(item: Any) -> bool:
        ways = at(item, "clientAuthentication.sasl") or {}
        return at(item, "clientAuthentication.unauthenticated") is not True and sum(map(bool, ways.values())) == 1

    yield from missing(stack.of(CLUSTER), signs_in, "not exactly one way to sign in")


@control(
    "ECS.2",
    SERVICE,
    SCHEDULE,
    breaks=[
        put(SERVICE, "networkConfiguration.assignPublicIp", True),
        put(SCHEDULE, "target.ecsParameters.networkConfiguration.assignPublicIp", True),
    ],
)
def tasks_have_no_public_address(stack: Declared) -> Iterator[str]:
    paths = {
        SERVICE: "networkConfiguration.assignPublicIp",
        SCHEDULE: "target.ecsParameters.networkConfiguration.assignPublicIp",
    }
    for type_, path in paths.items():
        yield from missing(stack.of(type_), lambda item, path=path: not at(item, path), "a public address")


@control("ECS.3", TASK, breaks=[put(TASK, "pidMode", "host")])
def tasks_share_no_processes(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(TASK), lambda item: item.inputs.get("pidMode") is None, "pidMode")


@control("ECS.17", TASK, breaks=[put(TASK, "networkMode", "host")])
def tasks_have_a_network_of_their_own(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(TASK), lambda item: item.inputs.get("networkMode") == "awsvpc", "networkMode")


def each_container(stack: Declared, wanted: Callable[[dict[str, Any]], bool], what: str) -> Iterator[str]:
    for name, container in stack.containers():
        if not wanted(container):
            yield f"{name}: {what}"


@control(
    "ECS.4",
    TASK,
    breaks=[
        put(TASK, f"{FIRST}.privileged", True),
        put(TASK, f"{FIRST}.linuxParameters", {"capabilities": {"add": ["SYS_ADMIN"]}}),
    ],
)
def containers_are_not_privileged(stack: Declared) -> Iterator[str]:
    yield from each_container(stack, lambda found: not found.get("privileged"), "privileged")
    none = {"capabilities": {"drop": ["ALL"]}}
    yield from each_container(stack, lambda found: found.get("linuxParameters") == none, "has capabilities")


@control("ECS.20", TASK, breaks=[put(TASK, f"{FIRST}.user", "root"), put(TASK, f"{FIRST}.user", "0:0")])
def containers_do_not_run_as_root(stack: Declared) -> Iterator[str]:
    def by_number(container: dict[str, Any]) -> bool:
        found = re.fullmatch(r"(\d+):(\d+)", container.get("user") or "")
        return bool(found) and int(found[1]) > 0 and int(found[2]) > 0

    yield from each_container(stack, by_number, "root, or a name that an image decides about")


@control("ECS.5", TASK, breaks=[put(TASK, f"{FIRST}.readonlyRootFilesystem", False)])
def containers_cannot_write_to_their_image(stack: Declared) -> Iterator[str]:
    yield from each_container(stack, lambda found: found.get("readonlyRootFilesystem") is True, "a writable root")


@control(
    "ECS.8",
    TASK,
    breaks=[
        put(TASK, f"{FIRST}.environment", [{"name": "KAFKA_PASSWORD", "value": "x"}]),
        put(TASK, f"{FIRST}.environment", [{"name": "AWS_ACCESS_KEY_ID", "value": "x"}]),
        put(TASK, f"{FIRST}.secrets", [{"name": "KAFKA_PASSWORD", "valueFrom": "plain text"}]),
    ],
)
def environments_hold_no_credential(stack: Declared) -> Iterator[str]:
    for name, container in stack.containers():
        for variable in container.get("environment", []):
            if CREDENTIAL.search(variable["name"]):
                yield f"{name}: {variable['name']} in the plain environment"
        for variable in container.get("secrets", []):
            if not variable["valueFrom"].startswith("arn:aws:secretsmanager:"):
                yield f"{name}: {variable['name']} is no secret's ARN"


@control("ECS.9", TASK, breaks=[put(TASK, f"{FIRST}.logConfiguration", None)])
def containers_write_a_log(stack: Declared) -> Iterator[str]:
    yield from each_container(
        stack, lambda found: bool((found.get("logConfiguration") or {}).get("logDriver")), "no log"
    )


@control(
    "ECS.10",
    SERVICE,
    SCHEDULE,
    breaks=[
        put(SERVICE, "platformVersion", "1.3.0"),
        put(SCHEDULE, "target.ecsParameters.platformVersion", "1.3.0"),
    ],
)
def fargate_is_the_latest(stack: Declared) -> Iterator[str]:
    paths = {SERVICE: "platformVersion", SCHEDULE: "target.ecsParameters.platformVersion"}
    for type_, path in paths.items():
        yield from missing(
            stack.of(type_), lambda item, path=path: at(item, path) in (None, "LATEST"), "an old platform"
        )


@control("ECS.12", ECS_CLUSTER, breaks=[put(ECS_CLUSTER, "settings", [])])
def clusters_are_measured(stack: Declared) -> Iterator[str]:
    on = ({"name": "containerInsights", "value": "enabled"}, {"name": "containerInsights", "value": "enhanced"})
    yield from missing(
        stack.of(ECS_CLUSTER),
        lambda item: any(setting in on for setting in item.inputs.get("settings", [])),
        "no Container Insights",
    )


@control("ECS.18", TASK, breaks=[put(TASK, "volumes", [{"name": "queue", "efsVolumeConfiguration": {}}])])
def volumes_are_the_task_s_own(stack: Declared) -> Iterator[str]:
    """Folders of the task itself: nothing travels over a network."""
    yield from missing(
        stack.of(TASK),
        lambda item: all(set(volume) == {"name"} for volume in item.inputs.get("volumes", [])),
        "a volume that is not the task's own",
    )


for number in (3, 4, 8):

    @control(f"EFS.{number}", *EFS, breaks=[adds(EFS[0]), adds(EFS[1])])
    def there_is_no_efs(stack: Declared) -> Iterator[str]:
        yield from missing(stack.of(*EFS), lambda _: False, "EFS is not used: write its controls first")
