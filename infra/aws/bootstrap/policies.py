"""What GitHub's roles may do: state, key, and the deployer's policy cut into pieces that IAM takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from infra.aws.bootstrap.settings import EXAMPLE_ACCOUNT, BootstrapSettings
from infra.config import PROJECT
from infra.errors import UserError
from infra.paths import ROOT

DEPLOYER = ROOT / "docs" / "deployer-policy.json"
POLICY_CHARACTERS = 6144
"""Of a managed policy, white space not counted (IAM quotas)."""
BOOTSTRAP = "bootstrap"
"""The bootstrap stack's name."""
IN_BUCKET = 20
"""So many characters of a stack's name are in its buckets' (infra/aws/buckets.py, prefix)."""
LOOK = ("Look", "LookAtMachineImages")
"""The deployer's statements that only read."""
ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
Statement = Mapping[str, Any]


@dataclass(frozen=True)
class Role:
    """One for GitHub's workflows."""

    jobs: Sequence[str]
    """Who may take it, by the subject of GitHub's token without the repository."""
    stacks: Sequence[str]
    writes: bool
    statements: Sequence[Statement]
    """What it may beside the state and the secrets of its stacks."""

    def of_state(self, bucket_arn: str, key_arn: str, region: str) -> list[Statement]:
        """The state and the secrets of its stacks."""
        return state_statements(bucket_arn, key_arn, region, self.stacks, self.writes)


def roles(found: BootstrapSettings) -> dict[str, Role]:
    """All of them, without the prefix of their names."""
    looks, deploys = look_statements(found), deployer_statements(found)
    return {
        **{f"preview-{name}": Role(may.jobs, may.stacks, False, looks) for name, may in found.previews.items()},
        # A job that names an environment has it as its subject, whatever its branch: the branch is the environment's own
        # rule, set on GitHub.
        **{
            f"deploy-{name}": Role(
                [f"environment:{name}"], stacks, True, [*deploys, *other_stacks_statements(found, stacks)]
            )
            for name, stacks in found.environments.items()
        },
    }


def trust(provider_arn: str, repository: str, subjects: Sequence[str]) -> str:
    """Who may take a role: this repository's jobs with one of these subjects (GitHub, "OpenID Connect in AWS")."""
    whole = [f"repo:{repository}:{subject}" for subject in subjects]
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{ISSUER}:aud": AUDIENCE}, "StringLike": {f"{ISSUER}:sub": whole}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)


def state_statements(bucket_arn: str, key_arn: str, region: str, stacks: Sequence[str], write: bool) -> list[Statement]:
    """The state of these stacks in the bucket, by the file layout of Pulumi's own backends, and their secrets.

    Nothing of another stack's can be read: neither its file nor, by the encryption context, its secrets.
    """
    # Its locks too, which lie one folder deeper: IAM's * takes slashes.
    below = [f"{bucket_arn}/.pulumi/*/{PROJECT}/{stack}{end}" for stack in stacks for end in ("", ".*", "/*")]
    own, by_s3 = {"kms:EncryptionContext:stack": list(stacks)}, {"kms:ViaService": f"s3.{region}.amazonaws.com"}
    found: list[Statement] = [
        {
            "Sid": "Bucket",
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
            "Resource": bucket_arn,
        },
        {"Sid": "Layout", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket_arn}/.pulumi/meta.yaml"},
        {
            "Sid": "State",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] if write else "s3:GetObject",
            "Resource": sorted(below),
        },
        {
            "Sid": "StateAtRest",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"] if write else "kms:Decrypt",
            "Resource": key_arn,
            "Condition": {"StringEquals": by_s3},
        },
        {
            "Sid": "Secrets",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:Encrypt"] if write else "kms:Decrypt",
            "Resource": key_arn,
            "Condition": {"StringLike": own},
        },
    ]
    if write:
        # The deployer's policy lets it use every key of the account, this one too. A request without a context is refused.
        found.append(
            {
                "Sid": "NoOtherSecrets",
                "Effect": "Deny",
                "Action": "kms:*",
                "Resource": key_arn,
                "Condition": {"StringNotLike": own, "StringNotEquals": by_s3},
            }
        )
        # The first stack in a bucket writes down which layout it has.
        found.append(
            {
                "Sid": "FirstLayout",
                "Effect": "Allow",
                "Action": "s3:PutObject",
                "Resource": f"{bucket_arn}/.pulumi/meta.yaml",
            }
        )
    return found


def deployer_statements(settings: BootstrapSettings) -> list[Statement]:
    """docs/deployer-policy.json for this account."""
    text = DEPLOYER.read_text().replace(EXAMPLE_ACCOUNT, settings.account)
    return json.loads(text)["Statement"]


def other_stacks_statements(settings: BootstrapSettings, stacks: Sequence[str]) -> list[Statement]:
    """What keeps a role that deploys these stacks from the others' resources in the same account.

    By the tags that everything has, where a service tells IAM of tags, and by buckets' names, since S3 does not. What the
    bootstrap made is for all (the image repository); the state and its key have their own statements. What IAM can't tell
    apart is left: docs/pull-requests.md.
    """

    def may(other: str) -> bool:
        """Whether the role has it, or one whose buckets are called alike (dev-two's, where it is dev's)."""
        return any(fnmatchcase(other, stack) or fnmatchcase(f"{stack}-", f"{other}-*") for stack in stacks)

    buckets = [f"arn:aws:s3:::{PROJECT}-{other[:IN_BUCKET]}-*" for other in settings.stacks if not may(other)]
    tagged: Statement = {
        "Sid": "NoOtherStacks",
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {
            "StringEquals": {"aws:ResourceTag/Project": PROJECT},
            "StringNotLike": {"aws:ResourceTag/Stack": [*stacks, BOOTSTRAP]},
        },
    }
    named: Statement = {"Sid": "NoOtherBuckets", "Effect": "Deny", "Action": "s3:*", "Resource": buckets}
    return [tagged, named] if buckets else [tagged]


def look_statements(settings: BootstrapSettings) -> list[Statement]:
    """Only what reads: for previews."""
    return [item for item in deployer_statements(settings) if item["Sid"] in LOOK]


def check_sizes(found: BootstrapSettings) -> None:
    """Raises UserError for a role with more stacks than one policy of their state has room for."""
    bucket, key = f"arn:aws:s3:::{found.bucket}", f"arn:aws:kms:{found.region}:{found.account}:key/{'0' * 36}"
    for name, role in roles(found).items():
        if (size := len(_text(role.of_state(bucket, key, found.region)))) > POLICY_CHARACTERS:
            raise UserError(
                f"configs/bootstrap.yaml: {name}: {len(role.stacks)} stacks are {size} characters of a role's policy, and IAM takes "
                f"{POLICY_CHARACTERS}: name several by one pattern (team-*)"
            )


def documents(statements: Sequence[Statement]) -> list[str]:
    """Policies that hold all statements, each as large as IAM takes. Raises ValueError for a statement that is larger."""
    made: list[list[Statement]] = []
    for statement in sorted(statements, key=lambda item: -len(_text([item]))):
        if len(_text([statement])) > POLICY_CHARACTERS:
            raise ValueError(f"statement {statement.get('Sid')} is larger than a policy may be")
        room = next((found for found in made if len(_text([*found, statement])) <= POLICY_CHARACTERS), None)
        if room is None:
            made.append([statement])
        else:
            room.append(statement)
    return [_text(found) for found in made]


def _text(statements: Sequence[Statement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, separators=(",", ":"), sort_keys=True)
