"""ClickHouse's one program, of exactly the pinned version: server, Keeper and client are in it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from .files import Files
from .run import Failed, say

PROGRAM = "/usr/local/bin/clickhouse"
RECORD = "/opt/agent-telemetry/clickhouse-version"


def install(files: Files, url: str, version: str, pin: str) -> None:
    """The program, replaced when it is of another version. The running one is untouched until its restart.

    `pin`: the archive's sha512. Without one the archive must match the sum that the vendor keeps beside it.
    """
    record = files.at(RECORD)
    wanted = f"{version} {pin}"
    if files.at(PROGRAM).exists() and record.exists() and record.read_text() == wanted:
        return
    record.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=record.parent) as folder:
        archive = Path(folder, "clickhouse.tgz")
        _download(url, archive)
        expected = pin or _read(f"{url}.sha512").split()[0]
        found = _sha512(archive)
        if found != expected:
            raise Failed(f"{url}: sha512 is {found}, expected {expected}{'' if pin else ' (the vendor beside it)'}")
        new = files.at(PROGRAM).with_name(".clickhouse.new")
        _extract(archive, new)
        said = subprocess.run([str(new), "--version"], capture_output=True, text=True, check=False).stdout
        if version not in said:
            new.unlink()
            raise Failed(f"{url} holds another version: {said.strip() or 'it does not run here'}")
        files.note(f"ClickHouse {version}")
        new.replace(files.at(PROGRAM))
    record.write_text(wanted)
    say(f"ClickHouse {version} installed")


def _download(url: str, target: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, target.open("wb") as stream:
            shutil.copyfileobj(answer, stream, 1 << 20)
    except (OSError, urllib.error.URLError) as error:
        raise Failed(f"{url} can't be fetched: {error}") from None


def _read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError) as error:
        raise Failed(f"{url} can't be fetched: {error}") from None


def _sha512(path: Path) -> str:
    total = hashlib.sha512()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            total.update(block)
    return total.hexdigest()


def _extract(archive: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        member = next((item for item in tar if item.name.endswith("/usr/bin/clickhouse") and item.isfile()), None)
        source = tar.extractfile(member) if member else None
        if source is None:
            raise Failed(f"{archive.name} holds no usr/bin/clickhouse")
        with source, target.open("wb") as stream:
            shutil.copyfileobj(source, stream, 1 << 20)
    target.chmod(0o755)
