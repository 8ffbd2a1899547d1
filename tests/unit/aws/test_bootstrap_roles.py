"""GitHub's roles in the bootstrap stack under mocks: which jobs can take each, and what each may touch, as IAM decides it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pulumi_aws
import pytest

from infra.aws.bootstrap.policies import IN_BUCKET, POLICY_CHARACTERS, check_sizes, documents
from infra.aws.bootstrap.program import deploy
from infra.aws.bootstrap.settings import FILE, BootstrapSettings, Preview, read
from infra.aws.buckets import prefix
from infra.aws.context import IAM_PATH, Context
from infra.errors import UserError
from infra.settings import Settings
from infra.settings.names import LONGEST
from policy.stack import listed
from tests.providers.iam import allows
from tests.unit.aws.mocks import Cloud, Made, program

ACCOUNT, REGION = "111122223333", "eu-central-1"
OWN = read(FILE).model_copy(update={"account": ACCOUNT, "repository": "acme/telemetry"})
"""The committed file: what it says is what these tests hold it to."""
ROLE, POLICY, ATTACHMENT = (
    f"aws:iam/{kind}" for kind in ("role:Role", "policy:Policy", "rolePolicyAttachment:RolePolicyAttachment")
)
BUCKET, KEY = f"arn:aws:s3:::{OWN.bucket}", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/the-bootstraps"
ROLES = ["preview-dev", "preview-prod", "deploy-dev", "deploy-prod", "deploy-ephemeral", "deploy-reap"]


def made_of(settings: BootstrapSettings) -> Cloud:
    """The bootstrap under mocks, with ARNs as AWS writes them: a policy that names others would prove nothing."""
    with program() as cloud:
        cloud.outputs = {"aws:s3/bucket:Bucket": {"arn": BUCKET}, "aws:kms/key:Key": {"arn": KEY}}
        deploy(settings, protect=True)
    return cloud


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return made_of(OWN)


def subjects(role: Made) -> list[str]:
    (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    assert statement["Condition"]["StringEquals"] == {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}
    return statement["Condition"]["StringLike"]["token.actions.githubusercontent.com:sub"]


@pytest.mark.parametrize(
    ("subject", "may"),
    [
        # Whoever may push a branch has these.
        ("repo:acme/telemetry:pull_request", []),
        ("repo:acme/telemetry:ref:refs/heads/other", []),
        ("repo:acme/telemetry:environment:preview-dev", ["preview-dev"]),
        ("repo:acme/telemetry:environment:preview", []),
        # What GitHub gives to whom the environment lets in alone.
        ("repo:acme/telemetry:environment:preview-prod", ["preview-prod"]),
        ("repo:acme/telemetry:environment:ephemeral", ["deploy-ephemeral"]),
        ("repo:acme/telemetry:environment:dev", ["deploy-dev"]),
        ("repo:acme/telemetry:environment:prod", ["deploy-prod"]),
        ("repo:acme/telemetry:environment:reap", ["deploy-reap"]),
        # A merged commit's plan.
        ("repo:acme/telemetry:ref:refs/heads/main", ["preview-prod"]),
        ("repo:acme/telemetry-two:environment:dev", []),
        ("repo:evil/telemetry:environment:prod", []),
        ("repo:acme/telemetry:environment:development", []),
    ],
)
def test_which_roles_a_job_can_take(cloud: Cloud, subject: str, may: list[str]) -> None:
    assert sorted(item.name for item in cloud.of(ROLE)) == sorted(ROLES)
    taken = [role.name for role in cloud.of(ROLE) if any(fnmatchcase(subject, one) for one in subjects(role))]
    assert taken == may


def test_a_repository_may_be_named_with_its_ids() -> None:
    found = made_of(OWN.model_copy(update={"repository": "acme@12/telemetry@34"}))
    assert subjects(found.one(ROLE, "deploy-dev")) == ["repo:acme@12/telemetry@34:environment:dev"]


def statements(cloud: Cloud, role: str) -> Iterator[dict[str, Any]]:
    """All that the role's attached policies say."""
    arns = {
        item.inputs["policyArn"] for item in cloud.of(ATTACHMENT) if item.inputs["role"] == f"agent-telemetry-{role}"
    }
    found = [item for item in cloud.of(POLICY) if f"arn:aws:iam:eu-central-1:123456789012:{item.name}" in arns]
    assert found and len(found) == len(arns)
    for item in found:
        yield from json.loads(item.inputs["policy"])["Statement"]


