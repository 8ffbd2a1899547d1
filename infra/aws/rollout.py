"""After an ECS deployment: the service must run what was asked for. A rolled-back deployment is a failure, not a success.

ECS's circuit breaker rolls a failed deployment back and the service is steady again, so that an `up` would report
success while the old task definition runs (pulumi-aws #4487).
"""

from __future__ import annotations

import time
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from infra.aws.api import as_user_error, client
from infra.errors import UserError

FIELDS = ("region", "cluster", "service", "task_definition", "seconds")
POLL_SECONDS = 5.0
REASONS = 3


def primary(region: str, cluster: str, service: str) -> dict[str, Any] | None:
    """The service's PRIMARY deployment; None when there is no such active service."""
    with as_user_error(f"service {service}"):
        found = client("ecs", region).describe_services(cluster=cluster, services=[service])["services"]
    if not found or found[0].get("status") != "ACTIVE":
        return None
    return next((item for item in found[0]["deployments"] if item["status"] == "PRIMARY"), None)


def _why_stopped(region: str, cluster: str, service: str) -> list[str]:
    """What ECS says of the tasks that stopped last."""
    ecs = client("ecs", region)
    with as_user_error(f"service {service}"):
        arns = ecs.list_tasks(cluster=cluster, serviceName=service, desiredStatus="STOPPED")["taskArns"]
        tasks = ecs.describe_tasks(cluster=cluster, tasks=arns[:20])["tasks"] if arns else []
    said = []
    for task in tasks:
        containers = [
            f"{item['name']}: exit code {item.get('exitCode', '-')} {item.get('reason', '')}".rstrip()
            for item in task.get("containers", [])
            if item.get("exitCode") or item.get("reason")
        ]
        said.append("; ".join([task.get("stoppedReason", "stopped"), *containers]))
    return list(dict.fromkeys(said))[:REASONS]


def wait_until_running(region: str, cluster: str, service: str, task_definition: str, seconds: float) -> None:
    """Returns once the service runs `task_definition` with all its tasks. Raises UserError, with what ECS says of the
    stopped tasks, when it was rolled back, failed, or did not get there within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = primary(region, cluster, service)
        if found is None:
            raise UserError(f"service {service}: not there or not active; `telemetry up --refresh` puts it right")
        running, state = found["taskDefinition"], found.get("rolloutState", "")
        if running == task_definition and state == "COMPLETED":
            return
        rolled_back = running != task_definition
        if rolled_back or state == "FAILED" or time.monotonic() > deadline:
            what = (
                f"runs {_short(running)} and not {_short(task_definition)}: the deployment was rolled back"
                if rolled_back
                else f"deployment of {_short(task_definition)} is {state or 'under way'} after {seconds:g} s"
            )
            reasons = "".join(f"\n  {line}" for line in _why_stopped(region, cluster, service))
            raise UserError(
                f"service {service} {what}. Stopped tasks:{reasons or ' none'}\n"
                f"See the log group of {service}; fix it and run `up` again."
            )
        time.sleep(POLL_SECONDS)


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]


class RolloutProvider(ResourceProvider):
    """Inputs: FIELDS. Output beside them: running, the task definition that the service runs."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        asked = any(olds.get(key) != news[key] for key in FIELDS if key != "seconds")
        # A refresh that found another one running: the check is made again, after the service's own update.
        drifted = "running" in olds and olds["running"] != olds.get("task_definition")
        return DiffResult(changes=asked or drifted)

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"{props['cluster']}/{props['service']}", self._checked(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self._checked(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        outs = {key: props[key] for key in FIELDS}
        found = primary(props["region"], props["cluster"], props["service"])
        return ReadResult(id_, {**outs, "running": found["taskDefinition"] if found else ""})

    def _checked(self, props: dict[str, Any]) -> dict[str, Any]:
        wait_until_running(
            props["region"], props["cluster"], props["service"], props["task_definition"], float(props["seconds"])
        )
        return {**{key: props[key] for key in FIELDS}, "running": props["task_definition"]}


class Rollout(Resource, module="aws", name="Rollout"):
    """The check of one service; depends on the service."""

    running: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        region: str,
        cluster: pulumi.Input[str],
        service: pulumi.Input[str],
        task_definition: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
        seconds: int = 900,
    ):
        """`cluster` and `service`: names. `task_definition`: the ARN with its revision that was asked for."""
        props = {
            "region": region,
            "cluster": cluster,
            "service": service,
            "task_definition": task_definition,
            "seconds": seconds,
            "running": None,
        }
        super().__init__(RolloutProvider(), name, props, opts)
