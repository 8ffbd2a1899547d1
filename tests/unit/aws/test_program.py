"""The program in infra/__main__.py under mocks, in preview, with the committed stack files as they stand."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import config, set_mocks
from pulumi.runtime.stack import wait_for_rpcs
from pulumi.runtime.sync_await import _sync_await

from infra.paths import ROOT
from policy.rules.stack_wide import HOLDS_DATA
from tests.unit.aws.mocks import Cloud, Made, Monitor

ENVIRONMENTS = ("dev", "prod")
MISSION = {
    "collector on ECS": "aws:ecs/service:Service",
    "its load balancer": "aws:lb/listener:Listener",
    "MSK": "aws:msk/cluster:Cluster",
    "topics": "aws:msk/topic:Topic",
    "ClickHouse on EC2": "aws:ec2/instance:Instance",
    "its volumes": "aws:ebs/volume:Volume",
    "its buckets": "aws:s3/bucket:Bucket",
    "Managed Grafana": "aws:grafana/workspace:Workspace",
    "the DDL": "pulumi-python:dynamic/postdeploy:Migration",
    "what moves rows": "pulumi-python:dynamic/postdeploy:Ingest",
    "prices": "pulumi-python:dynamic/postdeploy:ModelPrices",
    "a dashboard": "pulumi-python:dynamic/postdeploy:GrafanaDashboard",
    "its alerts": "pulumi-python:dynamic/postdeploy:GrafanaRuleGroup",
    "the canary": "pulumi-python:dynamic/postdeploy:Canary",
    "the check of the rollout": "pulumi-python:dynamic/aws:Rollout",
}
SECRETS = ("s3cr3t-canary-password", "PRIVATE KEY canary")
"""What the mocks give as passwords and keys."""


@dataclass
class Stack:
    """One environment, declared."""

    name: str
    cloud: Cloud
    options: dict[tuple[str, str], pulumi.ResourceOptions] = field(default_factory=dict)

    def of(self, type_: str) -> list[Made]:
        found = self.cloud.of(type_)
        assert found, f"no {type_} in {self.name}"
        return found

    @property
    def prod(self) -> bool:
        return self.name == "prod"


def as_text(item: Any) -> str:
    """A configuration value as the engine hands it over."""
    return item if isinstance(item, str) else json.dumps(item)


def run_program(stack: str, preview: bool, cloud: Cloud | None = None, file: str = "", **more: Any) -> Stack:
    """Runs infra/__main__.py as the engine would, with the stack's file (or that of the stack `file`) and `more` settings
    over it."""
    values = yaml.safe_load((ROOT / f"Pulumi.{file or stack}.yaml").read_text())["config"]
    values.update({f"agent-telemetry:{key}": item for key, item in more.items()})
    found = Stack(stack, cloud or Cloud())
    set_mocks(found.cloud, project="agent-telemetry", stack=stack, preview=preview, monitor=Monitor(found.cloud))
    config.set_all_config({key: as_text(item) for key, item in values.items()})

    def note(args: pulumi.ResourceTransformationArgs) -> None:
        found.options[args.type_, args.name] = args.opts

    pulumi.runtime.register_stack_transformation(note)
    try:
        runpy.run_path(str(ROOT / "infra" / "__main__.py"), run_name="__main__")
    finally:
        _sync_await(wait_for_rpcs())
        config.set_all_config({})
    return found


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    yield run_program(request.param, preview=True)


def test_it_holds_every_part_of_the_mission(stack: Stack) -> None:
    missing = [part for part, type_ in MISSION.items() if not stack.cloud.of(type_)]
    assert not missing
    nodes = [item for item in stack.of("aws:ec2/instance:Instance") if item.name.startswith("clickhouse")]
    assert len(nodes) == (3 if stack.prod else 1)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_up_with_example_values_is_refused_with_every_key_and_nothing_is_made(name: str) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run_program(name, preview=False)
    said = str(caught.value)
    for key in ("awsAccount", "collectorDomain", "collectorCertificateArn", "grafanaAdminGroups", "alarmEmails"):
        assert f"{key}: still an example value" in said
    assert ("has no pin" in said) == (name == "prod"), "prod wants digests"


def test_everything_that_takes_tags_has_the_stack_s(stack: Stack) -> None:
    untagged = [
        f"{item.type} {item.name}"
        for item in stack.cloud.made
        if item.type.startswith("aws:") and "tags" in item.inputs and item.inputs["tags"].get("Stack") != stack.name
    ]
    assert not untagged
    for type_ in (
        *HOLDS_DATA,
        "aws:ec2/vpc:Vpc",
        "aws:ecs/service:Service",
        "aws:iam/role:Role",
        "aws:lb/loadBalancer:LoadBalancer",
    ):
        if type_ == "aws:msk/topic:Topic":
            continue  # topics take none
        assert all(item.inputs["tags"]["Project"] == "agent-telemetry" for item in stack.of(type_)), type_


def test_stateful_things_are_protected_and_kept_in_prod_and_go_with_dev(stack: Stack) -> None:
    for type_ in HOLDS_DATA:
        for item in stack.of(type_):
            options = stack.options[type_, item.name]
            assert bool(options.protect) is stack.prod, f"{type_} {item.name}"
    for bucket in stack.of("aws:s3/bucket:Bucket"):
        assert bool(bucket.inputs.get("forceDestroy")) is not stack.prod, bucket.name


def test_kafka_survives_a_zone_in_prod(stack: Stack) -> None:
    for topic in stack.of("aws:msk/topic:Topic"):
        assert topic.inputs["replicationFactor"] == (3 if stack.prod else 2)
        assert all(isinstance(value, str) for value in json.loads(topic.inputs["configs"]).values()), (
            "numbers drift for ever"
        )
    (configuration,) = stack.of("aws:msk/configuration:Configuration")
    properties = dict(
        line.split("=", 1)
        for line in configuration.inputs["serverProperties"].splitlines()
        if "=" in line and line[0] != "#"
    )
    assert properties["min.insync.replicas"] == ("2" if stack.prod else "1")
    assert properties["auto.create.topics.enable"] == properties["unclean.leader.election.enable"] == "false"


def test_no_secret_is_in_an_input_that_is_not_a_secret_s_own(stack: Stack) -> None:
    for item in stack.cloud.made:
        if item.type in ("aws:secretsmanager/secretVersion:SecretVersion",) or item.type.startswith(
            ("tls:", "random:")
        ):
            continue
        text = json.dumps(item.inputs, default=str)
        assert not any(secret in text for secret in SECRETS), f"{item.type} {item.name}"


def test_the_stack_s_resources_are_as_many_as_the_readme_says(stack: Stack) -> None:
    count = sum(not item.type.startswith("agent-telemetry:") for item in stack.cloud.made)
    for page in ("docs/aws.md", "README.md"):
        assert f"{stack.name}: {count} resources" in (ROOT / page).read_text(), page
