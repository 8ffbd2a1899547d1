"""The folder that keeps what was built: keys, locks, manifests, and publishing a finished tool in one rename."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infra.errors import UserError

MANIFEST = ".manifest.json"


def cache_root() -> Path:
    """AGENT_TELEMETRY_CACHE, else the user's cache folder. The only place that reads these variables."""
    own = os.environ.get("AGENT_TELEMETRY_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "agent-telemetry"


def key_of(inputs: Iterable[Path], *words: str) -> str:
    """Names a tool's folder after all that it is made from, and the kind of machine it is made for."""
    digest = hashlib.sha256("\0".join((sys.platform, platform.machine(), *words)).encode())
    for path in sorted(inputs):
        digest.update(f"\0{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Checked:
    """What a look at a tool's folder gave: its content id, or what is wrong with it (None: there is nothing)."""

    content: str | None = None
    damage: str | None = None


def write_manifest(folder: Path) -> str:
    """Records every file of `folder` with size, time and sha256. Returns the content id."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(MANIFEST):
            stat = path.stat()
            files[name] = [stat.st_size, stat.st_mtime_ns, file_hash(path)]
    content = hashlib.sha256(json.dumps([(name, entry[2]) for name, entry in files.items()]).encode())
    manifest = {"content": content.hexdigest()[:16], "files": files}
    temporary = folder / f"{MANIFEST}.{os.getpid()}"
    temporary.write_text(json.dumps(manifest, indent=1))
    temporary.replace(folder / MANIFEST)
    return manifest["content"]


def check(folder: Path, full: bool = False) -> Checked:
    """Compares `folder` with its manifest: sizes and times, and hashes where these differ or `full` is set."""
    if not folder.is_dir():
        return Checked()
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files: dict[str, list] = manifest["files"]
        touched = False
        for name, (size, mtime, digest) in files.items():
            stat = (folder / name).stat()
            if stat.st_size != size:
                return Checked(damage=f"{name} has {stat.st_size} bytes instead of {size}")
            if full or stat.st_mtime_ns != mtime:
                if file_hash(folder / name) != digest:
                    return Checked(damage=f"{name} has another sha256 than when it was built")
                touched |= stat.st_mtime_ns != mtime
        if touched:
            # The bytes are right (a copied cache, say): remember the new times, where we may write.
            with suppress(OSError):
                write_manifest(folder)
        return Checked(content=manifest["content"])
    except FileNotFoundError as error:
        return Checked(damage=f"{Path(error.filename).name} is missing")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Checked(damage=f"its manifest can't be read ({error})")


def publish(building: Path, folder: Path) -> None:
    """Puts a finished folder in its place; a damaged one that is there goes away. The caller holds the lock."""
    for path in building.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    if folder.exists():
        damaged = folder.with_name(f"{folder.name}.damaged")
        folder.rename(damaged)
        building.rename(folder)
        shutil.rmtree(damaged, ignore_errors=True)
    else:
        building.rename(folder)


def sweep(folder: Path) -> None:
    """Removes what killed builds of this tool left. The caller holds the lock, so none of it is in use."""
    for left in [*folder.parent.glob("*.building"), *folder.parent.glob("*.damaged")]:
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def locked(path: Path, busy: Callable[[], object]) -> Iterator[int]:
    """Holds the file lock `path`. `busy` is called again and again while another process holds it; it may raise.

    Gives the lock's descriptor: a build's processes inherit it, so that a build that outlived its killed
    parent keeps the lock until it ends, and never works beside its successor.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                busy()
        yield descriptor
    finally:
        os.close(descriptor)


FULL = {errno.ENOSPC, errno.EDQUOT}


def storage_error(error: OSError, root: Path) -> UserError:
    """What to tell the user about an OSError that came while writing to the cache `root`."""
    if error.errno in FULL:
        return full_disk(root)
    return UserError(
        f"The cache folder {root} can't be written ({error.strerror or error}). Make it writable, or set "
        "AGENT_TELEMETRY_CACHE to a folder that is."
    )


def full_disk(root: Path) -> UserError:
    """The message for a disk that filled up during a build."""
    return UserError(
        f"The disk is full: building the tools needs room in {root} (AGENT_TELEMETRY_CACHE) and in the caches of "
        "Go and Maven in the home directory. What was half built is removed again. Free some space, or set "
        "AGENT_TELEMETRY_CACHE (GOCACHE and GOMODCACHE for Go's) to folders on a larger disk, and run it again."
    )
