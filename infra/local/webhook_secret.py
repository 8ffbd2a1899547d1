"""What signs calls of budgetWebhookUrl, here: a file that is made once, readable by its owner, gone with the stack."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from infra.local.path_provider import PathProvider

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


class WebhookSecretProvider(PathProvider):
    """State holds no secret."""

    def make(self, path: Path) -> None:
        ensure_secret(path)

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        Path(id_).unlink(missing_ok=True)


class WebhookSecret(Resource, module="local", name="WebhookSecret"):
    """The secret's file."""

    path: pulumi.Output[str]

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions | None = None):
        super().__init__(WebhookSecretProvider(), name, {"path": str(path)}, opts)
