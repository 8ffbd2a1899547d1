"""`pulumi preview|up -s STACK` with a plain Pulumi CLI, for tests: the same program, the same state as `telemetry`.

The official CLI's Python language host is not served by package registries. So infra/__main__.py is run here by a language
host of our own, under the engine's protocol (`--client`), in the environment that `telemetry env` prints.
"""

from __future__ import annotations

import os
import runpy
import shlex
import subprocess
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc

from infra.paths import ROOT
from tests.stack import Stack


def run_main() -> None:
    """infra/__main__.py, run as a script."""
    runpy.run_path(str(ROOT / "infra" / "__main__.py"), run_name="__main__")


@contextmanager
def language_host() -> Iterator[str]:
    """Serves the LanguageRuntime protocol; its program is the file infra/__main__.py, run as a script."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    program = LanguageServer(run_main)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(program, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0)


def plain_cli(stack: Stack, *arguments: str) -> str:
    """What the Pulumi CLI prints, in the environment that `telemetry env` exports."""
    exports = stack.telemetry("env").stdout.splitlines()
    environment = dict(line.removeprefix("export ").split("=", 1) for line in exports)
    environment = {key: shlex.split(value)[0] for key, value in environment.items()}
    with language_host() as client:
        done = subprocess.run(
            ["pulumi", *arguments, "--stack", stack.name, "--non-interactive", f"--client={client}"],
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
