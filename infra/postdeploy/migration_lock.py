"""Keeps a second migration runner out, with nothing but tables: ClickHouse has no locks.

A runner creates a table of its own, named by a token, whose comment says who it is; then it looks who else is there.
Both create before they look, so of two at least one sees the other: never do both go on. Names are never used again, so
dropping a leftover can't hit anybody else's. With replicas the runners may talk to different nodes: a node's CREATE returns
after it has done all DDL that any node had written to Keeper before, so of two the later one sees the other. A runner
stays with its node (infra/aws/access.py).
"""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import psutil
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from infra.errors import UserError
from infra.paths import SQL
from infra.templates import render, sql_string

PREFIX = "schema_migrations_lock_"
BEAT_SECONDS = 5.0
EXPIRY_SECONDS = 60.0
"""A runner on another machine that has not been heard of for this long is gone."""
TRIES = 4


class HeldError(UserError):
    """Another runner has the lock."""


@dataclass(frozen=True)
class Owner:
    """A runner as others see it."""

    token: str
    host: str
    pid: int
    started: float
    """When its process started: a process id alone comes back."""
    since_ms: int
    beat_ms: int
    """When it was last heard of, by the server's clock."""

    @property
    def table(self) -> str:
        return PREFIX + self.token

    def gone(self, now_ms: int) -> bool:
        """Whether its process on this machine has ended, or it has been silent for too long."""
        if self.host == _host():
            try:
                return abs(psutil.Process(self.pid).create_time() - self.started) > 2
            except psutil.NoSuchProcess:
                return True
        return now_ms - self.beat_ms > EXPIRY_SECONDS * 1000


def _host() -> str:
    """This machine and this boot of it: process ids mean nothing beyond."""
    return f"{socket.gethostname()}/{int(psutil.boot_time()) // 60}"


def _others(client: Client, database: str, token: str) -> tuple[list[Owner], int]:
    """Everybody else who has announced, and the server's time in milliseconds."""
    query = render(SQL / "postdeploy" / "locks.sql", {"database": database, "prefix": PREFIX})
    owners, now_ms = [], 0
    for name, comment, at in client.query(query).result_rows:
        now_ms = int(at)
        if name != PREFIX + token:
            owners.append(Owner(**json.loads(comment)))
    return owners, now_ms


class Lock:
    """The lock, held. `verify` before every statement: a runner that was paused for long may have lost it."""

    def __init__(self, client: Client, database: str, owner: Owner):
        self._client, self._database, self.owner = client, database, owner
        self._stop = threading.Event()
        self._lost = ""
        self._thread = threading.Thread(target=self._beat, name="migration-lock", daemon=True)

    def _table(self) -> str:
        return f"{self._database}.{self.owner.table}"

    def touch(self) -> None:
        """Says that this runner lives. Raises ClickHouseError when its table is gone."""
        owner = Owner(**{**asdict(self.owner), "beat_ms": server_ms(self._client)})
        comment = sql_string(json.dumps(asdict(owner)))
        self._client.command(f"ALTER TABLE {self._table()} MODIFY COMMENT {comment}")

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                self.touch()
            except ClickHouseError as error:
                self._lost = str(error).partition("\n")[0]

    def verify(self) -> None:
        """Raises UserError when another runner has taken this one for dead."""
        if not self._client.command(f"EXISTS TABLE {self._table()}"):
            raise UserError(
                f"this runner was silent for over {EXPIRY_SECONDS:.0f} s and another one has taken over; nothing is "
                f"half-done: run the command again once that one has ended. {self._lost}".strip()
            )

    def start(self) -> None:
        self._thread.start()

    def release(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.command(f"DROP TABLE IF EXISTS {self._table()}")


def server_ms(client: Client) -> int:
    """The server's clock in Unix milliseconds."""
    return int(client.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows[0][0])


@contextmanager
def locked(client: Client, database: str) -> Iterator[Lock]:
    """Holds the lock of `database` inside the block. Raises UserError that names who else has it."""
    now = server_ms(client)
    process = psutil.Process()
    owner = Owner(secrets.token_hex(8), _host(), os.getpid(), process.create_time(), now, now)
    lock = Lock(client, database, owner)
    for attempt in range(1, TRIES + 1):
        comment = sql_string(json.dumps(asdict(owner)))
        client.command(f"CREATE TABLE {database}.{owner.table} (nothing UInt8) ENGINE = Null COMMENT {comment}")
        try:
            others, now = _others(client, database, owner.token)
            for other in [other for other in others if other.gone(now)]:
                client.command(f"DROP TABLE IF EXISTS {database}.{other.table}")
            held = [other for other in others if not other.gone(now)]
        except BaseException:
            with suppress(ClickHouseError):
                client.command(f"DROP TABLE IF EXISTS {database}.{owner.table}")
            raise
        if not held:
            break
        client.command(f"DROP TABLE IF EXISTS {database}.{owner.table}")
        # Two that came at the same moment both give way; one of them is first the next time.
        if attempt == TRIES or now - held[0].since_ms > 2000:
            raise _refused(held[0], database, now)
        time.sleep(random.uniform(0.05, 0.4))
        owner = Owner(secrets.token_hex(8), owner.host, owner.pid, owner.started, owner.since_ms, now)
        lock = Lock(client, database, owner)
    lock.start()
    try:
        yield lock
    finally:
        lock.release()


def _refused(other: Owner, database: str, now_ms: int) -> HeldError:
    since = datetime.fromtimestamp(other.since_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return HeldError(
        f"another migration runner is at work on {database}: process {other.pid} on {other.host.partition('/')[0]}, since "
        f"{since}, last heard of {max(0, now_ms - other.beat_ms) / 1000:.0f} s ago. Wait for it to end and run the command "
        f"again. A runner that died gives way by itself (on another machine after {EXPIRY_SECONDS:.0f} s of silence); to "
        f"clear it by hand: DROP TABLE {database}.{other.table}"
    )