def allowed(cloud: Cloud, role: str, action: str, resource: str, **context: str) -> bool:
    return allows(statements(cloud, role), action, resource, context)


OF_A_STACK = [
    "stacks/agent-telemetry/{}.json",
    "stacks/agent-telemetry/{}.json.bak",
    "stacks/agent-telemetry/{}.json.gz",
    "stacks/agent-telemetry/{}.pulumi-tags",
    "history/agent-telemetry/{}/{}-1.history.json",
    "history/agent-telemetry/{}/{}-1.checkpoint.json",
    "backups/agent-telemetry/{}/{}.1796028184923322233.json",
    "locks/organization/agent-telemetry/{}/5b1b2c1e.json",
]
STACKS = {
    "preview-dev": ["dev"],
    "preview-prod": ["prod"],
    "deploy-dev": ["dev"],
    "deploy-prod": ["prod"],
    "deploy-ephemeral": ["dev", "pr-12", "try-ann"],
    "deploy-reap": ["dev", "pr-12", "try-ann"],
}
ANY = ["dev", "prod", "pr-12", "try-ann", "development", "production", "ann"]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_touches_the_state_of_its_own_stacks_only(cloud: Cloud, role: str) -> None:
    writes = role.startswith("deploy")
    for stack in ANY:
        own = stack in STACKS[role]
        for path in OF_A_STACK:
            key = f"{BUCKET}/.pulumi/{path.format(stack, stack)}"
            assert allowed(cloud, role, "s3:GetObject", key) is own, key
            for action in ("s3:PutObject", "s3:DeleteObject"):
                assert allowed(cloud, role, action, key) is (own and writes), key
    for key in ("stacks/agent-telemetry-bootstrap/bootstrap.json", "stacks/other/dev.json"):
        assert not allowed(cloud, role, "s3:GetObject", f"{BUCKET}/.pulumi/{key}"), key
    for action in ("s3:PutBucketPolicy", "s3:DeleteBucket", "s3:GetObjectVersion", "s3:PutBucketVersioning"):
        assert not allowed(cloud, role, action, BUCKET) and not allowed(cloud, role, action, f"{BUCKET}/.pulumi/x"), (
            action
        )
    assert allowed(cloud, role, "s3:GetObject", f"{BUCKET}/.pulumi/meta.yaml")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_the_secrets_of_its_own_stacks_only(cloud: Cloud, role: str) -> None:
    for stack in ANY:
        named = {"kms:EncryptionContext:stack": stack}
        assert allowed(cloud, role, "kms:Decrypt", KEY, **named) is (stack in STACKS[role]), stack
        assert allowed(cloud, role, "kms:Encrypt", KEY, **named) is (stack in STACKS[role] and "deploy" in role), stack
    # A stack whose secrets provider has no context, and all else that a key takes.
    assert not allowed(cloud, role, "kms:Decrypt", KEY)
    for action in ("kms:PutKeyPolicy", "kms:CreateGrant", "kms:ReEncryptFrom", "kms:ScheduleKeyDeletion"):
        assert not allowed(cloud, role, action, KEY), action
    # What S3 asks for in its name, to open an object that the role may read.
    assert allowed(cloud, role, "kms:Decrypt", KEY, **{"kms:ViaService": f"s3.{REGION}.amazonaws.com"})
    assert not allowed(cloud, role, "kms:Decrypt", KEY, **{"kms:ViaService": f"ssm.{REGION}.amazonaws.com"})


SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:kept-1a2b3c"


def tags(stack: str, project: str = "agent-telemetry") -> dict[str, str]:
    return {"aws:ResourceTag/Project": project, "aws:ResourceTag/Stack": stack}


