"""A receiver of budget webhooks: checks the signature, forgets repetitions, says which runs a gateway should stop.

    export BUDGET_WEBHOOK_SECRET=$(telemetry budgets secret)
    .venv/bin/python -m examples.budget_receiver --port 9009

Nothing but the standard library, to be copied. Instead of printing, a gateway keeps `stopped` and refuses the next model
call of whoever is in it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import time
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE_SECONDS = 300
"""An older timestamp may be somebody else's recording."""
REMEMBERED = 10_000
LARGEST = 1 << 20


def verified(headers: Any, body: bytes, secret: str, now: float | None = None) -> bool:
    """Whether the body is what the worker signed with `secret` (whsec_…), lately."""
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs((now or time.time()) - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = base64.b64encode(digest).decode()
    given = [item.partition(",") for item in headers.get("webhook-signature", "").split(" ")]
    return any(version == "v1" and hmac.compare_digest(value, expected) for version, _, value in given)


class Receiver(ThreadingHTTPServer):
    """Keeps what is stopped: runs by trace id; tenants, workflows and agents until they are resolved."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], secret: str) -> None:
        super().__init__(address, Handler)
        self.secret = secret
        self.seen: OrderedDict[str, None] = OrderedDict()
        self.stopped: set[str] = set()

    def take(self, event: dict[str, Any]) -> None:
        """Acts on an event, once."""
        if event["id"] in self.seen:
            return
        self.seen[event["id"]] = None
        if len(self.seen) > REMEMBERED:
            self.seen.popitem(last=False)
        data = event["data"]
        subject = data["subject"]
        name = subject["run"] or "/".join(
            part for part in (subject["tenant"], subject["workflow"], subject["agent"]) if part
        )
        if event["type"] == "budget.crossed":
            self.stopped.add(name)
            runs = ", ".join(run["trace_id"] for run in data["runs"] if run["state"] == "running")
            print(
                f"stop {name}: {data['budget']['name']}: {data['used']:g} of {data['budget']['limit']:g}; running: {runs or 'none'}",
                flush=True,
            )
        elif event["type"] == "budget.resolved":
            self.stopped.discard(name)
            print(f"resume {name}: {data['budget']['name']}", flush=True)


class Handler(BaseHTTPRequestHandler):
    """POST anywhere."""

    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length) if length <= LARGEST else b""
        good = verified(self.headers, body, self.server.secret)
        if good:
            self.server.take(json.loads(body))
        # Quickly, and 2xx only once it is taken: anything else is sent again.
        self.send_response(204 if good else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of requests."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9009)
    secret = os.environ.get("BUDGET_WEBHOOK_SECRET")
    if not secret:
        parser.error("set BUDGET_WEBHOOK_SECRET (whsec_…)")
    server = Receiver(("127.0.0.1", parser.parse_args().port), secret)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
