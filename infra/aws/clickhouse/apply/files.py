"""Files that are written whole or not at all, and which of them changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from .run import run

UID = 811
"""The service's user has one number on every image: files on a volume belong to numbers."""
UNFINISHED = "/opt/agent-telemetry/unfinished"


class Files:
    """Writes below `root` (/, or a test's folder) and remembers what it changed, over a run that broke off as well."""

    def __init__(self, root: Path, owner: str, admin: str = "root") -> None:
        self.root, self.owner, self.admin = root, owner, admin
        marker = self.at(UNFINISHED)
        self.changed: list[str] = ["a run that broke off"] if marker.exists() else []

    def at(self, path: str) -> Path:
        """The absolute path `path`, below the root."""
        return self.root / path.lstrip("/")

    def folder(self, path: str, mode: int = 0o750) -> None:
        """A folder of the service's own."""
        target = self.at(path)
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(mode)
        shutil.chown(target, self.owner, self.owner)

    def write(self, path: str, text: str, mode: int = 0o640) -> bool:
        """Whether the file had other content. The service may read it; nobody ever sees half of it."""
        target = self.at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        same = target.exists() and target.read_text() == text
        if not same:
            self.note(path)
            new = target.with_name(f".{target.name}.new")
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(handle, "w") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            new.chmod(mode)
            shutil.chown(new, self.admin, self.owner)
            new.replace(target)
        return not same

    def note(self, change: str) -> None:
        """Remembers a change until `finished`: whatever ends this run, the next one knows that there was one."""
        marker = self.at(UNFINISHED)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        self.changed.append(change)

    def finished(self) -> None:
        """What changed is in force."""
        self.at(UNFINISHED).unlink(missing_ok=True)

    def remove_others(self, folder: str, kept: Mapping[str, str]) -> None:
        """Removes what is in the folder and not among `kept`'s paths: a fragment that is no longer wanted is still read."""
        where = self.at(folder)
        for found in sorted(where.iterdir()) if where.is_dir() else []:
            path = f"{folder}/{found.name}"
            if found.is_file() and path not in kept:
                self.note(path)
                found.unlink()

    def user(self, home: str) -> None:
        """The service's own user, without a shell."""
        script = (
            'id "$1" >/dev/null 2>&1 || { groupadd --gid "$3" "$1" && useradd --uid "$3" --gid "$3" --home-dir "$2" '
            '--no-create-home --shell /sbin/nologin "$1"; }'
        )
        run(["sh", "-c", script, "sh", self.owner, home, str(UID)])
