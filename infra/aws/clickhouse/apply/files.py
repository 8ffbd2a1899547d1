"""Files that are written whole or not at all, and which of them changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from .run import run


class Files:
    """Writes below `root` (/, or a test's folder) and remembers what it changed."""

    def __init__(self, root: Path, owner: str) -> None:
        self.root, self.owner = root, owner
        self.changed: list[str] = []

    def at(self, path: str) -> Path:
        """The absolute path `path`, below the root."""
        return self.root / path.lstrip("/")

    def folder(self, path: str, mode: int = 0o750, owner: str = "") -> None:
        """A folder of the service's own."""
        target = self.at(path)
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(mode)
        shutil.chown(target, owner or self.owner, owner or self.owner)

    def write(self, path: str, text: str, mode: int = 0o640, owner: str = "root") -> bool:
        """Whether the file had other content. Its group is the service's; nobody ever sees half of it."""
        target = self.at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        same = target.exists() and target.read_text() == text
        if not same:
            new = target.with_name(f".{target.name}.new")
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(handle, "w") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            new.chmod(mode)
            shutil.chown(new, owner, self.owner)
            new.replace(target)
            self.changed.append(path)
        return not same

    def remove_others(self, folder: str, kept: Mapping[str, str]) -> None:
        """Removes what is in the folder and not among `kept`'s paths: a fragment that is no longer wanted is still read."""
        where = self.at(folder)
        for found in sorted(where.iterdir()) if where.is_dir() else []:
            path = f"{folder}/{found.name}"
            if found.is_file() and path not in kept:
                found.unlink()
                self.changed.append(path)

    def user(self, home: str) -> None:
        """The service's own user, without a shell."""
        if self.root == Path("/"):
            run(["sh", "-c", f"id {self.owner} 2>/dev/null || useradd --system --home-dir {home} --no-create-home "
                 f"--shell /sbin/nologin {self.owner}"])  # fmt: skip
