"""A stand-in for session-manager-plugin: takes the real one's arguments, and leads to the port that a node listens on.

`session-manager-plugin VARIABLE REGION StartSession PROFILE REQUEST ENDPOINT`: the variable's value is StartSession's answer.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

from infra.aws.tunnel import RESPONSE_VARIABLE
from tests.engine.aws_doors import join
from tests.providers.api.systems import SESSION
from tests.providers.standin.cloud import Cloud

NODES = "STANDIN_NODES"
"""The file that says on which port of loopback a port of an instance is: {"i-…": {"8443": 12345}}."""


def main(arguments: list[str]) -> int:
    """Ends with 0 after a refusal, as the real one does (test_session_plugin.py runs both)."""
    if len(arguments) < 3:
        print(f"Unknown operation {arguments[0]}.")
        return 0
    variable, _, operation, profile, request, endpoint = arguments
    asked = json.loads(request)
    target = asked["Target"]
    if operation != "StartSession":
        print("Invalid Operation")
        return 0
    text = os.environ.get(variable, "") if variable.startswith(RESPONSE_VARIABLE) else variable
    try:
        answered = json.loads(text)
    except ValueError as error:
        print(f"Cannot perform start session: {error}")
        return 0
    assert profile == "" and endpoint.startswith("http")
    assert answered.keys() == {"SessionId", "TokenValue", "StreamUrl"}, sorted(answered)
    session = Cloud.from_environment().get(SESSION, answered["SessionId"])
    assert session, f"no session {answered['SessionId']}"
    assert session.get("target") == target and session.get("parameters") == asked["Parameters"]
    assert asked["DocumentName"] == "AWS-StartPortForwardingSession"
    (remote,), (local,) = asked["Parameters"]["portNumber"], asked["Parameters"]["localPortNumber"]
    ports = json.loads(Path(os.environ[NODES]).read_text()).get(target, {})
    print(f"\nStarting session with SessionId: {answered['SessionId']}")
    listener = socket.create_server(("127.0.0.1", int(local)), backlog=16)
    opened = listener.getsockname()[1]
    with suppress(KeyboardInterrupt):
        print(f"Port {opened} opened for sessionId {answered['SessionId']}.\nWaiting for connections...", flush=True)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_lead, args=(client, ports.get(remote)), daemon=True).start()
    print("Terminate signal received, exiting.")
    return 0


def _lead(client: socket.socket, port: int | None) -> None:
    """A port that nobody listens on on the instance ends the connection, as the real plugin does."""
    with client:
        try:
            upstream = socket.create_connection(("127.0.0.1", port or 0))
        except OSError:
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass
            return
        with upstream:
            join(client, upstream)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
