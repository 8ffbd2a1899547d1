"""Loopback ports: who listens on one, and which ones a process has."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress

import psutil

from infra.errors import UserError

OTHER_STACK = "make up NAME=two PORT_BASE=14000"


def port_holder(port: int) -> str | None:
    """Who listens on the loopback port, in words; None when it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "the system (ports below 1024 need privileges)"
        except OSError:
            pass
        else:
            return None
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr[1] == port:
            if connection.pid is None:
                break
            with suppress(psutil.Error):  # it ended meanwhile
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"


def check_ports(ports: Mapping[str, int]) -> None:
    """Raises UserError when one of the ports (by the name of its setting) is taken."""
    taken = [
        f"port {port} (setting {setting}) is taken by {holder}"
        for setting, port in ports.items()
        if (holder := port_holder(port))
    ]
    if taken:
        raise UserError("\n".join(taken) + f"\nEnd that process, or run a stack on other ports: {OTHER_STACK}")


def is_open(port: int) -> bool:
    """Whether something answers on the loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def listened_on(pid: int) -> set[int]:
    """The ports that a process and what it started listen on."""
    found = set[int]()
    with suppress(psutil.Error):  # it ended meanwhile
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                found |= {item.laddr.port for item in each.net_connections("tcp") if item.status == psutil.CONN_LISTEN}
    return found
