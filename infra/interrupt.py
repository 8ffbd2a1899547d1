"""A ^C while another program, which gets it as well, is at work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupted_afterwards() -> Iterator[None]:
    """For the engine. The terminal's ^C reaches the engine as well, which ends what is under way, saves the state and unlocks it.
    Who left it alone then would take its output away, and with its next line it would die: locked, its plugins left behind. A
    second ^C, by which it stops at once, ends this too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, pressed = signal.getsignal(signal.SIGINT), False

    def once(*_: Any) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, before)

    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            raise KeyboardInterrupt
