"""The bootstrap stack under mocks: a bucket that is safe, roles that only the right jobs can take, and what each may touch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from infra.aws.bootstrap.policies import POLICY_CHARACTERS, check_sizes, documents, state_statements
from infra.aws.bootstrap.program import deploy
from infra.aws.bootstrap.settings import FILE, BootstrapSettings, check_own, read
from infra.errors import UserError
from policy.stack import listed
from tests.unit.aws.mocks import Cloud, Made, run

OWN = BootstrapSettings(
    account="111122223333",
    region="eu-central-1",
    repository="acme/telemetry",
    previews=["pull_request", "ref:refs/heads/main"],
    environments={"dev": ["dev", "pr-*"], "prod": ["prod"]},
)
ROLE, POLICY, ATTACHMENT = (
    f"aws:iam/{kind}" for kind in ("role:Role", "policy:Policy", "rolePolicyAttachment:RolePolicyAttachment")
)


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return run(lambda: deploy(OWN, protect=True))[0]


def test_the_state_is_versioned_encrypted_private_and_protected(cloud: Cloud) -> None:
    bucket = cloud.one("aws:s3/bucket:Bucket")
    assert bucket.inputs["bucket"] == "agent-telemetry-state-111122223333-eu-central-1"
    assert not bucket.inputs.get("forceDestroy")
    assert (
        cloud.one("aws:s3/bucketVersioning:BucketVersioning").inputs["versioningConfiguration"]["status"] == "Enabled"
    )
    encryption = cloud.one("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
    (rule,) = encryption.inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    block = cloud.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    assert all(
        block[key] for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    )
    for item in (bucket, cloud.one("aws:kms/key:Key")):
        assert cloud.options(item).protect and cloud.options(item).retain_on_delete
    lifecycle = cloud.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs["rules"]
    assert all("expiration" not in item for item in lifecycle), "only old versions of a state ever expire"
    assert cloud.one("aws:ecr/repository:Repository").inputs["imageTagMutability"] == "IMMUTABLE"


def test_a_destroy_leaves_nothing() -> None:
    found, _ = run(lambda: deploy(OWN, protect=False))
    assert found.one("aws:s3/bucket:Bucket").inputs["forceDestroy"] is True
    assert not any(found.options(item).protect for item in found.made if item.type.startswith("aws:"))


def subjects(role: Made) -> list[str]:
    (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    assert statement["Condition"]["StringEquals"] == {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}
    return statement["Condition"]["StringLike"]["token.actions.githubusercontent.com:sub"]


@pytest.mark.parametrize(
    ("role", "subject", "may"),
    [
        ("preview", "repo:acme/telemetry:pull_request", True),
        ("preview", "repo:acme/telemetry:ref:refs/heads/main", True),
        ("preview", "repo:acme/telemetry:ref:refs/heads/other", False),
        ("preview", "repo:acme/telemetry-two:pull_request", False),
        ("deploy-dev", "repo:acme/telemetry:environment:dev", True),
        ("deploy-dev", "repo:acme/telemetry:pull_request", False),
        ("deploy-dev", "repo:acme/telemetry:environment:development", False),
        ("deploy-prod", "repo:acme/telemetry:environment:prod", True),
        ("deploy-prod", "repo:acme/telemetry:environment:dev", False),
        ("deploy-prod", "repo:evil/telemetry:environment:prod", False),
    ],
)
def test_who_can_take_a_role(cloud: Cloud, role: str, subject: str, may: bool) -> None:
    assert any(fnmatchcase(subject, pattern) for pattern in subjects(cloud.one(ROLE, role))) is may


def test_a_repository_may_be_named_with_its_ids() -> None:
    named = OWN.model_copy(update={"repository": "acme@12/telemetry@34"})
    found, _ = run(lambda: deploy(named, protect=True))
    assert subjects(found.one(ROLE, "deploy-dev")) == ["repo:acme@12/telemetry@34:environment:dev"]


def statements(cloud: Cloud, role: str) -> Iterator[dict[str, Any]]:
    """All that the role's attached policies allow."""
    arns = {
        item.inputs["policyArn"] for item in cloud.of(ATTACHMENT) if item.inputs["role"] == f"agent-telemetry-{role}"
    }
    found = [item for item in cloud.of(POLICY) if f"arn:aws:iam:eu-central-1:123456789012:{item.name}" in arns]
    assert len(found) == len(arns)
    for item in found:
        yield from json.loads(item.inputs["policy"])["Statement"]


