"""ECS task definitions: botocore's own shapes, and what Fargate runs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.providers.standin.rules.registry import Failures, is_given, values

TASK = "aws:ecs/taskDefinition:TaskDefinition"
FARGATE_MIB = {
    # CPU units: MiB from, to, step
    256: (512, 2048, 512),
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}


@cache
def _shape() -> Any:
    """The shape of a list of container definitions, from botocore's model of RegisterTaskDefinition."""
    import botocore
    from botocore.model import ServiceModel

    source = sorted((Path(botocore.__file__).parent / "data" / "ecs").glob("*/service-2.json.gz"))[-1]
    with gzip.open(source, "rt") as file:
        model = ServiceModel(json.load(file), "ecs")
    return model.shape_for("ContainerDefinitions")


def container_problems(text: str) -> list[str]:
    """What botocore's strict validation says of a containerDefinitions document."""
    from botocore.validate import ParamValidator

    try:
        given = json.loads(text)
    except ValueError as error:
        return [f"ECS Task Definition container_definitions is invalid: Error decoding JSON: {error}"]
    report = ParamValidator().validate(given, _shape())
    found = [report.generate_report()] if report.has_errors() else []
    if not found and any(not item.get("name") or not item.get("image") for item in given):
        found.append("ClientException: Container.name and Container.image should not be null or empty.")
    if not found and not given:
        found.append("ClientException: Container list cannot be empty.")
    if not found and not any(item.get("essential", True) for item in given):
        found.append("ClientException: Tasks must have at least one essential container")
    return found


@values(TASK)
def _task_values(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    text = inputs.get("containerDefinitions")
    containers: list[dict[str, Any]] = []
    if text is not None:
        failures = [("containerDefinitions", problem) for problem in container_problems(text)]
        containers = [] if failures else json.loads(text)
    fargate = "FARGATE" in (inputs.get("requiresCompatibilities") or [])
    if fargate:
        failures += _fargate_size(inputs)
        if not is_given(inputs, "networkMode") or inputs.get("networkMode", "awsvpc") != "awsvpc":
            failures.append(("networkMode", "ClientException: Fargate only supports network mode 'awsvpc'."))
    failures += _containers_agree(inputs, containers, fargate)
    return failures


def _fargate_size(inputs: Mapping[str, Any]) -> Failures:
    missing = [key for key in ("cpu", "memory") if not is_given(inputs, key)]
    if missing:
        return [
            (key, f"ClientException: Fargate requires that '{key}' be defined at the task level.") for key in missing
        ]
    if "cpu" not in inputs or "memory" not in inputs:
        return []
    try:
        cpu, memory = int(inputs["cpu"]), int(inputs["memory"])
    except ValueError:
        return [("cpu", f"not a number of CPU units or MiB: {inputs['cpu']}, {inputs['memory']}")]
    if cpu not in FARGATE_MIB:
        return [("cpu", f"ClientException: No Fargate configuration exists for given values: {cpu} CPU")]
    low, high, step = FARGATE_MIB[cpu]
    if not low <= memory <= high or (memory - low) % step:
        return [
            ("memory", f"ClientException: No Fargate configuration exists for given values: {cpu} CPU, {memory} memory")
        ]
    return []


def _containers_agree(inputs: Mapping[str, Any], containers: list[dict[str, Any]], fargate: bool) -> Failures:
    failures: Failures = []
    names = [item["name"] for item in containers]
    volumes = {item.get("name") for item in inputs.get("volumes") or []}
    if len(set(names)) != len(names):
        failures.append(("containerDefinitions", f"ClientException: Container names must be unique: {names}"))
    for item in containers:
        for mount in item.get("mountPoints", []):
            if mount.get("sourceVolume") not in volumes:
                failures.append(
                    ("containerDefinitions", f"ClientException: Unknown volume '{mount.get('sourceVolume')}'.")
                )
        for other in item.get("dependsOn", []):
            if other["containerName"] not in names:
                failures.append(
                    (
                        "containerDefinitions",
                        f"ClientException: {item['name']} depends on an unknown container {other['containerName']}",
                    )
                )
        if fargate and item.get("privileged"):
            failures.append(("containerDefinitions", "ClientException: Fargate doesn't run privileged containers"))
        for port in item.get("portMappings", []):
            if fargate and port.get("hostPort") not in (None, 0, port.get("containerPort")):
                failures.append(
                    (
                        "containerDefinitions",
                        "ClientException: When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
                    )
                )
        pulls = item.get("secrets") or (item.get("logConfiguration") or {}).get("logDriver") == "awslogs"
        if fargate and pulls and not is_given(inputs, "executionRoleArn"):
            failures.append(
                (
                    "executionRoleArn",
                    f"ClientException: Fargate requires task definition to have execution role ARN to support log driver awslogs and secrets ({item['name']})",
                )
            )
    return failures
