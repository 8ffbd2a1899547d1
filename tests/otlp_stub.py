"""A small OTLP/HTTP endpoint for tests: answers from a script, then 200, and keeps what it was sent."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Script:
    """What to answer next: (status, headers, body). Afterwards always 200 with an empty body."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    received: list[tuple[str, bytes]] = field(default_factory=list)
    """(path, body) of every request, refused ones too."""
    accepted: list[tuple[str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    """Of every request, names in lower case."""
    url: str = ""


@contextmanager
def otlp_stub(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[Script]:
    """Serves on a free loopback port."""
    script = Script(list(answers))
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            with lock:
                script.received.append((self.path, body))
                script.headers.append({key.lower(): value for key, value in self.headers.items()})
                status, headers, answer = script.answers.pop(0) if script.answers else (200, {}, b"")
                if status == 200:
                    script.accepted.append((self.path, body))
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
