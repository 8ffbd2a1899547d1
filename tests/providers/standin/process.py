"""A provider's process: it prints its port, serves, and ends with its engine."""

from __future__ import annotations

import os
import re
import sys
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from tests.providers.standin import schema
from tests.providers.standin.server import StandIn

WORKERS = 48
"""More than the engine's default parallelism, so that no operation waits for a thread."""


def serve(provider: StandIn) -> None:
    """Serves until the engine closes the process; the port is the first line of standard output."""
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=WORKERS),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    engine = os.getppid()
    # An engine that was killed closes nothing: its providers end by themselves.
    while server.wait_for_termination(timeout=1) and os.getppid() == engine:
        pass
    server.stop(0)


VERSION = re.compile(r'"version": "([^"]+)"')


def sdk_version(package: str) -> str:
    """The version of the installed SDK, which the stand-in claims to be."""
    found = VERSION.search((schema.sdk_folder(package) / "pulumi-plugin.json").read_text())
    assert found is not None
    return found.group(1)
