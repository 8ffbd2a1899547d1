"""A whole local stack for a test: its own name, ports and folder, driven by the command line as a user does."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.config import PROJECT, file_settings, stack_file
from infra.endpoints import ClickHouseAddress, KafkaAddress, OtlpAddress
from infra.paths import ROOT, stack_folder
from infra.settings import PORTS, Settings

UP_SECONDS = 180


def free_port_base() -> int:
    """A portBase whose ports are all free now."""
    while True:
        base = 15000 + secrets.randbelow(160) * 100
        probes = []
        try:
            for _, offset in PORTS.values():
                probe = socket.socket()
                probes.append(probe)
                probe.bind(("127.0.0.1", base + offset))
            return base
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()


@dataclass
class Stack:
    """One local stack."""

    name: str
    settings_given: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return stack_folder(self.name)

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def settings(self) -> Settings:
        return file_settings(self.name)

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
        path = ROOT / stack_file(self.name)
        content = yaml.safe_load(path.read_text()) if path.exists() else {}
        content["config"] = {f"{PROJECT}:{key}": value for key, value in self.settings_given.items()}
        path.write_text(yaml.safe_dump(content))

    def telemetry(self, *arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs one command of the command line on this stack; `check` fails with everything it printed."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=UP_SECONDS, **options)
        if check and done.returncode:
            raise AssertionError(f"telemetry {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def command(self, *arguments: str) -> list[str]:
        """The command line with this stack's name."""
        verb, *rest = arguments
        group = [verb, rest.pop(0)] if verb == "tenants" else [verb]
        return [sys.executable, "-m", "infra.cli", *group, "--name", self.name, *rest]

    def remove(self) -> None:
        """Takes everything away, whatever state it is in."""
        self.telemetry("down", check=False)
        (ROOT / stack_file(self.name)).unlink(missing_ok=True)


@contextmanager
def local_stack(settings: Mapping[str, Any] | None = None, up: bool = True) -> Iterator[Stack]:
    """A stack that exists for the block; brought up unless `up` is False."""
    stack = Stack(f"test-{os.getpid()}-{secrets.token_hex(3)}")
    stack.configure(platform="local", portBase=free_port_base(), kafkaHeapMiB=256, **(settings or {}))
    try:
        if up:
            stack.telemetry("up")
        yield stack
    finally:
        stack.remove()
