"""What signs calls of budgetWebhookUrl: how the worker gets at it. Paths and ARNs only; the secret lives in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.errors import UserError

KEEP_SECONDS = 300.0
"""A changed secret is in use after this."""


class WebhookSecret(Protocol):
    """Opens the secrets that calls are signed with."""

    def open(self) -> AbstractContextManager[Sequence[str]]:
        """whsec_<base64>, the one in force first; a second one while receivers change over."""
        ...


def secrets_of(found: Mapping[str, object], where: str) -> list[str]:
    """The secrets of {"secret": …, "previous": …}. Raises UserError that names `where`, never the value."""
    from infra.worker.budgets.webhook import secret_bytes

    secrets = []
    for key in ("secret", "previous"):
        value = found.get(key)
        if key == "previous" and value is None:
            continue
        try:
            secret_bytes(value if isinstance(value, str) else "")
        except ValueError as error:
            raise UserError(f"{where}: {key} {error}; `openssl rand -base64 32` makes the part after whsec_") from None
        secrets.append(str(value))
    return secrets


@dataclass(frozen=True)
class SecretFile:
    """A file on this machine that holds one secret."""

    path: str

    @contextmanager
    def open(self) -> Iterator[list[str]]:
        try:
            text = Path(self.path).read_text().strip()
        except OSError as error:
            raise UserError(f"{self.path}: {error.strerror}; `telemetry up` makes it anew") from None
        yield secrets_of({"secret": text}, self.path)


class KeptSecret:
    """Reads the secrets now and then, not at each call."""

    def __init__(self, access: WebhookSecret) -> None:
        self._access = access
        self._read, self._secrets = -float("inf"), list[str]()

    def __call__(self) -> Sequence[str]:
        if time.monotonic() - self._read > KEEP_SECONDS:
            with self._access.open() as secrets:
                self._secrets = list(secrets)
            self._read = time.monotonic()
        return self._secrets
