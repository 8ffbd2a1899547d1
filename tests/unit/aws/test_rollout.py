"""A deployment that ECS rolled back is a failure that says why; botocore validates every call."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.stub import Stubber

from infra.aws import rollout
from infra.errors import UserError

REGION, CLUSTER, SERVICE = "eu-central-1", "telemetry", "collector"
OLD, NEW = (f"arn:aws:ecs:{REGION}:123456789012:task-definition/collector:{n}" for n in (1, 2))
PROPS = {"region": REGION, "cluster": CLUSTER, "service": SERVICE, "task_definition": NEW, "seconds": 0}


@pytest.fixture
def ecs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr(rollout, "POLL_SECONDS", 0)
    client = boto3.client("ecs", region_name=REGION)
    monkeypatch.setattr(rollout, "client", lambda *_: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def runs(ecs: Stubber, task_definition: str, state: str) -> None:
    deployment = {"status": "PRIMARY", "taskDefinition": task_definition, "rolloutState": state}
    service = {"status": "ACTIVE", "deployments": [deployment, {"status": "ACTIVE", "taskDefinition": OLD}]}
    ecs.add_response("describe_services", {"services": [service]}, {"cluster": CLUSTER, "services": [SERVICE]})


def stopped(ecs: Stubber) -> None:
    arn = f"arn:aws:ecs:{REGION}:123456789012:task/telemetry/0123456789abcdef"
    ecs.add_response("list_tasks", {"taskArns": [arn]})
    task = {
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "otelcol", "exitCode": 1}, {"name": "keylist"}],
    }
    ecs.add_response("describe_tasks", {"tasks": [task, task]})


def test_it_waits_until_the_service_runs_what_was_asked_for(ecs: Stubber) -> None:
    runs(ecs, NEW, "IN_PROGRESS")
    runs(ecs, NEW, "COMPLETED")
    result = rollout.RolloutProvider().create({**PROPS, "seconds": 60})
    assert result.outs and result.outs["running"] == NEW


def test_a_rolled_back_deployment_fails_with_what_the_tasks_said(ecs: Stubber) -> None:
    runs(ecs, OLD, "COMPLETED")
    stopped(ecs)
    with pytest.raises(
        UserError, match=r"runs collector:1 and not collector:2: the deployment was rolled back"
    ) as caught:
        rollout.RolloutProvider().update("id", {}, PROPS)
    assert "Essential container in task exited; otelcol: exit code 1" in str(caught.value)


def test_a_deployment_that_does_not_get_there_fails(ecs: Stubber) -> None:
    runs(ecs, NEW, "IN_PROGRESS")
    ecs.add_response("list_tasks", {"taskArns": []})
    with pytest.raises(UserError, match=r"deployment of collector:2 is IN_PROGRESS after 0 s"):
        rollout.RolloutProvider().create(PROPS)


def test_a_service_that_is_gone_is_named(ecs: Stubber) -> None:
    ecs.add_response("describe_services", {"services": [{"status": "INACTIVE", "deployments": []}]})
    with pytest.raises(UserError, match="service collector: not there"):
        rollout.RolloutProvider().create(PROPS)


def test_a_refresh_that_finds_another_one_running_has_the_check_made_again(ecs: Stubber) -> None:
    provider = rollout.RolloutProvider()
    settled = {**PROPS, "running": NEW}
    assert not provider.diff("id", settled, PROPS).changes
    runs(ecs, OLD, "COMPLETED")
    found = provider.read("id", settled)
    assert found.outs and found.outs["running"] == OLD
    assert provider.diff("id", found.outs, PROPS).changes
