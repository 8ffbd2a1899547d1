"""A checkout of this tree in a folder of its own, whose `telemetry` works on a stand-in account."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from infra.paths import ROOT
from tests.stack import HALF_WRITTEN

TELEMETRY = '#!/bin/sh\nPYTHONPATH="{folder}" exec "{python}" -m tests.engine.aws_telemetry "$@"\n'
PARTS = ("infra", "policy", "sql", "configs", "tests", "requirements.lock", "pyproject.toml", "Pulumi.yaml")


def checkout(folder: Path) -> Path:
    """A checkout whose `make environment` has been run."""
    for part in PARTS:
        source = ROOT / part
        shutil.copytree(source, folder / part, ignore=HALF_WRITTEN) if source.is_dir() else shutil.copy(source, folder)
    program = folder / ".venv" / "bin" / "telemetry"
    program.parent.mkdir(parents=True)
    program.write_text(TELEMETRY.format(folder=folder, python=sys.executable))
    program.chmod(0o755)
    return folder
