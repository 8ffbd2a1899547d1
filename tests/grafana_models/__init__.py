"""Grafana's own published models as a judge of calls, for tests only: a small Go program, built once into the tools' cache.

Each call that a test made is decoded strictly by grafana-openapi-client-go, which Grafana generates from its OpenAPI document:
method, path, names of the query and headers, body, and the answer that a stand-in gave. A newer one: in this folder
`go get github.com/grafana/grafana-openapi-client-go@latest && go mod tidy`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infra.local.toolchain import ensure
from infra.local.toolchain.builds import Recipe, Site, go_environment

HERE = Path(__file__).parent
SOURCES = tuple(sorted([*HERE.glob("go.*"), *HERE.glob("*.go")]))
MODULE = "github.com/grafana/grafana-openapi-client-go"


@dataclass(frozen=True)
class Verdict:
    """What Grafana's models say of one call."""

    operation: str
    """'' where the API has no such method and path."""
    request: list[str]
    """What is wrong with the path, the query's names, the headers or the body."""
    answer: list[str]
    """What is wrong with the answer, if the call came with one."""


def version() -> str:
    """The module's version, as go.mod has it."""
    return next(line.split()[1] for line in (HERE / "go.mod").read_text().splitlines() if MODULE in line)


def _build(site: Site) -> None:
    source, scratch = site.work / "source", site.work / "tmp"
    for folder in (source, scratch):
        folder.mkdir()
    for path in SOURCES:
        shutil.copy(path, source)
    env = go_environment(scratch)
    site.run("go", "build", "-ldflags", "-s -w", "-o", site.out / "bin" / "models", ".", cwd=source, env=env)


@cache
def _program() -> Path:
    recipe = Recipe(
        name="grafana-models",
        title="Grafana's API models",
        version=version(),
        inputs=SOURCES,
        programs=("go",),
        cache_gib=0.1,
        home_gib=0.6,
        typical="20 to 60 s",
        build=_build,
    )
    return ensure([recipe.name], recipes=[recipe]).parts[recipe.name].folder / "bin" / "models"


def judge(calls: Iterable[Mapping[str, Any]]) -> list[Verdict]:
    """A verdict a call: method, path (with its query), and perhaps headers, body, status and answer."""
    lines = "".join(json.dumps(call) + "\n" for call in calls)
    done = subprocess.run([_program()], input=lines, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise AssertionError(f"the models did not read the calls: {done.stderr}")
    return [Verdict(**json.loads(line)) for line in done.stdout.splitlines()]
