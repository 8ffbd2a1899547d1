"""Sending OTLP/HTTP protobuf requests: one way for the canary, the demo's history, the tests and the benchmarks."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Literal

from infra.errors import UserError

RETRYABLE = frozenset({429, 502, 503, 504})
"""OTLP/HTTP answers after which a client sends again (opentelemetry-proto, docs/specification.md, "Failures")."""


class OtlpRefused(UserError):
    """The collector answered with an error. `status` is the HTTP status, 0 when there was no answer."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status == 0 or self.status in RETRYABLE


def send(
    http_url: str,
    body: bytes,
    signal: Literal["traces", "logs"] = "traces",
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
) -> bytes:
    """Sends one export request and returns the response's body. Raises OtlpRefused."""
    request = urllib.request.Request(
        f"{http_url}/v1/{signal}", body, {"Content-Type": "application/x-protobuf", **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        detail = error.read()[:500].decode(errors="replace").strip()
        raise OtlpRefused(error.code, f"{http_url} answered {error.code} {error.reason} {detail}") from None
    except (OSError, http.client.HTTPException) as error:
        raise OtlpRefused(0, f"{http_url} did not answer: {error}") from None
