"""The server or Keeper as a systemd service: restarted or reloaded, and waited for until it really works."""

from __future__ import annotations

import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from .program import PROGRAM
from .run import Failed, run, say

RELOADED = ("/users.d/", "/users.xml")
CERTIFICATE = ("/tls/node.key", "/tls/node.crt", "/tls/ca.pem")
"""Read again by a running server, but not for its own connections to Keepers and other replicas."""
READY_SECONDS = 1200
"""A server with many parts loads for minutes; a replica that was away catches up."""
MOST_DELAY_SECONDS = 60
RAFT_PORT = 9234
RESTARTS = 3


def needs_restart(plan: Mapping[str, Any], changed: Sequence[str]) -> bool:
    """Whether one of the changes is seen at the start only."""
    if plan["role"] != "server":
        return bool(changed)
    reloaded = RELOADED if plan["replicated"] else (*RELOADED, *CERTIFICATE)
    return any(not any(part in path for part in reloaded) for path in changed)


def bring_up(plan: Mapping[str, Any], changed: Sequence[str]) -> None:
    """Starts, restarts or reloads the service, whatever the changes ask for. An unchanged one is left alone."""
    unit = plan["unit"]
    running = run(["sh", "-c", 'systemctl is-active "$1" || true', "sh", unit]).strip() == "active"
    if not running or needs_restart(plan, changed):
        run(["systemctl", "daemon-reload"])
        run(["systemctl", "enable", unit])
        run(["systemctl", "restart", unit], seconds=400)
        say(f"{unit} {'restarted' if running else 'started'} ({_named(changed)})")
    elif changed:
        query(plan, "SYSTEM RELOAD CONFIG")
        say(f"{unit} reloaded ({_named(changed)})")
    else:
        say(f"{unit} runs and nothing has changed")


def _named(changed: Sequence[str]) -> str:
    return ", ".join(path.rpartition("/")[2] for path in changed) or "it was not running"


def query(plan: Mapping[str, Any], sql: str, seconds: float = 120) -> str:
    """The operator's query, over TLS, by the client in the program: its password is in a file of root's."""
    root = plan["root"]
    return run([f"{root}{PROGRAM}", "client", "--query", sql], seconds, env={"HOME": f"{root}/root"}).strip()


def wait(plan: Mapping[str, Any], seconds: float = READY_SECONDS) -> None:
    """Returns when the node serves and has caught up. Raises Failed with what it still lacks and its log's end."""
    check = server_lacks if plan["role"] == "server" else keeper_lacks
    deadline = time.monotonic() + seconds
    while True:
        lacks = check(plan)
        if not lacks:
            return
        if time.monotonic() > deadline or _given_up(plan["unit"]):
            raise Failed(f"{plan['unit']}: {lacks}\n{_log_end(plan)}")
        time.sleep(2)


def server_lacks(plan: Mapping[str, Any]) -> str:
    """What keeps the server from taking its part; '' when it serves."""
    said = https_ping(plan)
    if said:
        return said
    try:
        if query(plan, "SELECT 1") != "1":
            return "SELECT 1 is not 1"
        if plan["replicated"]:
            query(plan, "SELECT count() FROM system.zookeeper WHERE path = '/'")
            behind = query(
                plan,
                "SELECT groupArray(concat(database, '.', table)) FROM system.replicas "
                f"WHERE is_readonly OR is_session_expired OR absolute_delay > {MOST_DELAY_SECONDS}",
            )
            if behind != "[]":
                return f"replicas that are read-only or behind: {behind}"
    except Failed as error:
        return str(error)
    return ""


def https_ping(plan: Mapping[str, Any]) -> str:
    """What is wrong with 8443 as others see it: its certificate, its name, its answer; '' when all is well."""
    context = ssl.create_default_context(cafile=f"{plan['root']}{plan['secret_folder']}/ca.pem")
    try:
        with urllib.request.urlopen(
            f"https://{plan['host']}:{plan['https_port']}/ping", timeout=10, context=context
        ) as answer:
            return "" if answer.read() == b"Ok.\n" else "8443 answers, but not as ClickHouse does"
    except (OSError, urllib.error.URLError) as error:
        return f"https://{plan['host']}:{plan['https_port']}: {error}"


def keeper_lacks(plan: Mapping[str, Any]) -> str:
    """What keeps the Keeper from taking its part; '' when it follows or leads, or when it is the first of all."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{plan['ready_port']}/ready", timeout=10) as answer:
            details = json.loads(answer.read()).get("details", {})
            return "" if details.get("hasLeader") else "it has no leader"
    except urllib.error.HTTPError as error:
        others = [peer for peer in plan["peers"] if _reachable(peer, RAFT_PORT)]
        # With itself they would be most of them: then there has to be a leader. The first of a new stack is alone.
        if 2 * (len(others) + 1) <= len(plan["peers"]) + 1:
            say(f"no leader yet: {len(others)} of {len(plan['peers'])} other Keepers answer")
            return ""
        return f"not ready ({error.code}) although {', '.join(others)} answer"
    except (OSError, ValueError) as error:
        return f"http://127.0.0.1:{plan['ready_port']}/ready: {error}"


def _reachable(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True


def _given_up(unit: str) -> bool:
    """Whether it ends again and again: systemd counts its own restarts since the last one that was asked for."""
    shown = run(["systemctl", "show", "--property", "NRestarts", "--value", unit]).strip()
    return shown.isdigit() and int(shown) >= RESTARTS


def _log_end(plan: Mapping[str, Any]) -> str:
    script = 'tail -n 15 "$1" 2>&1; journalctl -u "$2" -n 10 --no-pager 2>&1 || true'
    return run(["sh", "-c", script, "sh", f"{plan['root']}{plan['error_log']}", plan["unit"]])
