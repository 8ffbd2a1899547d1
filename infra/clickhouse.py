"""Opens a clickhouse-connect client on an address, through the access that leads there."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infra.endpoints import Access, ClickHouseAddress, Reached
from infra.errors import UserError

if TYPE_CHECKING:  # slow to import, and the Pulumi program, which opens no client, imports this file
    from clickhouse_connect.driver.client import Client

CONNECT_SECONDS = 5
RETRY_SECONDS = 0.2
STATEMENT_SECONDS = 600
"""How long one statement may keep the connection silent: backfills and mutations take minutes."""


@contextmanager
def connect(address: ClickHouseAddress, access: Access, wait_seconds: float = 15, **options: Any) -> Iterator[Client]:
    """A client on `address`, closed at the end. `options` go to clickhouse_connect.get_client.

    A server that refuses connections (it is just being restarted) is tried again for `wait_seconds`.
    Raises UserError when it does not answer by then.
    """
    with access.open(address.host, address.port) as reached:
        client = open_client(address, reached, wait_seconds, **options)
        try:
            yield client
        finally:
            client.close()


def open_client(address: ClickHouseAddress, reached: Reached, wait_seconds: float, **options: Any) -> Client:
    """The same without closing it."""
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import OperationalError

    # Of each try that fails it says that it did. We say so once, when we give up.
    logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return clickhouse_connect.get_client(
                host=reached.host,
                port=reached.port,
                username=address.user,
                password=reached.password,
                interface="https" if address.secure else "http",
                ca_cert=reached.ca_file or None,
                server_host_name=reached.server_name or None,
                connect_timeout=CONNECT_SECONDS,
                send_receive_timeout=STATEMENT_SECONDS,
                # Sessions forbid two statements at once, and no step needs one.
                autogenerate_session_id=False,
                **options,
            )
        except OperationalError as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"ClickHouse does not answer on {reached.host}:{reached.port} after {wait_seconds:g} s: {_why(error)}\n"
                    "`telemetry status --name STACK` says what runs, `telemetry up --name STACK` starts what is missing"
                ) from error
            time.sleep(RETRY_SECONDS)


def _why(error: Exception) -> str:
    """Without urllib3's own way of saying that nobody listens."""
    return "connection refused" if "Connection refused" in str(error) else first_line(error)


def first_line(error: Exception) -> str:
    """The error's own words without the server's version and stack."""
    return str(error).strip().partition("\n")[0].partition(" (version ")[0]


@contextmanager
def as_user_error(what: str) -> Iterator[None]:
    """Turns ClickHouse's errors into a UserError that begins with `what` (a migration's file, a setting)."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        yield
    except ClickHouseError as error:
        raise UserError(f"{what}: {first_line(error)}") from error
