"""Session Manager's side of a port forwarding, on loopback: the data channel's service and the agent behind it.

A websocket server that speaks the protocol of AWS's plugin: the opening with its token, the handshake, acknowledged and
numbered messages, and in them the multiplexed connections (smux) that agents from 3.0.196 on have. It refuses what the
service refuses: an unsigned request, another token.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

AGENT = "3.3.1611.0"
HEADER = struct.Struct(">I32sIQqQ16s32sI")
"""Header's length, message type, schema, created, sequence, flags, id, digest, payload type; the payload's length follows."""
OUTPUT, HANDSHAKE, ANSWERED, COMPLETE = 1, 5, 6, 7
FRAME = struct.Struct("<BBHI")
"""Of smux: version, command, length, stream."""
SYN, FIN, PSH, NOP = 0, 1, 2, 3
LARGEST = 32768


@dataclass
class Session:
    """What one plugin said."""

    opening: dict[str, Any] = field(default_factory=dict)
    authorization: str = ""
    answered: dict[str, Any] = field(default_factory=dict)
    streams: int = 0
    ended: threading.Event = field(default_factory=threading.Event)


class Channel:
    """The service. `tokens`: those it has given out, each with the port forwarding's parameters."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.tokens: dict[str, dict[str, str]] = {}
        self.sessions: list[Session] = []
        self.refused: list[str] = []
        self._server: Server = serve(self._talk, "127.0.0.1", 0, max_size=None)
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()

    def url(self, session: str) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/data-channel/{session}?role=publish_subscribe"

    def _talk(self, connection: ServerConnection) -> None:
        opening = json.loads(connection.recv(timeout=30))
        request = connection.request
        authorization = request.headers.get("Authorization", "") if request else ""
        parameters = self.tokens.get(opening.get("TokenValue", ""))
        if parameters is None or not authorization:
            self.refused.append(opening.get("TokenValue", ""))
            connection.close(1008, "Invalid token")
            return
        session = Session(opening, authorization)
        self.sessions.append(session)
        # A plugin that ends is gone without a word to the websocket.
        with suppress(ConnectionClosed):
            _Agent(connection, session, self.target_port, parameters).run()
        session.ended.set()


class _Agent:
    """The agent on the instance: what arrives goes to a port of its own."""

    def __init__(self, connection: ServerConnection, session: Session, port: int, parameters: dict[str, str]) -> None:
        self.connection, self.session, self.port = connection, session, port
        self.parameters = parameters
        self.sequence, self.buffer = 0, b""
        self.lock = threading.Lock()
        self.streams: dict[int, socket.socket] = {}

    def run(self) -> None:
        properties = {**self.parameters, "type": "LocalPortForwarding"}
        action = {"ActionType": "SessionType", "ActionParameters": {"SessionType": "Port", "Properties": properties}}
        self._send(HANDSHAKE, json.dumps({"AgentVersion": AGENT, "RequestedClientActions": [action]}).encode())
        expected = 0
        for message in self.connection:
            assert isinstance(message, bytes)
            kind, sequence, payload_type, payload, identity = _parsed(message)
            if kind == "acknowledge":
                continue
            assert kind == "input_stream_data", kind
            self._acknowledge(kind, sequence, identity)
            if sequence != expected:
                # Sent again: it has been taken.
                assert sequence < expected, f"message {sequence} before {expected}"
                continue
            expected += 1
            if payload_type == ANSWERED:
                self.session.answered = json.loads(payload)
                self._send(COMPLETE, json.dumps({"HandshakeTimeToComplete": 1000000, "CustomerMessage": ""}).encode())
            elif payload_type == OUTPUT:
                self._frames(payload)

    def _send(self, payload_type: int, payload: bytes) -> None:
        with self.lock:
            self._message("output_stream_data", self.sequence, payload_type, payload)
            self.sequence += 1

    def _acknowledge(self, kind: str, sequence: int, identity: uuid.UUID) -> None:
        content = {
            "AcknowledgedMessageType": kind,
            "AcknowledgedMessageId": str(identity),
            "AcknowledgedMessageSequenceNumber": sequence,
            "IsSequentialMessage": True,
        }
        with self.lock:
            self._message("acknowledge", 0, 0, json.dumps(content).encode())

    def _message(self, kind: str, sequence: int, payload_type: int, payload: bytes) -> None:
        identity = uuid.uuid4().bytes
        head = HEADER.pack(
            HEADER.size,
            kind.encode().ljust(32),
            1,
            int(time.time() * 1000),
            sequence,
            0,
            identity[8:] + identity[:8],
            hashlib.sha256(payload).digest(),
            payload_type,
        )
        # A plugin that has ended takes no more; what it said before is still to be read.
        with suppress(ConnectionClosed):
            self.connection.send(head + struct.pack(">I", len(payload)) + payload)

    def _frames(self, payload: bytes) -> None:
        """Takes smux's frames out of the stream of bytes."""
        self.buffer += payload
        while len(self.buffer) >= FRAME.size:
            version, command, length, stream = FRAME.unpack_from(self.buffer)
            assert version == 1, f"smux {version}"
            if len(self.buffer) < FRAME.size + length:
                return
            data, self.buffer = self.buffer[FRAME.size : FRAME.size + length], self.buffer[FRAME.size + length :]
            self._frame(command, stream, data)

    def _frame(self, command: int, stream: int, data: bytes) -> None:
        if command == SYN:
            self.session.streams += 1
            try:
                self.streams[stream] = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                self._send(OUTPUT, FRAME.pack(1, FIN, 0, stream))
                return
            threading.Thread(target=self._back, args=(stream,), daemon=True).start()
        elif command == PSH and stream in self.streams:
            self.streams[stream].sendall(data)
        elif command == FIN and stream in self.streams:
            self.streams[stream].shutdown(socket.SHUT_WR)

    def _back(self, stream: int) -> None:
        upstream = self.streams[stream]
        with upstream:
            try:
                while data := upstream.recv(LARGEST):
                    self._send(OUTPUT, FRAME.pack(1, PSH, len(data), stream) + data)
                self._send(OUTPUT, FRAME.pack(1, FIN, 0, stream))
            except OSError:
                return


def _parsed(message: bytes) -> tuple[str, int, int, bytes, uuid.UUID]:
    """Kind, sequence, payload type, payload, id. The digest must be the payload's."""
    length, kind, _, _, sequence, _, identity, digest, payload_type = HEADER.unpack_from(message)
    start = length + 4
    (size,) = struct.unpack_from(">I", message, length)
    payload = message[start : start + size]
    assert hashlib.sha256(payload).digest() == digest and len(payload) == size
    return kind.rstrip(b" \0").decode(), sequence, payload_type, payload, uuid.UUID(bytes=identity[8:] + identity[:8])
