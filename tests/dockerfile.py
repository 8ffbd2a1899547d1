"""The Dockerfile's steps as far as they run without Docker: what it installs, with its own command, and what it copies."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.paths import ROOT
from tests.compose_project import dockerfile


def steps(stage: str, kind: str) -> list[dict[str, Any]]:
    """The instructions of one kind in a stage."""
    (found,) = [found for found in dockerfile()["stages"] if found["name"] == stage]
    return [step for step in found["steps"] if step["kind"] == kind]


@dataclass(frozen=True)
class Program:
    """The stage `program`, built below a folder."""

    folder: Path

    @property
    def app(self) -> Path:
        return self.folder / "app"

    def environment(self) -> dict[str, str]:
        """Its variables, with the folder before their paths."""
        (step,) = steps("program", "ENV")
        path = ":".join(str(self.folder / part.strip("/")) for part in step["env"]["PYTHONPATH"].split(":"))
        return {**step["env"], "PYTHONPATH": path, "PATH": "/usr/bin:/bin"}


def build_program(folder: Path, context: Path = ROOT) -> Program:
    """Runs the steps of `packages` and `program` on the files of `context`. Raises AssertionError with what they said."""
    made = Program(folder)
    made.app.mkdir(parents=True)
    _install(folder, context)
    for step in steps("program", "COPY"):
        if "from" in step:
            continue
        for source in step["sources"]:
            if (context / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(context / source, made.app / step["target"], ignore=ignored)
            else:
                shutil.copy(context / source, made.app)
    return made


def _install(folder: Path, context: Path) -> None:
    build = folder / "build"
    build.mkdir()
    for step in steps("packages", "COPY"):
        for source in step["sources"]:
            shutil.copy(context / source, build)
    (run,) = steps("packages", "RUN")
    places = {"/uv": str(Path(sys.executable).parent / "uv"), "/packages": str(folder / "packages")}
    # A test's downloads are kept, and byte code is made when a module is imported.
    left_out = {"--no-cache", "--compile-bytecode"}
    command = [places.get(word, word) for word in shlex.split(run["command"]) if word not in left_out]
    done = subprocess.run(
        [*command, "--python", sys.executable], cwd=build, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