@pytest.mark.parametrize("role", [role for role in ROLES if role.startswith("deploy")])
def test_a_deploy_has_no_hand_in_other_stacks_of_the_account(cloud: Cloud, role: str) -> None:
    for stack in ANY:
        own = stack in STACKS[role]
        for action in ("secretsmanager:GetSecretValue", "ssm:SendCommand", "ec2:DeleteVolume", "kms:Decrypt"):
            assert allowed(cloud, role, action, SECRET, **tags(stack)) is own, (action, stack)
    for stack in ("dev", "prod", "pr-12"):
        bucket = f"arn:aws:s3:::agent-telemetry-{stack}-clickhouse-data-1a2b/key"
        assert allowed(cloud, role, "s3:GetObject", bucket) is (stack in STACKS[role]), bucket
    # What it makes, what others made without our tags, and the shared images.
    assert allowed(cloud, role, "secretsmanager:CreateSecret", SECRET)
    assert allowed(cloud, role, "secretsmanager:GetSecretValue", SECRET, **tags("prod", "another"))
    assert allowed(cloud, role, "ecr:PutImage", "arn:aws:ecr:::repository/images", **tags("bootstrap"))


def test_no_deploy_writes_its_own_rights(cloud: Cloud) -> None:
    for role in cloud.of(ROLE):
        arn = f"arn:aws:iam::{ACCOUNT}:role{role.inputs['path']}{role.inputs['name']}"
        for action in ("iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:PassRole"):
            assert not any(allowed(cloud, one, action, arn) for one in ROLES), (action, arn)
    made = f"arn:aws:iam::{ACCOUNT}:role{IAM_PATH}clickhouse-node"
    assert allowed(cloud, "deploy-dev", "iam:PutRolePolicy", made)
    assert all(item.inputs["path"] == cloud.one(ROLE, "deploy-dev").inputs["path"] for item in cloud.of(POLICY))


def test_a_bucket_is_called_after_as_much_of_the_stack_as_its_denial_names() -> None:
    stack, settings = "x" * LONGEST, Settings.model_construct()
    named = prefix(Context(settings, stack, pulumi_aws.Provider.__new__(pulumi_aws.Provider)), "clickhouse-data")
    assert named == f"agent-telemetry-{stack[:IN_BUCKET]}-"


def test_stacks_that_are_called_alike_are_not_denied_their_own_buckets() -> None:
    settings = OWN.model_copy(
        update={"environments": {"two": ["dev-two"], "dev": ["dev"], "all": ["prod-*"], "prod": ["prod-eu"]}}
    )
    found = made_of(settings)
    for role, bucket, may in (
        ("deploy-two", "dev-two-keys", True),
        ("deploy-dev", "dev-two-keys", False),
        ("deploy-all", "prod-eu-keys", True),
        ("deploy-prod", "prod-eu-keys", True),
        ("deploy-prod", "dev-keys", False),
    ):
        assert allowed(found, role, "s3:GetObject", f"arn:aws:s3:::agent-telemetry-{bucket}/o") is may, (role, bucket)


@pytest.mark.parametrize("role", ["preview-dev", "preview-prod"])
def test_a_preview_changes_nothing(cloud: Cloud, role: str) -> None:
    reads = ("Describe", "Get", "List", "Decrypt")
    actions = [action for item in statements(cloud, role) for action in listed(item["Action"])]
    assert actions and all(action.partition(":")[2].startswith(reads) for action in actions), actions


@pytest.mark.parametrize("role", ["preview-dev", "preview-prod"])
def test_a_preview_reads_no_secret_that_the_account_keeps_elsewhere(cloud: Cloud, role: str) -> None:
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/payments/password"
    assert not allowed(cloud, role, "ssm:GetParameter", parameter)
    assert allowed(
        cloud, role, "ssm:GetParameter", f"arn:aws:ssm:{REGION}::parameter/aws/service/ami-amazon-linux-latest/x"
    )
    assert not allowed(cloud, role, "secretsmanager:GetSecretValue", SECRET, **tags("dev"))
    assert not allowed(cloud, role, "kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/another", **tags("dev"))


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


@pytest.mark.parametrize("kind", ["environments", "previews"])
def test_more_stacks_than_a_role_s_policy_has_room_for_are_refused(kind: str) -> None:
    check_sizes(OWN)
    stacks = [f"team-{number}" for number in range(30)]
    many: Any = {"teams": stacks if kind == "environments" else Preview(stacks=stacks, jobs=["pull_request"])}
    with pytest.raises(UserError, match=r"teams: 30 stacks are \d+ characters.*team-\*"):
        check_sizes(OWN.model_copy(update={kind: many}))
