"""What `make up` takes: on an empty cache, on a warm one, and with nothing changed."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from infra.config import PROJECT
from infra.paths import ROOT
from tests.bench.report import Figure
from tests.ports import free_port_base
from tests.stack import Stack

COLD_TARGET, WARM_TARGET, UNCHANGED_TARGET = 600.0, 20.0, 5.0
COLD_SECONDS = 3600
WARM_SECONDS = 600
UNCHANGED_RUNS = 5
COPIED = ("infra", "sql", "configs", "examples")
COPIED_FILES = (
    "Makefile",
    "pyproject.toml",
    "requirements.lock",
    "README.md",
    "Pulumi.yaml",
    "Pulumi.local.yaml",
)


class UpFailed(Exception):
    """`make up` ended with an error."""


@contextlib.contextmanager
def new_stack() -> Iterator[Stack]:
    """A stack of its own with the shipped settings on free ports, gone after the block; nothing is up yet."""
    stack = Stack(f"bench-{os.getpid()}")
    with free_port_base() as base:
        stack.configure(platform="local", portBase=base)
        try:
            yield stack
        finally:
            stack.remove()


def make(target: str, root: Path, name: str, seconds: float, environment: dict[str, str] | None = None) -> float:
    """Runs a target of the Makefile on the stack `name`; returns its seconds. Raises UpFailed with its output's end."""
    began = time.monotonic()
    done = subprocess.run(
        ["make", target, f"NAME={name}"],
        cwd=root,
        env={**os.environ, "COLUMNS": "150", **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )
    took = time.monotonic() - began
    if done.returncode:
        raise UpFailed(f"make {target}: exit code {done.returncode}\n" + "\n".join(done.stdout.splitlines()[-20:]))
    return took


def warm(stack: Stack) -> list[Figure]:
    """The first `up` of a new stack, tools and environment being there. Leaves the stack up."""
    make("tools", ROOT, stack.name, WARM_SECONDS)
    return [Figure("make up, warm cache", round(make("up", ROOT, stack.name, WARM_SECONDS), 2), "s", WARM_TARGET)]


def unchanged(stack: Stack) -> list[Figure]:
    """`up` again with nothing changed: the median of several."""
    runs = [round(make("up", ROOT, stack.name, WARM_SECONDS), 2) for _ in range(UNCHANGED_RUNS)]
    return [Figure("make up, nothing changed", statistics.median(runs), "s", UNCHANGED_TARGET, detail={"runs": runs})]


def cold() -> list[Figure]:
    """`make up` in a copy of the tree with every cache empty: ours, uv's, pip's, Go's and Maven's."""
    with tempfile.TemporaryDirectory(prefix="agent-telemetry-cold-") as temporary, free_port_base() as base:
        root, caches = Path(temporary) / "tree", Path(temporary) / "caches"
        _copy(root)
        name = "bench"
        settings = {f"{PROJECT}:platform": "local", f"{PROJECT}:portBase": base}
        (root / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": settings}))
        environment = {
            "AGENT_TELEMETRY_CACHE": str(caches / "agent-telemetry"),
            "UV_CACHE_DIR": str(caches / "uv"),
            "PIP_CACHE_DIR": str(caches / "pip"),
            "GOCACHE": str(caches / "go-build"),
            "GOMODCACHE": str(caches / "go-mod"),
            "MAVEN_OPTS": f"{os.environ.get('MAVEN_OPTS', '')} -Dmaven.repo.local={caches / 'maven'}".strip(),
        }
        try:
            took = make("up", root, name, COLD_SECONDS, environment)
            sizes = {each.name: round(_size(each) / 2**20) for each in sorted(caches.iterdir())}
        finally:
            # What made `up` fail must not be hidden by a `down` that fails too.
            with contextlib.suppress(UpFailed, subprocess.TimeoutExpired):
                make("down", root, name, WARM_SECONDS, environment)
            _make_writable(caches)
    return [Figure("make up, every cache empty", round(took, 1), "s", COLD_TARGET, detail={"cache_mib": sizes})]


def _copy(root: Path) -> None:
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in COPIED_FILES:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, root)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def _make_writable(folder: Path) -> None:
    """Go's module cache is read-only, folders included."""
    for name, _, _ in os.walk(folder):
        Path(name).chmod(0o755)
