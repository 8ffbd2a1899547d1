"""Where the repository's files are, found from the package's place, never from the working directory."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SQL = ROOT / "sql"
CONFIGS = ROOT / "configs"
STACKS = ROOT / ".telemetry"
"""Ignored by git: one folder a local stack, with its state, data, sockets and logs."""


def stack_folder(stack: str) -> Path:
    """Everything that the local stack `stack` writes lies below this folder."""
    return STACKS / stack
