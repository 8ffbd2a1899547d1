"""Fixtures of the worker's tests: a ClickHouse that has the whole schema, one a file, and a client on its empty tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from tests.pipeline.clickhouse_front import Front
from tests.pipeline.worker_world import apply_schema, client_of, empty


@pytest.fixture(scope="module", name="front")
def front_with_the_schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A ClickHouse with all tables and views, for the tests of one file."""
    front = Front(tmp_path_factory.mktemp("front"))
    front.start()
    with client_of(front.port) as client:
        apply_schema(client)
    yield front
    front.stop()


@pytest.fixture(name="client")
def client_of_empty_tables(front: Front) -> Iterator[Client]:
    """A client on it; a test begins with empty tables."""
    with client_of(front.port) as client:
        empty(client)
        yield client
