"""Docker's own readers of docker-compose.yml (compose-go) and the Dockerfile (BuildKit), as judges, for tests only: a small Go
program, built once into the tools' cache. Newer ones: see go.mod."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from infra.paths import ROOT
from tests.go_programs import COMPOSE, built


class RefusedError(Exception):
    """What the reader said."""


def load(file: Path = ROOT / "docker-compose.yml", **variables: str) -> dict[str, Any]:
    """The project as Docker Compose sees it, with these variables in its environment. Raises RefusedError."""
    return _read("project", file, variables)


def dockerfile(file: Path = ROOT / "Dockerfile") -> dict[str, Any]:
    """`arguments` and `stages` as BuildKit reads them; what its linter warns of is refused. Raises RefusedError."""
    return _read("dockerfile", file, {})


def _read(reader: str, file: Path, variables: dict[str, str]) -> dict[str, Any]:
    own = {key: value for key, value in os.environ.items() if not key.startswith(("TELEMETRY_", "COMPOSE_"))}
    command = [str(built(COMPOSE)), reader, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env={**own, **variables}, timeout=60)
    if done.returncode:
        raise RefusedError(done.stderr.strip())
    return json.loads(done.stdout)
