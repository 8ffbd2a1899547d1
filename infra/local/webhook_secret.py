"""What signs calls of budgetWebhookUrl, here: a file that is made once, readable by its owner, gone with the stack."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider

BYTES = 32


def ensure_secret(path: Path) -> None:
    """Makes the file with a new secret unless it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(number, "w") as file:
        file.write("whsec_" + base64.b64encode(secrets.token_bytes(BYTES)).decode() + "\n")


class WebhookSecretProvider(ResourceProvider):
    """Inputs: path. The content is no input and no output: state holds no secret."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        moved = olds.get("path") != news["path"]
        return DiffResult(changes=moved, replaces=["path"] if moved else [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        ensure_secret(Path(props["path"]))
        return CreateResult(props["path"], {"path": props["path"]})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, {"path": props["path"]}) if Path(id_).exists() else ReadResult("", {})

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        Path(id_).unlink(missing_ok=True)


class WebhookSecret(Resource, module="local", name="WebhookSecret"):
    """The secret's file."""

    path: pulumi.Output[str]

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions | None = None):
        super().__init__(WebhookSecretProvider(), name, {"path": str(path)}, opts)
