"""GitHub's pull requests of o/r, in memory: the comments of number 7 with their pages and limit, which are closed, and a token
that it refuses without."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.comment.markdown import LIMIT

BOT = {"login": "github-actions[bot]", "type": "Bot"}
"""Who a workflow's comments are by."""


@contextmanager
def github(
    status: int = 0, closed: set[int] | None = None, login: str = ""
) -> Iterator[tuple[str, list[dict[str, Any]], list[str]]]:
    """Yields the API's URL, the comments and the calls; `status` answers everything, if given; `closed`: numbers of
    pull requests that are not open (any more); `login`: whose the token is, '' for a workflow's."""
    comments: list[dict[str, Any]] = []
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
            calls.append(f"{self.command} {path}")
            code, said = self.respond(path, query, body)
            if status:
                code, said = status, {"message": "refused"}
            text = b"" if said is None else json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def respond(self, path: str, query: str, body: dict[str, Any] | None) -> tuple[int, Any]:
            if self.headers.get("Authorization") != "Bearer token":
                return 401, {"message": "Bad credentials"}
            if body is not None and len(body["body"]) > LIMIT:
                return 422, {"message": "body is too long"}
            if found := re.fullmatch(r"/repos/o/r/pulls/(\d+)", path):
                number = int(found[1])
                return 200, {"number": number, "state": "closed" if number in (closed or ()) else "open"}
            if path == "/user":
                return (
                    (200, {"login": login}) if login else (403, {"message": "Resource not accessible by integration"})
                )
            if path == "/repos/o/r/issues/7/comments":
                if body is not None:
                    comments.append({"id": len(comments) + 1, "user": BOT, **body})
                    return 201, comments[-1]
                asked = dict(pair.split("=") for pair in query.split("&"))
                size, page = int(asked["per_page"]), int(asked["page"])
                return 200, comments[(page - 1) * size : page * size]
            found = [item for item in comments if path == f"/repos/o/r/issues/comments/{item['id']}"]
            if not found:
                return 404, {"message": "Not Found"}
            if body is not None:
                found[0].update(body)
                return 200, found[0]
            comments.remove(found[0])
            return 204, None

        do_GET = do_POST = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", comments, calls
    finally:
        server.shutdown()
        server.server_close()
