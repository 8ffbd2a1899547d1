"""The layers that the worker's image adds to its base: packages of requirements.lock, and our own files."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from infra.aws.image_files import files_of
from infra.aws.oci import ARCHITECTURE
from infra.collector import USER_ID
from infra.errors import UserError
from infra.paths import CONFIGS, ROOT

LOCK = ROOT / "requirements.lock"
PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "amd64": "x86_64-manylinux_2_28"}
APP = "app"
SITE = f"{APP}/site-packages"
RECIPE = "2"
"""Part of the content's hash: raise it when the code here changes what it makes."""


def contents() -> dict[str, Any]:
    """The image's `programs` (configs/worker_image.yaml) and `packages` (configs/worker_packages.txt)."""
    programs = yaml.safe_load((CONFIGS / "worker_image.yaml").read_text())
    return {**programs, "packages": package_names((CONFIGS / "worker_packages.txt").read_text())}


def package_names(text: str) -> list[str]:
    """What a list of packages names, a line each, comments left out."""
    return [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]


def locked_requirements(lock: str, packages: Sequence[str]) -> str:
    """The part of a lock file, hashes included, that `packages` need. Follows what uv notes below each: who asked."""
    blocks: dict[str, str] = {}
    for block in re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]:
        blocks[block.split("==")[0].split("[")[0]] = block
    missing = sorted(set(packages) - blocks.keys())
    if missing:
        raise UserError(
            f"configs/worker_packages.txt: {', '.join(missing)} is not in requirements.lock; name it in pyproject.toml and "
            "lock again"
        )
    asked_by = {name: set(re.findall(r"^    #(?: via)? +([a-z0-9._-]+)", text, re.M)) for name, text in blocks.items()}
    taken = set(packages)
    while more := {name for name, by in asked_by.items() if by & taken} - taken:
        taken |= more
    return "".join(blocks[name] for name in sorted(taken))


def our_files() -> list[Path]:
    """Our own files in the layer, sorted."""
    return files_of(contents()["programs"])


def content_hash(base: str, architecture: str = ARCHITECTURE) -> str:
    """Names what an image on `base` would hold: changes with a package, one of our files, the base, the recipe."""
    digest = hashlib.sha256()
    for word in (RECIPE, base, PLATFORMS[architecture], locked_requirements(LOCK.read_text(), contents()["packages"])):
        digest.update(hashlib.sha256(word.encode()).digest())
    for path in our_files():
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def install_packages(target: Path, python: str, architecture: str = ARCHITECTURE) -> None:
    """The packages as wheels for the architecture and this Python version (3.11), each checked against the lock's hash."""
    requirements = target.with_name("requirements.txt")
    requirements.write_text(locked_requirements(LOCK.read_text(), contents()["packages"]))
    uv = Path(sys.executable).parent / "uv"
    options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-config"]
    platform = ["--python-platform", PLATFORMS[architecture], "--python-version", python]
    command = [str(uv), "pip", "install", *options, *platform, "--target", str(target), "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"worker image: its packages can't be had for {architecture}:\n{done.stderr.strip()[-2000:]}")


def installed(packages: Path) -> dict[str, Path]:
    """The installed packages' files: name in the layer to file."""
    # What records the build (paths, times, byte code) differs from build to build and is never read.
    left_out = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", ".lock"}
    found = {path.relative_to(packages): path for path in packages.rglob("*") if path.is_file()}
    return {
        f"{SITE}/{name.as_posix()}": path
        for name, path in found.items()
        if name.name not in left_out and "__pycache__" not in name.parts and name.parts[0] != "bin"
    }


def our_entries() -> dict[str, Path]:
    """Our own files: name in the layer to file."""
    return {f"{APP}/{path.relative_to(ROOT).as_posix()}": path for path in our_files()}


def write_layer(tar: Path, files: Mapping[str, Path], writable: Sequence[str] = ()) -> None:
    """The files, and empty folders that our user may write to, as an uncompressed tar. The same files make the same
    bytes, whoever builds it and when."""
    folders = {parent for name in files for parent in _parents(name)}
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as layer:
        for name in sorted(folders):
            layer.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
        for name in sorted(files):
            _add_file(layer, name, files[name])
        for name in writable:
            entry = _entry(name, tarfile.DIRTYPE, 0o755)
            entry.uid = entry.gid = USER_ID
            layer.addfile(entry)


def _parents(name: str) -> list[str]:
    return [parent.as_posix() for parent in Path(name).parents if parent.as_posix() != "."]


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, 0
    return entry


def _add_file(layer: tarfile.TarFile, name: str, path: Path) -> None:
    entry = _entry(name, tarfile.REGTYPE, 0o755 if path.stat().st_mode & 0o100 else 0o644)
    entry.size = path.stat().st_size
    with path.open("rb") as data:
        layer.addfile(entry, data)


def environment(before: Sequence[str]) -> list[str]:
    """The base's variables and ours."""
    kept: Mapping[str, str] = dict(item.split("=", 1) for item in before)
    ours = {"PYTHONPATH": f"/{APP}:/{SITE}", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return [f"{key}={value}" for key, value in {**kept, **ours}.items()]
