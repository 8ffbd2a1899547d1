"""How ephemeral stacks end: by the real engine, their state in an S3 bucket, from a machine that has none of their files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import pulumi
import pulumi_aws as aws
import pytest
from moto.server import ThreadedMotoServer
from pulumi import automation

from infra import backend
from infra.aws.holdings import Holding
from infra.cli.ephemeral_left import of_no_stack
from infra.config import PROJECT
from infra.ephemeral.account import Account, Known
from infra.ephemeral.record import Record
from infra.ephemeral.standing import standing
from infra.ephemeral.teardown import destroy
from infra.errors import UserError
from infra.paths import ROOT
from tests.providers.cloud import REGION, StandInCloud

pytestmark = pytest.mark.timeout(900)
BUCKET = "states"
SUBNET = "aws:ec2/subnet:Subnet"
NOW = datetime.now(UTC).replace(microsecond=0)
RECORD = Record(NOW + timedelta(hours=8), NOW, "acme/telemetry/pull/7", "c0ffee", "aws", "dev", ("network",))


def program() -> None:
    """Something to delete: a chain and a thing beside it."""
    provider = aws.Provider("aws", region=REGION)
    opts = pulumi.ResourceOptions(provider=provider)
    vpc = aws.ec2.Vpc("vpc", cidr_block="10.80.0.0/16", opts=opts)
    for number in (1, 2):
        aws.ec2.Subnet(f"subnet-{number}", vpc_id=vpc.id, cidr_block=f"10.80.{number}.0/24", opts=opts)
    aws.s3.Bucket("bucket", force_destroy=True, opts=opts)
    pulumi.export("hidden", pulumi.Output.secret("s3cr3t"))


class Machine:
    """A checkout whose engine works on one account, with its states in a bucket there."""

    def __init__(self, cloud: StandInCloud, folder: Path, server: ThreadedMotoServer) -> None:
        self.cloud, self.folder, self.server = cloud, folder, cast(Any, server)._server
        self.account = Account(cloud.toolchain)
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        self.s3: Any = boto3.client("s3", region_name=REGION, endpoint_url=endpoint)
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.said: list[str] = []

    def make(self, name: str, record: Record | None = RECORD) -> None:
        """Brings a stack up, and then has no file of it any more."""
        path = self.folder / f"Pulumi.{name}.yaml"
        path.write_text(f"config:\n  {PROJECT}:platform: aws\n")
        stack = backend.find_stack(name, self.cloud.toolchain, program, create=True)
        assert stack
        if record:
            self.account.mark(name, record)
        stack.up(on_output=lambda _: None)
        path.unlink()

    def known(self, name: str) -> Known:
        found = self.account.find(name)
        assert found
        return found

    def stands(self, name: str) -> str:
        """As `telemetry ephemeral list` tells it."""
        return standing(self.known(name), self.account.history(name), datetime.now(UTC))

    def entered(self, name: str, record: Record = RECORD) -> None:
        """As an `up` enters a stack before anything is made."""
        path = self.folder / f"Pulumi.{name}.yaml"
        path.write_text(f"config:\n  {PROJECT}:platform: aws\n")
        assert backend.find_stack(name, self.cloud.toolchain, program, create=True)
        self.account.mark(name, record)

    def end(self, name: str, tries: int = 3) -> None:
        known = self.known(name)
        with self.account.opened(known) as stack:
            unlock = lambda: self.account.unlock(name)  # noqa: E731
            destroy(stack, {"on_output": lambda _: None}, self.said.append, tries, pause_seconds=0, unlock=unlock)
        self.account.forget(name)

    def objects(self, name: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [item["Key"] for item in listed if f"/{name}" in item["Key"]]

    @contextmanager
    def role_without(self, name: str) -> Iterator[None]:
        """As AWS answers a role that may list the bucket and read nothing of this stack's."""
        answers = self.server.app

        def refusing(environ: dict[str, Any], start: Any) -> Any:
            if f"/{name}" in environ["PATH_INFO"]:
                start("403 Forbidden", [("Content-Type", "application/xml")])
                return [b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"]
            return answers(environ, start)

        self.server.app = refusing
        try:
            yield
        finally:
            self.server.app = answers

    def lock(self, name: str, hours: float) -> str:
        """What a command left that began so long ago."""
        taken = datetime.now(UTC) - timedelta(hours=hours)
        lock = {"pid": 1, "username": "runner", "hostname": "gone", "timestamp": taken.isoformat()}
        key = f".pulumi/locks/organization/{PROJECT}/{name}/5b1b2c1e-0000-4000-8000-000000000000.json"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(lock).encode())
        return key

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("Pulumi.*.yaml"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "infra").symlink_to(ROOT / "infra")
    (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    cloud = StandInCloud(tmp_path_factory.mktemp("account"))
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            endpoint = "http://{}:{}".format(*server.get_host_and_port())
            environment = {**cloud.environment, "AWS_ENDPOINT_URL_S3": endpoint}
            for key, value in (environment | {"PULUMI_BACKEND_URL": f"s3://{BUCKET}?region={REGION}"}).items():
                patch.setenv(key, value)
            for module in ("infra.config", "infra.backend", "infra.ephemeral.account"):
                patch.setattr(f"{module}.ROOT", folder)
            yield Machine(cloud, folder, server)
    finally:
        server.stop()


def test_a_stack_is_found_and_ends_without_its_file(machine: Machine) -> None:
    machine.make("pr-7")
    machine.make("other", record=None)
    assert machine.files() == []
    assert machine.account.all() == [Known("pr-7", RECORD, 6)], "nothing that is not ephemeral"
    later = replace(RECORD, expires=NOW + timedelta(days=2))
    machine.account.mark("pr-7", later)
    assert machine.account.all() == [Known("pr-7", later, 6)], "an extended one"
    assert machine.account.crypto("pr-7").keys() == {"encryptionsalt"}
    before = len(machine.cloud.left())
    machine.end("pr-7")
    assert len(machine.cloud.left()) == before - 4
    assert machine.objects("pr-7") == [] and machine.account.find("pr-7") is None
    assert machine.files() == [] and machine.objects("other"), "nothing of anybody else's"
    assert machine.known("other").record is None


def test_what_could_not_be_deleted_is_tried_again_and_the_rest_does_not_wait(machine: Machine) -> None:
    machine.make("pr-8")
    machine.cloud.forget_operations()
    machine.cloud.fail("delete", type=SUBNET, message="DependencyViolation: an interface is in use")
    machine.end("pr-8")
    assert machine.said == ["pr-8: not everything could be deleted; refreshed and tried again in 0 s"]
    failed = [item for item in machine.cloud.operations("delete") if item.error]
    assert len(failed) == 1 and failed[0].type == SUBNET
    assert machine.objects("pr-8") == [] and not [item for item in machine.cloud.left() if "pr-8" in item]


def test_a_destroy_is_given_up_at_last_and_goes_on_with_the_next_command(machine: Machine) -> None:
    machine.make("pr-9")
    before = len(machine.cloud.state.all(SUBNET))
    for number in (1, 2):
        for name in ("subnet-1", "subnet-2"):
            machine.cloud.fail("delete", type=SUBNET, urn=f"::{name}", nth=number)
    with pytest.raises(UserError, match="not everything could be deleted in 2 tries"):
        machine.end("pr-9", tries=2)
    assert len(machine.cloud.state.all(SUBNET)) == before, "both failed twice"
    assert machine.account.all() == [Known("pr-9", RECORD, machine.known("pr-9").resources)], "and it stays known"
    assert machine.known("pr-9").resources < 6 and machine.files() == []
    machine.end("pr-9")
    assert machine.account.all() == [] and machine.objects("pr-9") == []


def test_a_lock_is_taken_away_where_asked_and_a_state_that_was_left_behind_is_removed(machine: Machine) -> None:
    machine.make("pr-10")
    machine.lock("pr-10", hours=0)
    with pytest.raises(UserError, match="another command works on pr-10"):
        machine.end("pr-10")
    assert machine.known("pr-10").resources == 6
    machine.account.unlock("pr-10")
    with machine.account.opened(machine.known("pr-10")) as stack:
        stack.destroy(on_output=lambda _: None)  # as `pulumi destroy` does
    assert machine.account.all() == [Known("pr-10", RECORD, 0)] and machine.objects("pr-10")
    machine.end("pr-10")
    assert machine.account.all() == [] and machine.objects("pr-10") == []


def test_a_lock_is_left_behind_when_it_is_older_than_any_command(machine: Machine) -> None:
    machine.make("pr-11", replace(RECORD, expires=NOW - timedelta(days=2)))
    key = machine.lock("pr-11", hours=5)
    with pytest.raises(UserError, match="another command works on pr-11"):
        machine.end("pr-11")
    assert key in machine.objects("pr-11"), "somebody may be taking it down by hand, however long its time is over"
    machine.lock("pr-11", hours=7)
    machine.end("pr-11")
    assert "lock was left behind" in machine.said[-1] and machine.objects("pr-11") == []


def test_a_stack_that_the_role_may_not_read_is_not_taken_for_one_that_is_gone(machine: Machine) -> None:
    machine.make("try-me")
    held = [Holding(name, f"arn:{name}", "ec2:instance", "running", True, "terminate") for name in ("try-me", "pr-99")]
    with machine.role_without("try-me"):
        assert machine.account.all() == [], "the engine lists it not, and says nothing of it"
        left, hidden = of_no_stack(machine.account, held)
    assert left == [held[1]], "what is left of a stack without a state"
    (said,) = hidden
    assert said.startswith("  try-me: AWS has 1 of it") and "can't be read" in said and "terminate" not in said
    assert of_no_stack(machine.account, held) == ([held[1]], []), "it is up, as who may read it sees"
    machine.end("try-me")
    assert of_no_stack(machine.account, held) == (held, [])


def test_how_a_stack_stands_is_the_engine_s_own_word_and_what_a_command_has_written_down(machine: Machine) -> None:
    machine.cloud.fail("create", type=SUBNET, message="no luck")
    with pytest.raises(automation.CommandError):
        machine.make("pr-12")
    assert machine.stands("pr-12") == "half up"
    machine.make("pr-12")
    assert machine.stands("pr-12") == "up"
    with pytest.raises(KeyboardInterrupt), machine.account.at_work("pr-12", "up", others=False):
        assert machine.stands("pr-12") == "coming up" and machine.known("pr-12").busy()
        with machine.account.at_work("pr-12", "down", others=True):
            assert machine.stands("pr-12") == "coming up", "whose lock it is"
        raise KeyboardInterrupt
    assert machine.stands("pr-12") == "up" and not machine.known("pr-12").busy()
    for number in (1, 2):
        machine.cloud.fail("delete", type=SUBNET, urn="::subnet-1", nth=number)
    with pytest.raises(UserError), machine.account.at_work("pr-12", "down", others=False):
        assert machine.stands("pr-12") == "being ended"
        machine.end("pr-12", tries=2)
    assert machine.stands("pr-12") == "half ended"
    machine.end("pr-12")


def test_what_an_up_has_entered_is_taken_back_only_when_nobody_else_has_it_in_hand(machine: Machine) -> None:
    machine.entered("pr-13")
    assert machine.account.all() == [Known("pr-13", RECORD, 0)]
    machine.lock("pr-13", hours=0)
    assert not machine.account.take_back("pr-13", RECORD), "a command works on it"
    machine.account.unlock("pr-13")
    assert not machine.account.take_back("pr-13", replace(RECORD, made=NOW - timedelta(minutes=1))), (
        "another one's by now"
    )
    assert machine.known("pr-13").record == RECORD
    assert machine.account.take_back("pr-13", RECORD)
    assert machine.account.find("pr-13") is None and machine.objects("pr-13") == []
    assert machine.account.take_back("pr-13", RECORD), "it never was entered"
    (machine.folder / "Pulumi.pr-13.yaml").unlink()
    machine.make("pr-14")
    assert not machine.account.take_back("pr-14", RECORD) and machine.known("pr-14").resources == 6
    machine.end("pr-14")
