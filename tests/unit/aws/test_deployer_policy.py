"""docs/deployer-policy.json: real actions of real services, and every kind of resource of both environments covered."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

import botocore.session
import pytest

from infra.paths import ROOT
from tests.unit.aws.controls.stacks import VARIANTS, declared

pytestmark = pytest.mark.xdist_group("controls")

POLICY = json.loads((ROOT / "docs" / "deployer-policy.json").read_text())
MODELS = {
    "acm": ["acm"],
    "application-autoscaling": ["application-autoscaling"],
    "cloudwatch": ["cloudwatch"],
    "ec2": ["ec2"],
    "ecr": ["ecr"],
    "ecs": ["ecs"],
    "eks": ["eks"],
    "elasticloadbalancing": ["elbv2"],
    "events": ["events"],
    "grafana": ["grafana"],
    "iam": ["iam"],
    "kafka": ["kafka"],
    "kms": ["kms"],
    "logs": ["logs"],
    "organizations": ["organizations"],
    "pricing": ["pricing"],
    "route53": ["route53"],
    "s3": ["s3", "s3control"],
    "scheduler": ["scheduler"],
    "secretsmanager": ["secretsmanager"],
    "servicequotas": ["service-quotas"],
    "sns": ["sns"],
    "sqs": ["sqs"],
    "ssm": ["ssm"],
    "sts": ["sts"],
    "tag": ["resourcegroupstaggingapi"],
}
"""IAM's prefix to botocore's service models. kafka-cluster, sso and sso-directory have no API of their own there."""
NO_API = {
    "kafka-cluster": "Kafka's own permissions",
    "sso": "the console's and Managed Grafana's",
    "sso-directory": "the console's and Managed Grafana's",
}
NOT_CALLED_SO = {
    # What IAM asks for beside the operation of that name (service authorization reference).
    "iam:PassRole",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:ListLogDeliveries",
}
SERVICE_OF_TYPE = {
    "appautoscaling": "application-autoscaling",
    "cloudwatch": "cloudwatch",
    "ebs": "ec2",
    "lb": "elasticloadbalancing",
    "msk": "kafka",
    "vpc": "ec2",
}


def actions() -> list[str]:
    listed = []
    for statement in POLICY["Statement"]:
        found = statement["Action"]
        listed += [found] if isinstance(found, str) else found
    return listed


@pytest.mark.parametrize("prefix", sorted({action.split(":")[0] for action in actions()}))
def test_each_action_exists(prefix: str) -> None:
    wanted = [
        action.split(":")[1] for action in actions() if action.startswith(f"{prefix}:") and action not in NOT_CALLED_SO
    ]
    if prefix in NO_API:
        return
    session = botocore.session.get_session()
    models = [session.get_service_model(model) for model in MODELS[prefix]]
    known = {name for model in models for name in list(model.operation_names)}  # pyright: ignore[reportArgumentType]
    unknown = [action for action in wanted if not any(fnmatchcase(name, action) for name in known)]
    assert not unknown


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_resource_can_be_made(variant: str) -> None:
    made = declared(variant).resources
    kinds = {item.type.split(":")[1].split("/")[0] for item in made if item.type.startswith("aws:")}
    needed = {SERVICE_OF_TYPE.get(kind, kind) for kind in kinds}
    assert needed <= {action.split(":")[0] for action in actions()}


def test_roles_and_buckets_are_the_stack_s_own() -> None:
    stack = declared("prod")
    for type_ in ("aws:iam/role:Role", "aws:iam/instanceProfile:InstanceProfile"):
        assert all(item.inputs["path"] == "/agent-telemetry/" for item in stack.of(type_))
    for bucket in stack.of("aws:s3/bucket:Bucket"):
        name = bucket.inputs.get("bucket") or bucket.inputs.get("bucketPrefix") or bucket.name
        assert name.startswith("agent-telemetry-"), name
