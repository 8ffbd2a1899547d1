"""Where the bootstrap stack's own state is: at first a file here, then in the bucket that it made; before a destroy back.

    up       the file (or nothing) ── up ──▶ the bucket is there ── move ──▶ the bucket has the state, the file is gone
    up       the bucket has the state ── up
    destroy  the bucket has the state ── move back ──▶ the file ── destroy ──▶ nothing

A move copies, compares what arrived, and only then removes. One that was cut off leaves both: the next command finds that
they are the same and removes the source, or refuses when they are not.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pulumi import automation
from pulumi.automation._stack import StackInitMode

from infra.automation import LOCAL_PASSPHRASE, KnownCommand, StackWithoutHistory, engine_environment
from infra.aws.api import as_user_error, client
from infra.aws.bootstrap.policies import BOOTSTRAP
from infra.aws.bootstrap.settings import BootstrapSettings
from infra.errors import UserError
from infra.local.toolchain import Toolchain
from infra.paths import stack_folder

PROJECT = "agent-telemetry-bootstrap"
STATE_KEY = f".pulumi/stacks/{PROJECT}/{BOOTSTRAP}.json"
STACKS_PREFIX = ".pulumi/stacks/"
Place = Literal["file", "bucket"]


class Home:
    """Opens the stack where its state is, and moves it."""

    def __init__(self, found: BootstrapSettings, toolchain: Toolchain, program: Callable[[], None]):
        self._found, self._toolchain, self._program = found, toolchain, program
        self._folder = stack_folder(f"{BOOTSTRAP}-{found.account}-{found.region}")

    @property
    def file(self) -> Path:
        """The state while it is here."""
        return self._folder / "state" / STATE_KEY

    def place(self) -> Place | None:
        """Where the state is; None before the first `up`. Clears what a move that was cut off left. Raises UserError."""
        there, here = self._in_bucket(), self.file.exists()
        if here and self._empty():  # a preview's, or a destroyed stack's: it tells of nothing
            self._forget("file")
            here = False
        if there and here:
            if _identity(self._open("file").export_stack()) != _identity(self._open("bucket").export_stack()):
                raise UserError(
                    f"the bootstrap's state is in {self._found.bucket} and in {self.file}, and they differ: two people at once? "
                    "Keep the newer one and remove the other file"
                )
            self._forget("file")
        return "bucket" if there else "file" if here else None

    def made(self) -> list[str]:
        """The URNs of what the state knows of."""
        place = self.place()
        return [urn for urn, _ in _identity(self._open(place).export_stack())] if place else []

    def unlock(self) -> bool:
        """Takes away what a killed command left locked. False where there is no state."""
        place = self.place()
        if place:
            self._open(place).cancel()
        return place is not None

    def open(self) -> automation.Stack:
        """The stack where it is; a new one in the file."""
        return self._open(self.place() or "file")

    def to_bucket(self) -> None:
        """Moves the state into the bucket, which must be there."""
        if self.place() == "file":
            self._move("file", "bucket")

    def to_file(self) -> None:
        """Moves the state back here. Raises UserError while other stacks' state is in the bucket."""
        if self.place() != "bucket":
            return
        self.check_alone()
        self._move("bucket", "file")
        self._empty_bucket()

    def check_alone(self) -> None:
        """Raises UserError while other stacks' state is in the bucket."""
        if others := self.other_stacks():
            raise UserError(
                f"the bucket {self._found.bucket} has the state of other stacks: {', '.join(others)}. Destroy them first "
                "(`telemetry down --name …`): without their state nobody knows what they made"
            )

    def other_stacks(self) -> list[str]:
        """Stacks that have resources in the bucket's state, as project/stack."""
        s3, found = client("s3", self._found.region), []
        with as_user_error(f"bucket {self._found.bucket}"):
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._found.bucket, Prefix=STACKS_PREFIX)
            for item in (item for page in pages for item in page.get("Contents", [])):
                key = item["Key"]
                name = key.removeprefix(STACKS_PREFIX).removesuffix(".gz")  # PULUMI_SELF_MANAGED_STATE_GZIP
                if key == STATE_KEY or not name.endswith(".json"):
                    continue
                text = s3.get_object(Bucket=self._found.bucket, Key=key)["Body"].read()
                body = json.loads(gzip.decompress(text) if key.endswith(".gz") else text)
                if body.get("checkpoint", {}).get("latest", {}).get("resources"):
                    found.append(name.removesuffix(".json"))
        return sorted(found)

    def remove(self) -> None:
        """Forgets the destroyed stack."""
        self._forget("file")

    def _move(self, source: Place, target: Place) -> None:
        state = self._open(source).export_stack()
        after = self._open(target)
        after.import_stack(state)
        if _identity(after.export_stack()) != _identity(state):
            raise UserError(f"the bootstrap's state did not arrive whole in the {target}; it is still in the {source}")
        self._forget(source)

    def _forget(self, place: Place) -> None:
        """Removes the state, not what it tells of."""
        self._open(place).workspace.remove_stack(BOOTSTRAP, force=True)

    def _empty(self) -> bool:
        """Whether the state here tells of nothing, neither made nor being made."""
        try:
            latest = json.loads(self.file.read_text())["checkpoint"].get("latest") or {}
        except (OSError, KeyError, ValueError):
            return False
        return not (latest.get("resources") or latest.get("pending_operations"))

    def _in_bucket(self) -> bool:
        from botocore.exceptions import ClientError

        with as_user_error(f"bucket {self._found.bucket}"):
            try:
                client("s3", self._found.region).head_object(Bucket=self._found.bucket, Key=STATE_KEY)
            except ClientError as error:
                # A bucket that is not there answers 404 as well; one of somebody else's 403, which is an error.
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return False
                raise
        return True

    def _open(self, place: Place) -> automation.Stack:
        (self._folder / "state").mkdir(parents=True, exist_ok=True)
        url = (self._folder / "state").as_uri() if place == "file" else self._found.state_url
        workspace = automation.LocalWorkspace(
            work_dir=str(self._folder),
            program=self._program,
            project_settings=automation.ProjectSettings(PROJECT, "python"),
            env_vars={
                **engine_environment(self._toolchain.pulumi_root),
                "PULUMI_BACKEND_URL": url,
                # There is no secret in it: no password and no key is made by this stack.
                "PULUMI_CONFIG_PASSPHRASE": LOCAL_PASSPHRASE,
                "PULUMI_HOME": os.environ.get("PULUMI_HOME") or str(self._folder / "pulumi"),
            },
            pulumi_command=KnownCommand(self._toolchain),
        )
        return StackWithoutHistory(BOOTSTRAP, workspace, StackInitMode.CREATE_OR_SELECT)

    def _empty_bucket(self) -> None:
        """Deletes what is left of the moved state, all versions: AWS deletes empty buckets only."""
        s3 = client("s3", self._found.region)
        with as_user_error(f"bucket {self._found.bucket}"), suppress(s3.exceptions.NoSuchBucket):
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=self._found.bucket):
                listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                if listed:
                    keys = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in listed]
                    done = s3.delete_objects(Bucket=self._found.bucket, Delete={"Objects": keys, "Quiet": True})
                    for refused in done.get("Errors", []):
                        raise UserError(f"s3://{self._found.bucket}/{refused['Key']}: {refused.get('Message')}")


def _identity(state: automation.Deployment) -> list[tuple[str, str]]:
    """By which two states are told to be the same: every resource and its id."""
    resources: list[dict[str, Any]] = (state.deployment or {}).get("resources") or []
    return sorted((item["urn"], item.get("id", "")) for item in resources)
