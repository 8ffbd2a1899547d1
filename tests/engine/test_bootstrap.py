"""`telemetry bootstrap` on a real engine: its state begins here, moves into the bucket, is found there, and moves back."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from infra.aws.bootstrap.state import STACKS_PREFIX, STATE_KEY
from infra.paths import ROOT
from tests.providers.cloud import StandInCloud
from tests.stack import copy_of_the_tree

pytestmark = pytest.mark.timeout(600)
ACCOUNT = "111122223333"
BUCKET = f"state-agent-telemetry-{ACCOUNT}-eu-central-1"


@dataclass
class Account:
    """An account whose resources are the stand-in's, and whose objects are moto's."""

    cloud: StandInCloud
    tree: Path
    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.cloud.environment,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ENDPOINT_URL_IAM": self.endpoint,
            "PYTHONPATH": str(self.tree),
            "COLUMNS": "200",
        }

    @property
    def s3(self) -> Any:
        return self.client("s3")

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name="eu-central-1",
            endpoint_url=self.endpoint,
            aws_access_key_id="stand-in",
            aws_secret_access_key="stand-in",
        )

    def bootstrap(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "infra.cli", "bootstrap", *words],
            cwd=self.tree,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def files(self) -> list[Path]:
        """The state's files here."""
        return [path for path in (self.tree / ".telemetry").rglob("bootstrap.json") if "stacks" in path.parts]

    def objects(self) -> list[str]:
        """The objects in the bucket."""
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def configure(self, **values: Any) -> None:
        file = self.tree / "configs" / "bootstrap.yaml"
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **values}))


@contextmanager
def account(folder: Path) -> Iterator[Account]:
    (folder / "tree" / "docs").mkdir(parents=True)
    tree = copy_of_the_tree(folder / "tree")
    shutil.copy(ROOT / "docs" / "deployer-policy.json", tree / "docs")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        made = Account(StandInCloud(folder), tree, f"http://{host}:{port}")
        made.configure(account=ACCOUNT, repository="acme/telemetry")
        # AWS has the bucket once the engine has made it; the two stand-ins don't know each other.
        with suppress(made.s3.exceptions.BucketAlreadyOwnedByYou):  # moto's objects are the whole process's
            made.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield made
    finally:
        server.stop()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """One account for the tests of this file, in their order."""
    with account(tmp_path_factory.mktemp("bootstrap")) as made:
        yield made


def test_the_committed_example_values_are_refused_and_nothing_is_made(aws: Account) -> None:
    shutil.copy(ROOT / "configs" / "bootstrap.yaml", aws.tree / "configs" / "bootstrap.yaml")
    done = aws.bootstrap("up", check=False)
    assert done.returncode == 1 and "account: 123456789012" in done.stderr and "repository: example/" in done.stderr
    assert not aws.cloud.left() and not aws.files()
    aws.configure(account=ACCOUNT, repository="acme/telemetry")


def test_a_preview_makes_nothing(aws: Account) -> None:
    said = aws.bootstrap("preview").stdout
    assert "aws:s3:Bucket" in said and "aws:iam:Role" in said
    assert not aws.cloud.left() and not aws.objects()


def test_a_destroy_after_a_preview_makes_nothing_either(aws: Account) -> None:
    aws.cloud.forget_operations()
    assert "nothing was up" in aws.bootstrap("destroy").stdout
    assert not aws.cloud.operations("create") and not aws.files()


@pytest.mark.parametrize(
    ("call", "values", "undo", "said"),
    [
        (
            "create_open_id_connect_provider",
            {"Url": "https://token.actions.githubusercontent.com", "ClientIDList": ["sts.amazonaws.com"]},
            lambda made: (
                "delete_open_id_connect_provider",
                {"OpenIDConnectProviderArn": made["OpenIDConnectProviderArn"]},
            ),
            "set `oidcProviderArn: arn:aws:iam::",
        ),
        (
            "create_role",
            {"RoleName": "agent-telemetry-preview-dev", "AssumeRolePolicyDocument": "{}"},
            lambda made: ("delete_role", {"RoleName": made["Role"]["RoleName"]}),
            "the account has the role agent-telemetry-preview-dev already",
        ),
    ],
    ids=["provider", "role"],
)
def test_what_an_account_can_have_once_is_asked_for_first(
    aws: Account, call: str, values: dict[str, Any], undo: Any, said: str
) -> None:
    iam = aws.client("iam")
    made = getattr(iam, call)(**values)
    try:
        aws.cloud.forget_operations()
        done = aws.bootstrap("up", check=False)
        assert done.returncode == 1 and said in done.stderr, done.stderr
        assert not aws.cloud.operations("create")
    finally:
        operation, arguments = undo(made)
        getattr(iam, operation)(**arguments)


def test_up_moves_its_state_into_the_bucket_that_it_made(aws: Account) -> None:
    said = aws.bootstrap("up").stdout
    assert aws.cloud.state.all("aws:s3/bucket:Bucket") and len(aws.cloud.state.all("aws:iam/role:Role")) == 6
    assert STATE_KEY in aws.objects() and not aws.files()
    assert f"pulumi login 's3://{BUCKET}?region=eu-central-1'" in said
    assert "pulumi stack init prod --secrets-provider 'awskms://alias/agent-telemetry-bootstrap" in said
    assert "role deploy-prod: arn:aws:iam:" in said and "role preview-dev: arn:aws:iam:" in said
    assert "as safe as the rules of GitHub's environments" in said


