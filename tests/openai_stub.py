"""A small chat completions endpoint for tests: asks for each tool that it is offered once, then answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROMPT_TOKENS, COMPLETION_TOKENS, CACHED_TOKENS = 120, 8, 20


def completion(request: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's answer to the request ("Create chat completion" in its API reference)."""
    last = request["messages"][-1]
    asks = last["role"] == "user"
    message: dict[str, Any] = {"role": "assistant", "content": None if asks else f"So: {last['content']}"}
    if asks:
        name = request["tools"][0]["function"]["name"]
        message["tool_calls"] = [
            {"id": "call_1", "type": "function", "function": {"name": name, "arguments": '{"city": "Oslo"}'}}
        ]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": f"{request['model']}-2024-07-18",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if asks else "stop"}],
        "usage": {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": COMPLETION_TOKENS,
            "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
            "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
        },
    }


@contextmanager
def openai_stub() -> Iterator[str]:
    """Serves on a free loopback port; yields the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = self.path == "/v1/chat/completions" and self.headers.get("Authorization") == "Bearer key"
            body = json.dumps(completion(request) if known else {"error": {"message": "refused"}}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
