"""A data folder as a Pulumi resource: made by `up`, removed with all that is in it by `down`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider

from infra.local.supervisor import daemon_pid


class FolderProvider(ResourceProvider):
    """Inputs: path. The id is the path."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        moved = olds.get("path") != news["path"]
        return DiffResult(changes=moved, replaces=["path"] if moved else [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        Path(props["path"]).mkdir(parents=True, exist_ok=True)
        return CreateResult(props["path"], {"path": props["path"]})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        if not Path(id_).is_dir():
            return ReadResult("", {})
        return ReadResult(id_, {"path": props["path"]})

    def delete(self, id_: str, _props: dict[str, Any]) -> None:
        path = Path(id_)
        if daemon_pid(path) is not None:
            raise RuntimeError(f"{path} still has a running supervisord")
        shutil.rmtree(path, ignore_errors=True)


class Folder(Resource, module="local", name="Folder"):
    """A folder that this stack owns."""

    path: pulumi.Output[str]

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions | None = None):
        super().__init__(FolderProvider(), name, {"path": str(path)}, opts)
