"""What the resources that are one file or folder on this machine share: the path is their only input, and their id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider


class PathProvider(ResourceProvider):
    """Inputs: path. The content is no input and no output: others change it, or it is a secret."""

    serialize_as_secret_always = False

    def make(self, path: Path) -> None:
        """Makes it unless it is there."""
        raise NotImplementedError

    def is_there(self, path: Path) -> bool:
        return path.exists()

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        moved = olds.get("path") != news["path"]
        return DiffResult(changes=moved, replaces=["path"] if moved else [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        self.make(Path(props["path"]))
        return CreateResult(props["path"], {"path": props["path"]})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, {"path": props["path"]}) if self.is_there(Path(id_)) else ReadResult("", {})
