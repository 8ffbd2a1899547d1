"""Short-lived Python processes by fork: of a process that has imported what they need, so that each starts in milliseconds.

An engine command starts three or four providers and a step per migration one plugin more; each imported for a fifth to a
half of a second what the last one had imported. What runs is the same module with its own arguments, environment,
working directory and standard streams, and it ends when whoever started it ends it, or ends.
"""

from __future__ import annotations

import atexit
import gc
import io
import marshal
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from infra.paths import ROOT
from tests import fork_client

STANDIN = (
    *("bare", "grpc", "tests.providers.standin.process", "tests.providers.standin.aws"),
    *("tests.providers.standin.random_provider", "tests.providers.standin.tls_provider", "tests.engine.aws_plugin"),
)
"""For the stand-ins: the provider of each package, session-manager-plugin. `bare`: without the Pulumi SDK (protocol.py)."""
STEPS = (
    *(
        "dill",
        "grpc",
        "pulumi.dynamic",
        "boto3",
        "clickhouse_connect",
        "requests",
        "infra.aws.access",
        "infra.aws.image",
    ),
    *("infra.postdeploy.migration_steps", "infra.postdeploy.grafana", "infra.postdeploy.canary", "infra.aws.tunnel"),
)
"""For dynamic resources."""


@cache
def forks(modules: tuple[str, ...]) -> Path:
    """The socket of a process that has these modules. It ends with this process."""
    path = Path(tempfile.mkdtemp(prefix="forks-")) / "socket"
    atexit.register(lambda: (path.unlink(missing_ok=True), path.parent.rmdir()))
    command = [sys.executable, "-m", "tests.forks", str(path), *modules]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n", f"{command} did not start"
    return path


def command(modules: tuple[str, ...], module: str) -> str:
    """For a shell script: what runs `python -u -m module`, with whatever arguments follow, by a fork."""
    words = [sys.executable, "-IS", fork_client.__file__, sys.executable, forks(modules), ROOT, module]
    return " ".join(f'"{word}"' for word in words)


def serve(path: str, modules: Sequence[str]) -> None:
    """Forks for each client until standard input ends."""
    if modules[0] == "bare":
        from tests.providers.standin.protocol import bare

        bare()
        modules = modules[1:]
    for module in modules:
        import_module(module)
    # As the tests have it; and what is frozen is searched by no fork, and its pages stay shared.
    gc.set_threshold(100_000)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        os.write(1, b"ready\n")
        while listener in select.select([listener, 0], [], [])[0]:
            client, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                os._exit(_run(client))
            client.close()


def _run(client: socket.socket) -> int:
    """What the client asks for, as its process would have done it. Returns the exit code, which the client has then too."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Whoever started the tests in the background had it ignored, and so would all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    size = int.from_bytes(_exactly(client, 4))
    packed, streams, _, _ = socket.recv_fds(client, size, 3, socket.MSG_WAITALL)
    module, arguments, folder, environment = marshal.loads(packed + _exactly(client, size - len(packed)))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    # As -u has them.
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w", closefd=False), write_through=True) for n in (1, 2))
    client.sendall(os.getpid().to_bytes(4))
    threading.Thread(target=_end_with, args=(client,), daemon=True).start()
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = _code(ended)
    except KeyboardInterrupt:
        code = 130
    except Exception:
        traceback.print_exc()
        code = 1
    client.sendall(bytes([code & 255]))
    return code


def _code(ended: SystemExit) -> int:
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    print(ended.code, file=sys.stderr)
    return 1


def _exactly(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (piece := client.recv(size - len(found))):
        found += piece
    return found


def _end_with(client: socket.socket) -> Any:
    """A client that was killed is this process killed."""
    client.recv(1)
    os._exit(137)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
