"""GitHub's roles against a real engine: state in S3, secrets by KMS, and IAM's answer to each request by the bootstrap's policies."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from botocore.exceptions import ClientError
from pulumi import automation

from infra import backend
from infra.aws.bootstrap.policies import documents, roles
from infra.aws.bootstrap.settings import KEY_ALIAS, BootstrapSettings, Preview
from infra.config import PROJECT
from infra.errors import UserError
from infra.local.toolchain import Toolchain, ensure
from infra.paths import ROOT
from tests.engine.fenced_account import Asked, FencedAccount, fenced_account

pytestmark = pytest.mark.timeout(300)
CANARY = "s3cr3t-canary"
RUN = f"t{os.getpid()}{secrets.token_hex(2)}"
DEV, PROD, PR, OLD = (f"{RUN}-{name}" for name in ("dev", "prod", "pr-7", "old"))
OWN = BootstrapSettings(
    account="123456789012",
    region="eu-central-1",
    repository="acme/telemetry",
    previews={
        "dev": Preview(stacks=[DEV], jobs=["environment:preview-dev"]),
        "old": Preview(stacks=[OLD], jobs=["environment:preview-old"]),
    },
    environments={"dev": [DEV], "prod": [PROD], "ephemeral": [DEV, f"{RUN}-pr-*"], "alone": [f"{RUN}-pr-*"]},
)


@dataclass
class Account:
    """The account with its bootstrap made, and the engine on its bucket."""

    door: FencedAccount
    engine: Toolchain
    home: Path

    def sign_in(self, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
        for key, value in self.door.environment(who).items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("PULUMI_BACKEND_URL", OWN.state_url)
        monkeypatch.setenv("PULUMI_HOME", str(self.home))
        for key in ("PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE"):
            monkeypatch.delenv(key, raising=False)
        self.door.asked.clear()

    def stack(self, name: str, create: bool = False) -> automation.Stack:
        found = backend.find_stack(name, self.engine, borrower if name == PR else program, create=create)
        assert found
        return found


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Stacks dev, prod and an old one, each with a secret output, and made by the administrator."""
    files = [ROOT / f"Pulumi.{name}.yaml" for name in (DEV, PROD, PR, OLD)]
    with fenced_account() as door, pytest.MonkeyPatch.context() as patch:
        made = Account(door, ensure(["pulumi"]), tmp_path_factory.mktemp("home"))
        door.client("s3").create_bucket(Bucket=OWN.bucket, CreateBucketConfiguration={"LocationConstraint": OWN.region})
        key = door.client("kms").create_key()["KeyMetadata"]
        door.client("kms").create_alias(AliasName=KEY_ALIAS, TargetKeyId=key["KeyId"])
        door.key_arn = key["Arn"]
        for name, role in roles(OWN).items():
            state = role.of_state(f"arn:aws:s3:::{OWN.bucket}", door.key_arn, OWN.region)
            texts = [*documents(role.statements), *documents(state)]
            door.roles[name] = [item for text in texts for item in json.loads(text)["Statement"]]
        made.sign_in(patch, "administrator")
        try:
            for name in (DEV, PROD):
                write(name, {"secretsprovider": OWN.secrets_provider(name)})
                made.stack(name, create=True).up(show_secrets=False)
            yield made
        finally:
            for path in files:
                path.unlink(missing_ok=True)


def write(name: str, content: Mapping[str, Any]) -> Path:
    path = ROOT / f"Pulumi.{name}.yaml"
    path.write_text(yaml.safe_dump({**content, "config": {f"{PROJECT}:platform": "aws"}}))
    return path


def program() -> None:
    """Outputs alone: state and secrets are this file's subject."""
    pulumi.export("lent", "vpc-1")
    pulumi.export("hidden", pulumi.Output.secret(CANARY))


def borrower() -> None:
    """As infra/aws/lent.py does it: the plain output of a stack that has secret ones too."""
    lender = pulumi.StackReference("shareStack", stack_name=f"organization/{PROJECT}/{DEV}")
    pulumi.export("borrowed", lender.get_output("lent"))


def contexts(asked: list[Asked]) -> list[Mapping[str, str]]:
    """The encryption contexts that KMS was given, without what S3 asks for."""
    return [item.context for item in asked if item.action == "kms:Decrypt" and "kms:ViaService" not in item.context]


