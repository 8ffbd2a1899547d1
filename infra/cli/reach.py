"""How the commands reach a stack's parts: a local one's by its ports, one on AWS as post-deploy steps do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from infra.aws.reach import Reach, reach
from infra.cli.console import working
from infra.cli.engine import engine
from infra.cli.local import check_up
from infra.config import file_settings
from infra.endpoints import ClickHouseAddress, Direct, KafkaAddress, OtlpAddress
from infra.settings import Settings

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from clickhouse_connect.driver.client import Client


def reach_of(name: str, found: Settings | None = None) -> Reach:
    """Addresses and accesses: of a local stack by its settings, else by what its last `up` said."""
    found = found or file_settings(name)
    if found.platform == "local":
        check_up(name)
        from infra.local.clickhouse.component import schema_folder
        from infra.local.toolchain import find_clickhouse

        return Reach(
            ClickHouseAddress("127.0.0.1", found.clickhousePort),
            Direct(),
            schema_folder(server=find_clickhouse() is not None),
            KafkaAddress(f"127.0.0.1:{found.kafkaPort}"),
        )
    from infra.backend import check_backend, outputs

    check_backend(name)  # before an engine is built for minutes
    tools = engine(found.platform)
    with working(f"asking the state of {name} where its parts are"):
        said = outputs(name, tools)
    return reach(said, name)


@contextmanager
def clickhouse(name: str, wait_seconds: float = 15) -> Iterator[Client]:
    """A client on the stack's ClickHouse; of several shards on the first. What ClickHouse refuses is a UserError."""
    from infra.clickhouse import as_user_error, connect

    found = file_settings(name)
    if found.platform == "local":  # without the second of imports that the rest of a local stack's reach takes
        check_up(name)  # nobody starts what has not been started: nothing is waited for
        address, access = ClickHouseAddress("127.0.0.1", found.clickhousePort), Direct()
    else:
        reached = reach_of(name, found)
        address, access = reached.clickhouse, reached.clickhouse_access
    with ExitStack() as opened:
        with working("opening ClickHouse"):
            client = opened.enter_context(connect(address, access, wait_seconds=wait_seconds))
        with as_user_error("ClickHouse refuses"):
            yield client


def each_shard(reached: Reach) -> Iterator[tuple[int, Client]]:
    """Every shard's number, and a client on it as long as it is its turn."""
    from infra.clickhouse import connect

    for number, access in enumerate((reached.clickhouse_access, *reached.further_shards), 1):
        with ExitStack() as opened:
            with working("opening ClickHouse"):
                client = opened.enter_context(connect(reached.clickhouse, access))
            yield number, client


def otlp_address(name: str) -> OtlpAddress:
    """A local stack's collector, by its settings. Raises UserError when the stack is not up."""
    check_up(name)
    found = file_settings(name)
    return OtlpAddress(f"http://127.0.0.1:{found.otlpHttpPort}", f"127.0.0.1:{found.otlpGrpcPort}")
