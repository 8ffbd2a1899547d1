"""What each role may do: real actions, exactly those of role_actions.yaml, on named resources, for one trusted service."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, cast

import botocore.session
import pytest
import yaml

from infra.paths import ROOT
from policy.stack import actions, listed
from tests.unit.aws.controls.stacks import ACCOUNT, ISSUER, VARIANTS, Declared, declared
from tests.unit.aws.test_deployer_policy import MODELS

pytestmark = pytest.mark.xdist_group("controls")
FILE = Path(__file__).with_name("role_actions.yaml")
EXPECTED: dict[str, Any] = yaml.safe_load(FILE.read_text())
ROLES: dict[str, dict[str, Any]] = EXPECTED["roles"]
OPERATION = {
    "s3:ListBucket": "ListObjectsV2",
    "s3:ListBucketMultipartUploads": "ListMultipartUploads",
    "s3:ListMultipartUploadParts": "ListParts",
}
"""Actions whose operation has another name (service authorization reference)."""
NO_OPERATION = {"iam:PassRole"}
KAFKA = {
    *(f"{verb}{what}" for verb in ("Describe", "Alter") for what in ("Cluster", "Topic", "Group", "TransactionalId")),
    *("Connect", "WriteDataIdempotently", "CreateTopic", "DeleteTopic", "DeleteGroup", "ReadData", "WriteData"),
    *(f"{verb}{what}DynamicConfiguration" for verb in ("Describe", "Alter") for what in ("Cluster", "Topic")),
}
"""MSK's own actions for clients (kafka-cluster, service authorization reference)."""
NAMED = re.compile(r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:[^*]{4,}(\*|\.json)?")
"""An ARN with at least a part of a name; a star only at its end."""


def operation(action: str) -> str:
    return OPERATION.get(action, action.split(":")[1])


@cache
def operations(prefix: str) -> set[str]:
    """What botocore knows of a service."""
    session = botocore.session.get_session()
    models = [session.get_service_model(model) for model in MODELS[prefix]]
    return {name for model in models for name in cast("list[str]", model.operation_names)}


def role_kind(name: str) -> str:
    return re.sub(r"-\d+-", "-N-", name)


def statements_of(stack: Declared) -> dict[str, list[dict[str, Any]]]:
    """Role to what its policies say."""
    found: dict[str, list[dict[str, Any]]] = {item.name: [] for item in stack.of("aws:iam/role:Role")}
    for item in stack.of("aws:iam/rolePolicy:RolePolicy"):
        found[item.inputs["role"]] += json.loads(item.inputs["policy"])["Statement"]
    return found


def wanted(role: str, *settings: str) -> set[str]:
    entry = ROLES[role_kind(role)]
    return {*entry["always"], *(action for setting in settings for action in entry.get(setting, {}))}


def settings_of(variant: str) -> tuple[str, str]:
    """kafkaAuth and collectorPlatform."""
    given = VARIANTS[variant][1]
    return given.get("kafkaAuth", "scram"), given.get("collectorPlatform", "ecs")


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_role_may_do_what_stands_in_the_file_and_no_more(variant: str) -> None:
    for role, statements in statements_of(declared(variant)).items():
        assert role_kind(role) in ROLES, f"{role}: a new role; write in {FILE.name} what it may do and who asks for it"
        assert all(statement["Effect"] == "Allow" for statement in statements), role
        allowed = {action for statement in statements for action in actions(statement)}
        assert allowed == wanted(role, *settings_of(variant)), role


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_role_may_do_it_on_named_resources(variant: str) -> None:
    for role, statements in statements_of(declared(variant)).items():
        for statement in statements:
            resources = listed(statement["Resource"])
            if resources == ["*"]:
                assert set(actions(statement)) <= set(EXPECTED["anywhere"]), f"{role}: {actions(statement)} on anything"
            else:
                assert resources and all(NAMED.fullmatch(resource) for resource in resources), f"{role}: {resources}"


@pytest.mark.parametrize("variant", VARIANTS)
def test_metrics_are_written_in_the_stack_s_namespace_only(variant: str) -> None:
    for role, statements in statements_of(declared(variant)).items():
        for statement in statements:
            if "cloudwatch:PutMetricData" in actions(statement):
                assert statement["Condition"]["StringEquals"]["cloudwatch:namespace"], role


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_role_is_one_service_s_and_of_this_account(variant: str) -> None:
    for role in declared(variant).of("aws:iam/role:Role"):
        (trust,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        if ROLES[role_kind(role.name)].get("federated"):
            continue
        service = ROLES[role_kind(role.name)]["trusted"]
        assert (trust["Action"], trust["Principal"]) == ("sts:AssumeRole", {"Service": service}), role.name
        # EC2 has no source to name: an instance profile is given by this account's own iam:PassRole.
        if service != "ec2.amazonaws.com":
            assert trust["Condition"]["StringEquals"]["aws:SourceAccount"] == ACCOUNT, role.name
            patterns = {key: item for kind in trust["Condition"].values() for key, item in kind.items()}
            assert f":{ACCOUNT}:" in patterns["aws:SourceArn"], role.name


def test_a_cluster_s_role_is_one_service_account_s_of_one_cluster() -> None:
    stack = declared("kubernetes")
    federated = [role for role in stack.of("aws:iam/role:Role") if ROLES[role_kind(role.name)].get("federated")]
    (trust,) = [json.loads(role.inputs["assumeRolePolicy"])["Statement"][0] for role in federated]
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Principal"] == {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"}
    (deployment,) = stack.of("kubernetes:apps/v1:Deployment")
    account = deployment.inputs["spec"]["template"]["spec"]["serviceAccountName"]
    subject = f"system:serviceaccount:{deployment.inputs['metadata']['namespace']}:{account}"
    conditions = {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": subject}
    assert trust["Condition"] == {"StringEquals": conditions}


@pytest.mark.parametrize("variant", VARIANTS)
def test_of_aws_s_own_policies_each_role_has_the_one_in_the_file(variant: str) -> None:
    stack = declared(variant)
    attached = {
        (item.inputs["role"], item.inputs["policyArn"])
        for item in stack.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    }
    expected = {
        (role, ROLES[role_kind(role)]["managed"])
        for role in statements_of(stack)
        if "managed" in ROLES[role_kind(role)]
    }
    assert attached == expected


KINDS = ("always", "scram", "iam", "ecs", "kubernetes")
LISTED = [(role, action) for role, entry in ROLES.items() for kind in KINDS for action in entry.get(kind, {})]


@pytest.mark.parametrize("action", sorted({action for _, action in LISTED}))
def test_each_action_exists(action: str) -> None:
    prefix, _, name = action.partition(":")
    if prefix == "kafka-cluster":
        assert name in KAFKA
    elif action not in NO_OPERATION:
        assert operation(action) in operations(prefix)


@pytest.mark.parametrize("role", ROLES)
def test_what_our_own_code_asks_for_it_really_calls(role: str) -> None:
    for kind in KINDS:
        for action, who in ROLES[role].get(kind, {}).items():
            assert len(who) > 2, f"{role} {action}: who asks for it?"
            if who.endswith(".py"):
                snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation(action)).lower()
                kebab = snake.replace("_", "-")
                text = (ROOT / who).read_text()
                assert any(call in text for call in (snake, snake.replace("v2", "_v2"), kebab)), (
                    f"{role}: {action} in {who}"
                )


def test_the_file_has_no_role_that_nobody_makes() -> None:
    made = {role_kind(role) for variant in VARIANTS for role in statements_of(declared(variant))}
    assert made == set(ROLES)
    used = {action for role in ROLES for action in wanted(role, *KINDS[1:])}
    assert set(EXPECTED["anywhere"]) <= used
