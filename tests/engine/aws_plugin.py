"""A stand-in for session-manager-plugin: takes the real one's arguments, and leads to the port that a node listens on.

`session-manager-plugin VARIABLE REGION StartSession PROFILE REQUEST ENDPOINT`: the variable's value is StartSession's answer.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path

from tests.engine.aws_doors import join
from tests.providers.api.systems import SESSION
from tests.providers.standin.cloud import Cloud

NODES = "STANDIN_NODES"
"""The file that says on which port of loopback a port of an instance is: {"i-…": {"8443": 12345}}."""


def main(arguments: list[str]) -> int:
    variable, region, operation, profile, request, endpoint = arguments
    asked, answered = json.loads(request), json.loads(os.environ[variable])
    assert (operation, profile) == ("StartSession", "") and region and endpoint.startswith("http")
    assert answered.keys() == {"SessionId", "TokenValue", "StreamUrl"}, sorted(answered)
    session = Cloud.from_environment().get(SESSION, answered["SessionId"])
    assert session, f"no session {answered['SessionId']}"
    assert session.get("target") == asked["Target"] and session.get("parameters") == asked["Parameters"]
    assert asked["DocumentName"] == "AWS-StartPortForwardingSession"
    (remote,), (local,) = asked["Parameters"]["portNumber"], asked["Parameters"]["localPortNumber"]
    ports = json.loads(Path(os.environ[NODES]).read_text()).get(asked["Target"], {})
    listener = socket.create_server(("127.0.0.1", int(local)), backlog=16)
    opened = listener.getsockname()[1]
    print(f"\nStarting session with SessionId: {answered['SessionId']}")
    print(f"Port {opened} opened for sessionId {answered['SessionId']}.\nWaiting for connections...\n", flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_lead, args=(client, ports.get(remote)), daemon=True).start()


def _lead(client: socket.socket, port: int | None) -> None:
    """A port that nobody listens on on the instance closes the connection, as the real plugin does."""
    with client:
        if port is not None:
            with socket.create_connection(("127.0.0.1", port)) as upstream:
                join(client, upstream)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
