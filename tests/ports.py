"""Ports for tests: each one its process's own until that ends, and none that the system hands out by itself.

A port that was free a moment ago, found by binding port 0, is anybody's: another worker's server or connection gets it.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from infra.settings import PORTS

SINGLE = range(10_000, 15_000)
BASES = range(15_000, 20_000, 100)
"""Both below what Linux gives to connections (from 32768 on) and below ephemeral stacks (from 20000 on)."""
_ours = ExitStack()
"""Until the process ends."""


def free_port() -> int:
    """A port that nothing listens on, and that no other test takes."""
    return _first(((port,) for port in _shuffled(SINGLE)), _ours)


def free_ports(count: int) -> list[int]:
    """As many of them."""
    return [free_port() for _ in range(count)]


@contextmanager
def free_port_base() -> Iterator[int]:
    """A portBase whose ports are all free, for the block."""
    offsets = [offset for _, offset in PORTS.values()]
    with ExitStack() as claims:
        yield _first(([base + offset for offset in offsets] for base in _shuffled(BASES)), claims) - offsets[0]


def _shuffled(ports: range) -> list[int]:
    return random.sample(ports, len(ports))


def _first(groups: Iterable[Iterable[int]], claims: ExitStack) -> int:
    """The first port of the first group whose ports are all free; they are claimed."""
    for group in groups:
        with ExitStack() as tried:
            try:
                ports = [tried.enter_context(_claim(port)) for port in group]
            except OSError:
                continue
            claims.enter_context(tried.pop_all())
            return ports[0]
    raise AssertionError("no port is free")


@contextmanager
def _claim(port: int) -> Iterator[int]:
    """Claims the TCP port by the UDP port of its number, which nothing here uses. Raises OSError when it is taken."""
    with socket.socket(type=socket.SOCK_DGRAM) as claim:
        claim.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)):
            pass
        yield port
