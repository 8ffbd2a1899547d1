"""A ClickHouse endpoint as a step's inputs, and a client from these inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from infra.clickhouse import connect, open_client
from infra.endpoints import ClickHouseAddress, ClickHouseEndpoint, Direct, Reached, access_from_dict
from infra.errors import UserError

if TYPE_CHECKING:  # slow to import, and the Pulumi program only declares this step
    from clickhouse_connect.driver.client import Client

ADDRESS = ("clickhouse", "clickhouse_access")
REFRESH_SECONDS = 1
"""How long a refresh waits for a ClickHouse that refuses connections."""


def clickhouse_inputs(endpoint: ClickHouseEndpoint) -> dict[str, Any]:
    """The endpoint as inputs of a resource."""
    return {"clickhouse": endpoint.address_inputs(), "clickhouse_access": endpoint.access}


@contextmanager
def client_of(props: Mapping[str, Any]) -> Iterator[Client]:
    """A client on the endpoint in a resource's properties."""
    address = props["clickhouse"]
    plain = ClickHouseAddress(address["host"], int(address["port"]), address["user"], bool(address["secure"]))
    with connect(plain, access_from_dict(props["clickhouse_access"])) as client:
        yield client


@contextmanager
def reachable_client_of(props: Mapping[str, Any]) -> Iterator[Client | None]:
    """The same for a refresh: None when ClickHouse does not answer, which is ClickHouse's drift and not the step's."""
    address = props["clickhouse"]
    plain = ClickHouseAddress(address["host"], int(address["port"]), address["user"], bool(address["secure"]))
    access = access_from_dict(props["clickhouse_access"])
    with ExitStack() as opened:
        try:
            if isinstance(access, Direct):
                client = _kept_client(plain)
            else:
                client = opened.enter_context(connect(plain, access, wait_seconds=REFRESH_SECONDS))
        except UserError:
            yield None
            return
        yield client


_kept: dict[ClickHouseAddress, Client] = {}


def _kept_client(address: ClickHouseAddress) -> Client:
    """One client for all of a refresh: to open one asks the server three questions, and many resources are looked at."""
    client = _kept.get(address)
    if client is None or not client.ping():
        client = open_client(address, Reached(address.host, address.port), REFRESH_SECONDS)
        _kept[address] = client
    return client


def changed(olds: Mapping[str, Any], news: Mapping[str, Any], *keys: str) -> bool:
    """Whether one of `keys` or the endpoint differs."""
    return any(olds.get(key) != news.get(key) for key in (*keys, *ADDRESS))
