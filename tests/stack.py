"""A whole local stack for a test: its own name, ports and folder, driven by the command line as a user does."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.config import PROJECT, stack_file
from infra.endpoints import ClickHouseAddress, KafkaAddress, OtlpAddress
from infra.paths import ROOT
from infra.settings import Settings, parse_settings
from tests.ports import free_port_base

UP_SECONDS = 180


@dataclass
class Stack:
    """One local stack."""

    name: str
    root: Path = ROOT
    """The checkout whose code runs: this one, or a copy (see copy_of_the_tree)."""
    settings_given: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.root / stack_file(self.name)

    @property
    def folder(self) -> Path:
        return self.root / ".telemetry" / self.name

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def settings(self) -> Settings:
        return parse_settings(self.settings_given, self.file.name)

    @property
    def clickhouse(self) -> ClickHouseAddress:
        return ClickHouseAddress("127.0.0.1", self.settings.clickhousePort)

    @property
    def kafka(self) -> KafkaAddress:
        return KafkaAddress(f"127.0.0.1:{self.settings.kafkaPort}")

    @property
    def otlp(self) -> OtlpAddress:
        found = self.settings
        return OtlpAddress(f"http://127.0.0.1:{found.otlpHttpPort}", f"127.0.0.1:{found.otlpGrpcPort}")

    def configure(self, **values: Any) -> None:
        """Writes the stack file with these settings beside the ones given before."""
        self.settings_given |= values
        content = yaml.safe_load(self.file.read_text()) if self.file.exists() else {}
        content["config"] = {f"{PROJECT}:{key}": value for key, value in self.settings_given.items()}
        self.file.write_text(yaml.safe_dump(content))

    def telemetry(self, *arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs one command of the command line on this stack; `check` fails with everything it printed."""
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=UP_SECONDS,
            **(self.process_options | options),
        )
        if check and done.returncode:
            raise AssertionError(f"telemetry {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def command(self, *arguments: str) -> list[str]:
        """The command line with this stack's name."""
        verb, *rest = arguments
        group = [verb, rest.pop(0)] if verb in ("tenants", "retention") else [verb]
        return [sys.executable, "-m", "infra.cli", *group, "--name", self.name, *rest]

    @property
    def process_options(self) -> dict[str, Any]:
        """For subprocess: the folder and environment in which `infra` is this checkout's."""
        return {"cwd": self.root, "env": {**os.environ, "PYTHONPATH": str(self.root), "COLUMNS": "200"}}

    def remove(self) -> None:
        """Takes everything away, whatever state it is in."""
        self.telemetry("down", check=False)
        self.file.unlink(missing_ok=True)


HALF_WRITTEN = shutil.ignore_patterns("*.pyc.*")
"""Compiled modules that another process is just writing. Finished ones are copied: else each copy is compiled again."""


def copy_of_the_tree(folder: Path) -> Path:
    """A second checkout of what is here now, for tests that change files or run two clones side by side."""
    for name in ("infra", "sql", "configs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=HALF_WRITTEN)
    for name in ("Pulumi.yaml", "Pulumi.local.yaml"):
        shutil.copy(ROOT / name, folder)
    return folder


@contextmanager
def local_stack(settings: Mapping[str, Any] | None = None, up: bool = True, root: Path = ROOT) -> Iterator[Stack]:
    """A stack that exists for the block; brought up unless `up` is False."""
    stack = Stack(f"test-{os.getpid()}-{secrets.token_hex(3)}", root)
    with free_port_base() as base:
        stack.configure(platform="local", portBase=base, kafkaHeapMiB=256, **(settings or {}))
        try:
            if up:
                stack.telemetry("up")
            yield stack
        finally:
            stack.remove()
