"""Budgets on AWS: they travel in the worker's configuration, and its role reads the one secret that signs calls."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.aws.image_layer import our_files
from infra.aws.webhook_secret import StoredSecret
from infra.endpoints import access_from_dict
from infra.errors import UserError
from infra.paths import CONFIGS
from infra.settings import parse_settings
from infra.worker.budgets.config import budgets_of, written
from tests.unit.aws.aws_settings import SMALL, settings
from tests.unit.aws.controls.stacks import ACCOUNT, Declared, declared
from tests.unit.test_budgets import OTHER, SECRET

pytestmark = pytest.mark.xdist_group("controls")
REGION = "eu-central-1"
ARN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:budget-webhook-AbCdEf"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/22222222-2222-3333-4444-555555555555"
URL = "https://gateway.telemetry.test/budgets"


def worker_config(stack: Declared) -> dict[str, Any]:
    (task,) = [
        item for item in stack.of("aws:ecs/taskDefinition:TaskDefinition") if item.name == "worker-task-definition"
    ]
    (container,) = json.loads(task.inputs["containerDefinitions"])
    return json.loads(next(item["value"] for item in container["environment"] if item["name"] == "WORKER_CONFIG"))


def worker_policy(stack: Declared) -> list[dict[str, Any]]:
    (policy,) = [item for item in stack.of("aws:iam/rolePolicy:RolePolicy") if item.name == "worker-task-policy"]
    return json.loads(policy.inputs["policy"])["Statement"]


def test_the_worker_is_told_the_budgets_the_address_and_where_the_secret_is() -> None:
    found = worker_config(declared("given"))
    assert found["budgets"] == written(budgets_of(parse_settings({}, "test"))) != []
    assert found["settings"]["budgetWebhookUrl"] == URL
    access = access_from_dict(found["webhook_secret"])
    assert access == StoredSecret(REGION, ARN)


def test_a_changed_budget_makes_no_other_image() -> None:
    assert CONFIGS / "budgets.yaml" not in our_files()


def test_its_role_reads_that_secret_with_its_key_and_without_an_address_none() -> None:
    with_address, without = worker_policy(declared("given")), worker_policy(declared("dev"))
    readable = [arn for item in with_address if "GetSecretValue" in str(item["Action"]) for arn in item["Resource"]]
    usable = [key for item in with_address if item["Action"] == "kms:Decrypt" for key in item["Resource"]]
    assert ARN in readable and KEY in usable
    assert "budget" not in json.dumps(without) and worker_config(declared("dev"))["webhook_secret"] is None


def test_the_secret_is_read_and_a_wrong_one_is_named_but_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        manager = boto3.client("secretsmanager", region_name=REGION)
        arn = manager.create_secret(Name="b", SecretString=json.dumps({"secret": SECRET, "previous": OTHER}))["ARN"]
        with StoredSecret(REGION, arn).open() as secrets:
            assert secrets == [SECRET, OTHER]
        manager.put_secret_value(SecretId=arn, SecretString=json.dumps({"secret": "mine-and-short"}))
        with pytest.raises(UserError, match="secret has to be whsec_") as refused, StoredSecret(REGION, arn).open():
            pass
        assert arn in str(refused.value) and "mine-and-short" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"budgetWebhookUrl": URL}, "budgetWebhookSecretArn: needed with budgetWebhookUrl"),
        ({"budgetWebhookSecretArn": ARN}, "budgetWebhookSecretArn: only counts together with budgetWebhookUrl"),
        ({"budgetWebhookSecretKeyArn": KEY}, "budgetWebhookSecretKeyArn: only counts together with"),
        (
            {"budgetWebhookUrl": URL, "budgetWebhookSecretArn": ARN.replace(REGION, "us-east-1")},
            "budgetWebhookSecretArn: is not in awsRegion (eu-central-1)",
        ),
        ({"budgetWebhookUrl": "http://127.0.0.1/", "budgetWebhookSecretArn": ARN}, "has to begin with https://"),
        ({"budgetWebhookUrl": "https://localhost/", "budgetWebhookSecretArn": ARN}, "would be the worker's own task"),
        (
            {"budgetWebhookUrl": "https://a.test:8443/", "budgetWebhookSecretArn": ARN},
            "port 8443: the worker's way out",
        ),
    ],
)
def test_what_could_not_work_on_aws_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as refused:
        settings(SMALL, **given)
    assert says in str(refused.value)
