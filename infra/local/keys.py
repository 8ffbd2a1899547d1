"""The collector's list of public keys as a Pulumi resource: there before the collector starts, kept by updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider

from infra.tenants import KeyFile


class KeyListProvider(ResourceProvider):
    """Inputs: path. `telemetry tenants` changes the content, so the content is no input."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        moved = olds.get("path") != news["path"]
        return DiffResult(changes=moved, replaces=["path"] if moved else [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        KeyFile(Path(props["path"])).ensure()
        return CreateResult(props["path"], {"path": props["path"]})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, {"path": props["path"]}) if Path(id_).exists() else ReadResult("", {})

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        for path in (Path(id_), Path(id_).with_suffix(".lock")):
            path.unlink(missing_ok=True)


class KeyList(Resource, module="local", name="KeyList"):
    """The key list's file."""

    path: pulumi.Output[str]

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions | None = None):
        super().__init__(KeyListProvider(), name, {"path": str(path)}, opts)
