"""clickhouse-connect's normal client against the front: values, compression, streaming, errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from infra.clickhouse import as_user_error, connect
from infra.endpoints import ClickHouseAddress, Direct
from infra.errors import UserError
from tests.pipeline.clickhouse_front import Front, running_front  # noqa: F401
from tests.ports import free_port


@pytest.fixture(params=[True, False, "zstd"], ids=["lz4", "plain", "zstd"])
def client(front: Front, request: pytest.FixtureRequest) -> Iterator[Client]:
    with clickhouse_connect.get_client(host="127.0.0.1", port=front.port, compress=request.param) as client:
        yield client


def test_rows_of_every_kind_return_as_they_were_inserted(client: Client):
    client.command(
        "CREATE OR REPLACE TABLE t (id FixedString(8), s String, m Map(String, String), d DateTime64(3, 'UTC'), "
        "n Nullable(Decimal(18, 12)), l LowCardinality(String), a Array(UInt32)) ENGINE = MergeTree ORDER BY id"
    )
    when = datetime(2026, 3, 4, 5, 6, 7, 891000)
    rows = [
        [i.to_bytes(7, "big") + b"\xff", f"é{i}\0", {"k": "'\t\\"}, when, Decimal("0.000000000001") * i, "x", [i, i]]
        for i in range(5000)
    ]
    assert client.insert("t", rows).written_rows == 5000
    stored = client.query("SELECT * FROM t ORDER BY id")
    assert [list(row) for row in stored.result_rows] == rows


def test_parameters_are_bound_by_the_server(client: Client):
    text = "it's\n\t\\ é {x:String}"
    sql = "SELECT {s:String}, {l:Array(String)}, {n:Nullable(UInt8)}"
    parameters = {"s": text, "l": ["a'b", "c,d"], "n": None}
    assert client.query(sql, parameters=parameters).result_rows == [(text, ["a'b", "c,d"], None)]
    assert client.query("SELECT length({s:String})", parameters={"s": "x" * 200000}).result_rows == [(200000,)]


def test_a_large_result_streams(client: Client):
    rows = 0
    with client.query_row_block_stream("SELECT number, toString(number) FROM numbers(1000000)") as blocks:
        for block in blocks:
            rows += len(block)
    assert rows == 1000000


def test_errors_are_raised_with_their_code(client: Client):
    with pytest.raises(DatabaseError, match=r"code: 60.*UNKNOWN_TABLE"):
        client.query("SELECT * FROM no_such_table")


def test_a_late_error_is_raised_too(client: Client):
    with (
        pytest.raises(Exception, match="FUNCTION_THROW_IF"),
        client.query_row_block_stream("SELECT throwIf(number = 900000) FROM numbers(1000000)") as blocks,
    ):
        for _ in blocks:
            pass


def test_raw_results_and_frames(client: Client):
    assert client.raw_query("SELECT 1 AS a", fmt="CSVWithNames") == b'"a"\n1\n'
    assert list(client.query_df("SELECT number AS n FROM numbers(3)")["n"]) == [0, 1, 2]
    assert client.query_arrow("SELECT number AS n FROM numbers(3)").to_pylist() == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_set_lasts_for_the_clients_session(client: Client):
    client.command("SET max_block_size = 123")
    assert client.query("SELECT getSetting('max_block_size')").result_rows == [(123,)]


def test_the_dashboards_user_can_use_it(front: Front):
    with clickhouse_connect.get_client(host="127.0.0.1", port=front.port, username="dashboards") as client:
        assert client.query("SELECT currentUser(), {x:UInt8}", parameters={"x": 3}).result_rows == [("dashboards", 3)]


class TestConnect:
    def test_opens_and_closes_a_client(self, front: Front):
        with connect(ClickHouseAddress("127.0.0.1", front.port), Direct()) as client:
            assert client.command("SELECT 1") == 1

    def test_nobody_there_is_told_to_the_user(self):
        port = free_port()
        with (
            pytest.raises(UserError, match=f"does not answer on 127.0.0.1:{port}.*\n.*telemetry up"),
            connect(ClickHouseAddress("127.0.0.1", port), Direct(), wait_seconds=0.1),
        ):
            pass

    def test_a_wrong_user_is_not_waited_for(self, front: Front):
        address = ClickHouseAddress("127.0.0.1", front.port, user="nobody")
        with pytest.raises(DatabaseError, match="Authentication failed"), connect(address, Direct()):
            pass

    def test_as_user_error_names_the_file_and_the_cause(self, front: Front):
        with (
            connect(ClickHouseAddress("127.0.0.1", front.port), Direct()) as client,
            pytest.raises(UserError, match=r"^0001_x.sql: .*SYNTAX_ERROR") as caught,
            as_user_error("0001_x.sql"),
        ):
            client.command("CREATE TABEL x")
        assert "\n" not in str(caught.value)
