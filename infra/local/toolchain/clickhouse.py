"""Finds a real ClickHouse server on PATH."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.local.toolchain.programs import output_version
from infra.local.toolchain.versions import at_least, minimum


def find_clickhouse() -> tuple[Path, str] | None:
    """The `clickhouse` on PATH and its version, if it is new enough (Debian's own package is from 2018)."""
    path = shutil.which("clickhouse")
    if path is None:
        return None
    version = output_version([path, "server", "--version"], r"version (\d+\.\d+(?:\.\d+)*)")
    if version is None or not at_least(version, minimum("clickhouse")):
        return None
    return Path(path), version
