"""A node's bundle, applied: SSM Run Command has the node fetch it, and waits until the node serves again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from infra.aws.commands import run_command, wait_online
from infra.dynamic import plain_props
from infra.errors import UserError
from infra.paths import CONFIGS
from infra.templates import render

ONLINE_SECONDS = 600
"""A new instance boots and registers; a stopped one starts."""
APPLY_SECONDS = 2700
"""The node's own waits (apply/service.py) end before."""
WATCHED = ("instance_id", "sha256", "triggers")
BUCKET_NAME = re.compile(r"^[a-z0-9.-]+$")


def commands(props: Mapping[str, Any]) -> list[str]:
    """What the node's shell runs."""
    values = {key: str(props[key]) for key in ("region", "bucket", "key", "sha256")}
    quoted = {name: shlex.quote(value) for name, value in values.items()}
    check = shlex.quote(f"{values['sha256']}  /opt/agent-telemetry/bundle.json")
    text = render(CONFIGS / "clickhouse" / "aws" / "bootstrap.sh", {**quoted, "check": check})
    return text.splitlines()


class AppliedProvider(ResourceProvider):
    """Inputs: region, instance_id, node, bucket, key, sha256, files (path to hash), effect, triggers."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in WATCHED))

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(str(props["node"]), self._apply(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self._apply(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        # What runs on the node is asked by nobody but an `up`: a refresh must not depend on every node's agent.
        return ReadResult(id_, plain_props(props))

    def _apply(self, props: dict[str, Any]) -> dict[str, Any]:
        node, region, instance_id = str(props["node"]), str(props["region"]), str(props["instance_id"])
        try:
            wait_online(region, instance_id, ONLINE_SECONDS)
            said = run_command(region, instance_id, commands(props), APPLY_SECONDS)
        except UserError as error:
            raise UserError(f"{node}: {error}") from None
        return {**plain_props(props), "said": said.strip()[-2000:]}


class Applied(Resource, module="aws", name="Applied"):
    """A node that runs what its bundle says and serves. Updated in place; nothing to delete."""

    sha256: pulumi.Output[str]
    said: pulumi.Output[str]
    """What the node reported last."""

    def __init__(
        self,
        name: str,
        *,
        node: str,
        region: str,
        instance_id: pulumi.Input[str],
        bucket: pulumi.Input[str],
        key: pulumi.Input[str],
        sha256: pulumi.Input[str],
        files: pulumi.Input[Mapping[str, str]],
        effect: pulumi.Input[str],
        triggers: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ):
        """`triggers`: what the node must look at again when it changes (versions of secrets, sizes). `effect`: what an
        update does to those who use the node, as a preview shows it."""
        props = {
            "node": node,
            "region": region,
            "instance_id": instance_id,
            "bucket": bucket,
            "key": key,
            "sha256": sha256,
            "files": files,
            "effect": effect,
            "triggers": list(triggers),
            "said": None,
        }
        super().__init__(AppliedProvider(), name, props, opts)
