"""Native as newer drivers ask for it (client_protocol_version, clickhouse-go): block info, a byte a column."""

from __future__ import annotations

import pytest

from tests.pipeline.clickhouse_front import Front, running_front  # noqa: F401

COLUMNS = [
    "number",
    "toString(number)",
    "toFixedString(toString(number % 10), 3)",
    "map('k', toLowCardinality(toString(number % 7)))",
    "CAST((1, 'a'), 'Tuple(x UInt8, `y, (` LowCardinality(Nullable(String)))')",
    "arrayMap(i -> range(i), range(number % 4))",
    "if(number % 2 = 0, NULL, toDecimal64(number, 12))",
    "toDateTime64(number, 3, 'UTC')",
    "CAST('y, (', 'Enum8(\\'z\\' = 1, \\'y, (\\' = 2)')",
    "CAST([] , 'Array(LowCardinality(String))')",
    "toUUID('00112233-4455-6677-8899-aabbccddeeff')",
    "toInt128(number)",
]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("user", ["default", "dashboards"])
def test_every_column_is_framed_where_it_begins(front: Front, column: str, user: str):
    sql = f"SELECT {column} AS a, 'end' AS b FROM numbers(70000)"
    plain = front.post(sql, default_format="Native", user=user).data
    framed = front.post(sql, default_format="Native", user=user, client_protocol_version="54460").data
    info = b"\x01\x00\x02\xff\xff\xff\xff\x00"
    blocks = framed.count(info + b"\x02")
    assert blocks >= 1 and framed.startswith(info)
    # The second column begins with its name and type: only a walk that ends where the first ends finds it there.
    assert framed.count(b"\x01b\x06String\x00\x03end") == plain.count(b"\x01b\x06String\x03end") == blocks
    assert len(framed) == len(plain) + blocks * (len(info) + 2)


def test_a_type_that_is_not_known_is_told(front: Front):
    answer = front.post("SELECT uniqState(1) FORMAT Native", client_protocol_version="54460")
    assert answer.status == 501 and "use another FORMAT" in answer.text


def test_no_rows_and_other_formats_are_left_alone(front: Front):
    assert front.sql("SELECT 1", client_protocol_version="54460") == "1\n"
    assert front.post("SELECT 1 WHERE 0 FORMAT Native", client_protocol_version="54460").status == 200
