"""What the program reaches over the internet, on loopback: a CONNECT proxy, a CA for the tests, and servers behind names.

A name that no door was opened for is refused and remembered, so that a test can say who was called and that nobody
else was.
"""

from __future__ import annotations

import datetime
import http.client
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Headers = Mapping[str, str]
Answer = tuple[int, Mapping[str, str], bytes]
Handle = Callable[[str, str, Headers, bytes], Answer]
"""method, path, headers (lower-case names), body → status, headers, body."""
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade")


class Authority:
    """A CA of the tests' own, and server certificates from it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in internet")])
        self._certificate = self._sign(
            name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0), name
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject: x509.Name, key: Any, extension: Any, issuer: x509.Name) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, True)
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        return builder.not_valid_after(now + datetime.timedelta(days=1)).sign(self._key, hashes.SHA256())

    def context(self, host: str) -> ssl.SSLContext:
        """For a server that answers as `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = self._sign(subject, key.public_key(), names, self._certificate.subject)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return context_of(certificate.public_bytes(serialization.Encoding.PEM) + private, self._folder / f"{host}.pem")


def context_of(pem: bytes, file: Path) -> ssl.SSLContext:
    """A server's context from a certificate and its key, which pass through `file`."""
    file.touch(mode=0o600)
    file.write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    file.unlink()
    return context


class Server(ThreadingHTTPServer):
    """HTTP/1.1 on a free port of loopback, over TLS when there is a context; `handle` answers."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handle: Handle, context: ssl.SSLContext | None = None) -> None:
        self.handle, self.context = handle, context
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.context is not None:
            # The handshake is the handler thread's: a client that stalls must not hold the others up.
            connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away or refuse a certificate say so themselves."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: else the second waits 40 ms for the client to acknowledge the first, at every answer.
    disable_nagle_algorithm = True

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _serve(self) -> None:
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        assert isinstance(self.server, Server)
        status, said, text = self.server.handle(self.command, self.path, headers, body)
        self.send_response(status)
        for name, value in said.items():
            if name.lower() not in (*HOP_BY_HOP, "content-length", "date", "server"):
                self.send_header(name, value)
        length = {name.lower(): value for name, value in said.items()}.get("content-length", "0")
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def forward(port: int, method: str, path: str, headers: Headers, body: bytes) -> Answer:
    """What the server on a port of loopback answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        kept = {key: value for key, value in headers.items() if key not in (*HOP_BY_HOP, "content-length")}
        connection.request(method, path, body, kept)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


@dataclass
class Doors:
    """The proxy. `open` says who answers under a name; `environment` leads a process through it."""

    authority: Authority
    asked: list[str] = field(default_factory=list)
    """Every host:port that somebody asked for."""
    refused: list[str] = field(default_factory=list)
    """Those that nobody stands for."""
    url: str = ""

    def __post_init__(self) -> None:
        self._doors: list[tuple[re.Pattern[str], Handle]] = []
        self._servers: dict[str, Server] = {}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        ca = str(self.authority.file)
        return {
            "HTTPS_PROXY": self.url,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "SSL_CERT_FILE": ca,
            "REQUESTS_CA_BUNDLE": ca,
        }

    def open(self, host: str, handle: Handle) -> None:
        """`host`: a pattern of the whole name; port 443."""
        self._doors.append((re.compile(host), handle))

    def close(self) -> None:
        self._listener.close()
        for server in self._servers.values():
            server.close()

    def _server(self, host: str) -> Server | None:
        with self._lock:
            if host not in self._servers:
                found = next((handle for pattern, handle in self._doors if pattern.fullmatch(host)), None)
                if found is None:
                    return None
                self._servers[host] = Server(found, self.authority.context(host))
            return self._servers[host]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(connection,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(4096)
                if not piece:
                    return
                head += piece
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            host, _, port = target.rpartition(":")
            self.asked.append(target)
            server = self._server(host) if (method, port) == ("CONNECT", "443") else None
            if server is None:
                self.refused.append(target)
                client.sendall(b"HTTP/1.1 502 nobody stands for this name\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", server.server_port)) as upstream:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                join(client, upstream)


def join(one: socket.socket, other: socket.socket) -> None:
    """Carries bytes both ways, each piece at once, until both sides are done."""
    for each in (one, other):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def carry(source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    back = threading.Thread(target=carry, args=(other, one), daemon=True)
    back.start()
    carry(one, other)
    back.join()
