"""The HTTP server under our own applications: ends like any other process of the stack."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class Server(uvicorn.Server):
    """Ends with exit code 0 on SIGTERM; uvicorn's own handling raises the signal again at the end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self.handle_exit)
        yield