def allowed(cloud: Cloud, role: str, action: str, resource: str) -> bool:
    return any(
        any(fnmatchcase(action, pattern) for pattern in listed(item["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in listed(item["Resource"]))
        for item in statements(cloud, role)
    )


STATE = "arn:aws:s3:eu-central-1:123456789012:state/.pulumi"


@pytest.mark.parametrize(
    ("role", "action", "path", "may"),
    [
        ("preview", "s3:GetObject", "/stacks/agent-telemetry/prod.json", True),
        ("preview", "s3:PutObject", "/stacks/agent-telemetry/dev.json", False),
        ("preview", "s3:PutObject", "/locks/organization/agent-telemetry/dev/1.json", False),
        ("deploy-dev", "s3:PutObject", "/stacks/agent-telemetry/dev.json", True),
        ("deploy-dev", "s3:PutObject", "/stacks/agent-telemetry/dev.json.bak", True),
        ("deploy-dev", "s3:PutObject", "/locks/organization/agent-telemetry/dev/1.json", True),
        ("deploy-dev", "s3:DeleteObject", "/locks/organization/agent-telemetry/pr-12/1.json", True),
        ("deploy-dev", "s3:PutObject", "/history/agent-telemetry/dev/dev-1.history.json", True),
        # What an ephemeral stack is, and all of it goes.
        ("deploy-dev", "s3:PutObject", "/stacks/agent-telemetry/pr-12.pulumi-tags", True),
        ("deploy-dev", "s3:DeleteObject", "/backups/agent-telemetry/pr-12/pr-12.1796028184923322233.json", True),
        ("deploy-dev", "s3:GetObject", "/stacks/agent-telemetry/prod.pulumi-tags", False),
        ("deploy-dev", "s3:GetObject", "/stacks/agent-telemetry/prod.json", False),
        ("deploy-dev", "s3:GetObject", "/stacks/agent-telemetry/development.json", False),
        ("deploy-prod", "s3:PutObject", "/stacks/agent-telemetry/prod.json", True),
        ("deploy-prod", "s3:GetObject", "/stacks/agent-telemetry/dev.json", False),
        ("deploy-prod", "s3:GetObject", "/stacks/agent-telemetry-bootstrap/bootstrap.json", False),
    ],
)
def test_a_role_touches_the_state_of_its_own_stacks_only(
    cloud: Cloud, role: str, action: str, path: str, may: bool
) -> None:
    assert allowed(cloud, role, action, STATE + path) is may


def test_secrets_are_told_apart_by_stack() -> None:
    for stacks in (["dev", "pr-*"], ["prod"]):
        (secrets,) = [
            item
            for item in state_statements("arn:b", "arn:k", "eu-central-1", stacks, True)
            if item["Sid"] == "Secrets"
        ]
        assert secrets["Condition"] == {"StringLike": {"kms:EncryptionContext:stack": stacks}}
    assert OWN.secrets_provider("prod").endswith("context_stack=prod")


def test_a_preview_changes_nothing(cloud: Cloud) -> None:
    reads = ("Describe", "Get", "List", "Decrypt")
    actions = [action for item in statements(cloud, "preview") for action in listed(item["Action"])]
    assert actions and all(action.partition(":")[2].startswith(reads) for action in actions), actions


def test_a_deploy_may_all_that_the_deployers_policy_says_in_this_account(cloud: Cloud) -> None:
    assert allowed(cloud, "deploy-prod", "ec2:CreateVpc", "*")
    text = json.dumps(list(statements(cloud, "deploy-prod")))
    assert "arn:aws:iam::111122223333:" in text and "iam::123456789012:" not in text


def test_no_policy_is_larger_than_iam_takes(cloud: Cloud) -> None:
    for item in cloud.of(POLICY):
        assert len(item.inputs["policy"]) <= POLICY_CHARACTERS, item.name
    for role in cloud.of(ROLE):
        attached = [item for item in cloud.of(ATTACHMENT) if item.inputs["role"] == role.inputs["name"]]
        assert 1 <= len(attached) <= 10, "what IAM takes without a raised quota"
    with pytest.raises(ValueError, match="Huge"):
        documents([{"Sid": "Huge", "Action": "x" * POLICY_CHARACTERS}])


def test_more_stacks_than_a_role_s_policy_has_room_for_are_refused() -> None:
    check_sizes(OWN)
    many = OWN.model_copy(update={"environments": {"teams": [f"team-{number}" for number in range(30)]}})
    with pytest.raises(UserError, match=r"environments.*: 30 stacks are \d+ characters.*team-\*"):
        check_sizes(many)


def test_an_accounts_own_provider_is_used() -> None:
    arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    found, _ = run(lambda: deploy(OWN.model_copy(update={"oidcProviderArn": arn}), protect=True))
    assert not found.of("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    assert all(arn in item.inputs["assumeRolePolicy"] for item in found.of(ROLE))


def test_the_hourly_job_may_end_what_ephemeral_stacks_are_called() -> None:
    committed = read(FILE)
    own = committed.model_copy(update={"account": OWN.account, "repository": OWN.repository})
    assert own.ends("pr-12") and own.ends("try-ann") and not own.ends("ann") and not own.ends("prod")
    assert committed.ends("ann"), "example values: there is no such job"
    assert OWN.ends("ann"), "nor here"


def test_without_github_there_are_no_roles() -> None:
    bare = BootstrapSettings(account="111122223333", region="eu-central-1")
    found, _ = run(lambda: deploy(bare, protect=True))
    assert not found.of(ROLE) and found.of("aws:s3/bucket:Bucket")


def test_the_committed_files_example_values_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"(?s)account: 123456789012.*repository: example/"):
        check_own(read(FILE))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("account: 12", "account"),
        ("region: europe", "region"),
        ("repository: acme", "repository"),
        ("repository: acme@x/telemetry", "repository"),
        ("environments: {dev: []}", "environments.dev"),
        ("previews: ['*']", "previews.0"),
        ("unknown: 1", "unknown"),
        (
            "oidcProviderArn: arn:aws:iam::999999999999:oidc-provider/token.actions.githubusercontent.com",
            "another account",
        ),
        (
            "{previews: [], environments: {}, repository: a/b, account: '111122223333', region: eu-central-1}",
            "nobody could",
        ),
        (":", "bootstrap.yaml"),
    ],
)
def test_bad_input_is_refused_by_name(tmp_path: Path, change: str, said: str) -> None:
    file = tmp_path / "bootstrap.yaml"
    own = (
        ""
        if change.startswith(("{", ":"))
        else "account: '111122223333'\nregion: eu-central-1\nrepository: a/b\npreviews: [pull_request]\n"
    )
    key = change.partition(":")[0]
    kept = [line for line in own.splitlines() if not line.startswith(f"{key}:")]
    file.write_text("\n".join([*kept, change]))
    with pytest.raises(UserError, match=said):
        read(file)
