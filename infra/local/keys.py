"""The collector's list of public keys as a Pulumi resource: there before the collector starts, kept by updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from infra.local.path_provider import PathProvider
from infra.tenants import KeyFile


class KeyListProvider(PathProvider):
    """`telemetry tenants` changes the content."""

    def make(self, path: Path) -> None:
        KeyFile(path).ensure()

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        for path in (Path(id_), Path(id_).with_suffix(".lock")):
            path.unlink(missing_ok=True)


class KeyList(Resource, module="local", name="KeyList"):
    """The key list's file."""

    path: pulumi.Output[str]

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions | None = None):
        super().__init__(KeyListProvider(), name, {"path": str(path)}, opts)