def test_a_second_up_finds_its_state_there_and_changes_nothing(aws: Account) -> None:
    shutil.rmtree(aws.tree / ".telemetry")  # another person, another machine
    aws.cloud.forget_operations()
    said = aws.bootstrap("up").stdout
    assert "unchanged" in said and not aws.cloud.operations("create")
    assert STATE_KEY in aws.objects() and not aws.files()


def test_a_changed_setting_is_a_change_of_what_it_touches(aws: Account) -> None:
    aws.cloud.forget_operations()
    committed = yaml.safe_load((ROOT / "configs" / "bootstrap.yaml").read_text())["environments"]
    aws.configure(environments={**committed, "stage": ["stage"]})
    aws.bootstrap("up")
    assert [item.name for item in aws.cloud.operations("create", "aws:iam/role:Role")] == ["deploy-stage"]
    assert not aws.cloud.operations("delete")


def test_a_move_that_was_cut_off_is_completed_by_the_next_command(aws: Account) -> None:
    state = aws.s3.get_object(Bucket=BUCKET, Key=STATE_KEY)["Body"].read()
    (folder,) = (aws.tree / ".telemetry").glob("bootstrap-*")
    left = folder / "state" / STATE_KEY
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(state)
    aws.bootstrap("up")
    assert STATE_KEY in aws.objects() and not aws.files()


def test_what_somebody_else_previewed_before_is_no_second_state(aws: Account) -> None:
    (folder,) = (aws.tree / ".telemetry").glob("bootstrap-*")
    left = folder / "state" / STATE_KEY
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text(
        '{"version": 3, "checkpoint": {"stack": "organization/agent-telemetry-bootstrap/bootstrap", "latest": null}}'
    )
    aws.bootstrap("up")
    assert STATE_KEY in aws.objects() and not aws.files()


def test_a_killed_command_s_lock_is_named_with_what_clears_it(aws: Account) -> None:
    lock = {"pid": 1, "username": "ann", "hostname": "gone", "timestamp": "2026-11-30T00:00:00Z"}
    key = ".pulumi/locks/organization/agent-telemetry-bootstrap/bootstrap/5b1b2c1e-0000-4000-8000-000000000000.json"
    aws.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(lock).encode())
    done = aws.bootstrap("up", check=False)
    assert done.returncode == 1 and "`telemetry bootstrap unlock --yes` takes its lock away" in done.stderr, done.stderr
    assert "say --yes" in aws.bootstrap("unlock", check=False).stderr and key in aws.objects()
    assert "unlocked" in aws.bootstrap("unlock", "--yes").stdout and key not in aws.objects()
    aws.bootstrap("up")


def test_a_destroy_is_refused_while_a_stacks_state_is_in_the_bucket(aws: Account) -> None:
    key = ".pulumi/stacks/agent-telemetry/prod.json"
    aws.s3.put_object(Bucket=BUCKET, Key=key, Body=b'{"checkpoint": {"latest": {"resources": [{"urn": "urn"}]}}}')
    before = len(aws.cloud.left())
    done = aws.bootstrap("destroy", check=False)
    assert done.returncode == 1 and "agent-telemetry/prod" in done.stderr and "Destroy them first" in done.stderr
    packed = gzip.compress(b'{"checkpoint": {"latest": {"resources": [{"urn": "urn"}]}}}')
    aws.s3.put_object(Bucket=BUCKET, Key=f"{STACKS_PREFIX}agent-telemetry/packed.json.gz", Body=packed)
    assert "agent-telemetry/packed, agent-telemetry/prod" in aws.bootstrap("destroy", check=False).stderr
    aws.s3.delete_object(Bucket=BUCKET, Key=f"{STACKS_PREFIX}agent-telemetry/packed.json.gz")
    assert len(aws.cloud.left()) == before and STATE_KEY in aws.objects()
    aws.s3.put_object(Bucket=BUCKET, Key=key, Body=b'{"checkpoint": {"latest": {}}}')  # a stack that was destroyed


def test_a_destroy_moves_it_back_first_and_leaves_nothing(aws: Account) -> None:
    aws.bootstrap("destroy")
    assert not aws.cloud.left() and not aws.objects() and not aws.files()
    assert "nothing was up" in aws.bootstrap("destroy").stdout


def test_a_destroy_takes_what_a_failed_up_made_and_makes_no_more(tmp_path: Path) -> None:
    with account(tmp_path) as aws:
        for number in (1, 2):
            aws.cloud.fail("create", type="aws:iam/role:Role", urn="::deploy-prod", nth=number)
        assert aws.bootstrap("up", check=False).returncode == 1 and aws.cloud.left() and aws.files()
        aws.cloud.forget_operations()
        aws.bootstrap("destroy")
        assert not aws.cloud.operations("create") and not aws.cloud.left() and not aws.files()
