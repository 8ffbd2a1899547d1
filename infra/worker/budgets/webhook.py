"""One call of the webhook: signed as the Standard Webhooks specification says, bounded in time, never redirected."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass

CONNECT_SECONDS, READ_SECONDS = 3.0, 7.0
PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
"""Of a secret (Standard Webhooks, signature scheme)."""


@dataclass(frozen=True)
class Answer:
    """How a call went."""

    status: int
    """0: there was no answer."""
    seconds: float
    error: str = ""
    """Empty: it was taken."""


def secret_bytes(text: str) -> bytes:
    """The key that `whsec_<base64>` stands for. Raises ValueError, which never holds the secret."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(PREFIX) or not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"has to be {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64")
    return key


def signatures(secrets: Sequence[str], event_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature: one signature a secret, so that a secret can be changed without a gap."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    made = (hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest() for secret in secrets)
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in made)


def call(url: str, secrets: Sequence[str], event_id: str, body: bytes) -> Answer:
    """Posts the body. Anything but 2xx is a failure; a redirection too: it would carry the body to where nobody said."""
    import requests

    timestamp = int(time.time())
    headers = {
        "content-type": "application/json",
        "user-agent": "agent-telemetry",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures(secrets, event_id, timestamp, body),
    }
    began = time.monotonic()
    try:
        with requests.Session() as session:
            # Neither a proxy nor a password of the machine's own, which nobody named.
            session.trust_env = False
            # Of the answer only the status is read: a body without an end holds up nobody.
            answer = session.post(
                url,
                data=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            )
            answer.close()
    except requests.RequestException as error:
        return Answer(0, time.monotonic() - began, _said(error))
    taken = 200 <= answer.status_code < 300
    return Answer(answer.status_code, time.monotonic() - began, "" if taken else f"answered {answer.status_code}")


def _said(error: Exception) -> str:
    """The kind of error and its words, without the address."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
