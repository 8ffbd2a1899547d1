"""What an API server says of itself, over a socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import yaml

from infra.kubernetes.cluster import NEEDED


def says(path: str, minor: str = "34+", served: Sequence[str] = tuple(NEEDED)) -> dict[str, Any] | None:
    """The answer to a GET; None: there is nothing."""
    if path == "/version/":
        version = dict.fromkeys(("gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion"), "x")
        return {**version, "compiler": "gc", "platform": "linux", "major": "1", "minor": minor}
    if path == "/apis/":
        groups = [
            {"name": api.split("/")[0], "versions": [{"groupVersion": api, "version": api.split("/")[1]}]}
            for api in served
        ]
        return {"kind": "APIGroupList", "groups": groups}
    return None


class Api(BaseHTTPRequestHandler):
    """An API server's word on itself."""

    minor: ClassVar[str] = "34+"
    served: ClassVar[list[str]] = list(NEEDED)
    objects: ClassVar[dict[str, dict[str, Any]]] = {}
    """Path to what a GET of it answers."""

    def do_GET(self) -> None:
        found = self.objects.get(self.path) or says(self.path, self.minor, self.served)
        self._say(found) if found else self.send_error(404)

    def _say(self, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@contextmanager
def api_server() -> Iterator[tuple[type[Api], str]]:
    """A server of its own, to be changed, and its URL."""
    kind: type[Api] = type("Served", (Api,), {"objects": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield kind, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


def kubeconfig_of(url: str) -> str:
    """A kubeconfig whose context `cluster` leads there."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "x"}}],
        "contexts": [{"name": "cluster", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "cluster",
    }
    return yaml.safe_dump(config)
