"""A data folder as a Pulumi resource: made by `up`, removed with all that is in it by `down`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from infra.local.path_provider import PathProvider
from infra.local.supervisor import daemon_pid


class FolderProvider(PathProvider):
    """A folder with all that is in it."""

    def make(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def is_there(self, path: Path) -> bool:
        return path.is_dir()

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