def test_a_preview_s_role_previews_its_own_stack_and_writes_nothing(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.sign_in(monkeypatch, "preview-dev")
    assert account.stack(DEV).preview().change_summary == {"same": 1}
    asked = account.door.asked
    assert all(item.who == "preview-dev" and item.allowed for item in asked), account.door.refused("preview-dev")
    assert contexts(asked) and all(item == {"kms:EncryptionContext:stack": DEV} for item in contexts(asked))
    assert {item.action for item in asked} == {"s3:GetObject", "s3:ListBucket", "kms:Decrypt"}
    keys = {item.resource.partition(f"{OWN.bucket}/.pulumi/")[2] for item in asked if item.action == "s3:GetObject"}
    assert keys == {"meta.yaml", f"stacks/{PROJECT}/{DEV}.json", f"stacks/{PROJECT}/{DEV}.pulumi-tags"}


@pytest.mark.parametrize("role", ["preview-dev", "deploy-dev", "deploy-ephemeral"])
def test_prod_s_state_and_secrets_are_closed_to_it(
    account: Account, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    account.sign_in(monkeypatch, role)
    with pytest.raises(UserError, match=rf"(?s){PROD}.*PermissionDenied.*configs/bootstrap\.yaml says which stacks"):
        account.stack(PROD)
    s3, kms = account.door.client("s3", role), account.door.client("kms", role)
    for key in (item["Key"] for item in s3.list_objects_v2(Bucket=OWN.bucket)["Contents"] if PROD in item["Key"]):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.get_object(Bucket=OWN.bucket, Key=key)
    # The encrypted key is in git. It opens under its own context alone, and that is refused.
    kept = base64.b64decode(yaml.safe_load((ROOT / f"Pulumi.{PROD}.yaml").read_text())["encryptedkey"])
    for context, said in (
        ({"stack": PROD}, "AccessDenied"),
        ({}, "AccessDenied"),
        ({"stack": DEV}, "InvalidCiphertext"),
    ):
        with pytest.raises(ClientError, match=said):
            kms.decrypt(CiphertextBlob=kept, EncryptionContext=context)
    assert account.door.client("kms").decrypt(CiphertextBlob=kept, EncryptionContext={"stack": PROD})["Plaintext"]


def test_a_deploy_s_role_brings_its_own_stack_up_and_no_other(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.sign_in(monkeypatch, "deploy-prod")
    stack = account.stack(PROD)
    stack.up(show_secrets=False)
    stack.refresh(show_secrets=False)
    assert not account.door.refused("deploy-prod")
    with pytest.raises(UserError, match="PermissionDenied"):
        account.stack(DEV)


def test_who_borrows_from_a_stack_must_be_let_read_it(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    write(PR, {"secretsprovider": OWN.secrets_provider(PR)})
    account.sign_in(monkeypatch, "deploy-alone")
    stack = account.stack(PR, create=True)
    with pytest.raises(automation.CommandError, match=rf"{DEV}\.json.*PermissionDenied"):
        stack.up(show_secrets=False)
    account.sign_in(monkeypatch, "deploy-ephemeral")
    stack = account.stack(PR)
    stack.up(show_secrets=False)
    assert backend.outputs(PR, account.engine)["borrowed"] == "vpc-1"
    # The lender's secret outputs are opened on the way: by the lender's context, not the borrower's.
    assert {"kms:EncryptionContext:stack": DEV} in contexts(account.door.asked)
    stack.destroy(show_secrets=False)
    workspace = backend.account_workspace(account.engine)
    workspace.ask(["stack", "rm", PR, "--yes", "--remove-backups", "--preserve-config"])
    assert not account.door.refused("deploy-ephemeral")
    left = account.door.client("s3").list_objects_v2(Bucket=OWN.bucket)["Contents"]
    assert not [item for item in left if PR in item["Key"]]


def test_a_stack_from_before_is_told_to_write_its_secrets_anew(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = OWN.secrets_provider(OLD).replace(f"&context_stack={OLD}", "")
    path = write(OLD, {"secretsprovider": bare})
    account.sign_in(monkeypatch, "administrator")
    workspace = backend.account_workspace(account.engine, program, bare)
    automation.Stack.create(OLD, workspace).up(show_secrets=False)

    with pytest.raises(UserError) as refused:
        backend.find_stack(OLD, account.engine, program)
    said = str(refused.value)
    words = next(line for line in said.splitlines() if "change-secrets-provider" in line).split()
    assert words[:3] == ["pulumi", "stack", "change-secrets-provider"] and path.name in said
    # It is not our word alone: the role may not open them.
    account.sign_in(monkeypatch, "preview-old")
    with pytest.raises(automation.CommandError, match="AccessDenied"):
        workspace.ask(["stack", "output", "--show-secrets", "--json", "--stack", OLD])

    account.sign_in(monkeypatch, "administrator")
    workspace.ask([word.strip("'") for word in words[1:]])
    account.sign_in(monkeypatch, "preview-old")
    assert account.stack(OLD).preview().change_summary == {"same": 1}
    assert workspace.ask(["stack", "output", "hidden", "--show-secrets", "--stack", OLD]).strip() == CANARY
    assert not account.door.refused("preview-old")
