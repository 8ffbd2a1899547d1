"""Commands on the node, and the one error that ends a run with a message."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any


class Failed(Exception):
    """What could not be done, and why."""


def say(text: str) -> None:
    """One line for whoever ran `up`."""
    print(text, flush=True)


def run(command: Sequence[str], seconds: float = 600, env: Mapping[str, str] | None = None) -> str:
    """The command's output. Raises Failed with what it said; what it printed may be a secret, its errors are not."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env={**os.environ, **env} if env else None,
        )
    except FileNotFoundError:
        raise Failed(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} {command[1] if len(command) > 1 else ''}: not done after {seconds:g} s") from None
    if done.returncode:
        raise Failed(f"{' '.join(command[:3])}: {done.stderr.strip()[-2000:] or f'exit code {done.returncode}'}")
    return done.stdout


def succeeds(command: Sequence[str]) -> bool:
    """Whether the command ends with 0."""
    try:
        run(command)
    except Failed:
        return False
    return True


def secret_text(region: str, arn: str) -> str:
    """What is in a secret, read by the node's own role."""
    return run(
        [
            "aws", "secretsmanager", "get-secret-value", "--region", region, "--secret-id", arn,
            "--query", "SecretString", "--output", "text",
        ]
    )  # fmt: skip


def secret(region: str, arn: str) -> Any:
    """The JSON object in a secret."""
    try:
        return json.loads(secret_text(region, arn))
    except ValueError:
        raise Failed(f"secret {arn}: not a JSON object as this program writes it") from None
