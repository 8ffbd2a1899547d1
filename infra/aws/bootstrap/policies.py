"""What GitHub's roles may do: state, key, and the deployer's policy cut into pieces that IAM takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from infra.aws.bootstrap.settings import EXAMPLE_ACCOUNT, BootstrapSettings
from infra.config import PROJECT
from infra.errors import UserError
from infra.paths import ROOT

DEPLOYER = ROOT / "docs" / "deployer-policy.json"
POLICY_CHARACTERS = 6144
"""Of a managed policy, white space not counted (IAM quotas)."""
LOOK = "Look"
"""The deployer's statement that only reads."""
ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
Statement = Mapping[str, Any]


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
            "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
        },
        {
            "Sid": "Secrets",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:Encrypt"] if write else "kms:Decrypt",
            "Resource": key_arn,
            "Condition": {"StringLike": {"kms:EncryptionContext:stack": list(stacks)}},
        },
    ]
    if write:
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


def look_statements(settings: BootstrapSettings) -> list[Statement]:
    """Only what reads: for previews."""
    return [item for item in deployer_statements(settings) if item["Sid"] == LOOK]


def check_sizes(found: BootstrapSettings) -> None:
    """Raises UserError for an environment with more stacks than one policy of its state has room for."""
    bucket, key = f"arn:aws:s3:::{found.bucket}", f"arn:aws:kms:{found.region}:{found.account}:key/{'0' * 36}"
    everybody = {stack for stacks in found.environments.values() for stack in stacks}
    roles = {"environments": everybody} if found.previews else {}
    for name, stacks in {
        **roles,
        **{f"environments: {name}": set(of) for name, of in found.environments.items()},
    }.items():
        statements = state_statements(bucket, key, found.region, sorted(stacks), True)
        if (size := len(_text(statements))) > POLICY_CHARACTERS:
            raise UserError(
                f"configs/bootstrap.yaml: {name}: {len(stacks)} stacks are {size} characters of a role's policy, and IAM takes "
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
