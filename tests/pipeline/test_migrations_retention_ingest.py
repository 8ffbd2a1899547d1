"""Retention, ingest and reference tables against a running ClickHouse."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from infra.clickhouse import connect
from infra.endpoints import ClickHouseAddress, Direct
from infra.errors import UserError
from infra.paths import SQL
from infra.postdeploy import ingest
from infra.postdeploy.prices import ModelPrice
from infra.postdeploy.reference_tables import comparable, live_rows, load
from infra.postdeploy.retention import live_ttls, reconcile
from infra.postdeploy.statements import split
from infra.templates import render
from tests.pipeline.clickhouse_front import Front


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    front = Front(tmp_path_factory.mktemp("front"))
    front.start()
    with connect(ClickHouseAddress("127.0.0.1", front.port), Direct()) as opened:
        opened.command("CREATE DATABASE telemetry")
        for name in ("0002_prices_and_tenants", "0012_retention_changes"):
            values = {"database": "telemetry", "replicated": False}
            for statement in split(render(SQL / "migrations" / f"{name}.sql", values)):
                opened.command(statement)
        yield opened
    front.stop()


def count(client: Client, query: str) -> int:
    return int(client.query(query).result_rows[0][0])


def ttl(days: int) -> dict[str, str]:
    return {"r": f"ALTER TABLE telemetry.r MODIFY TTL t   + INTERVAL {days} DAY DELETE"}


def test_a_ttl_is_altered_only_where_it_differs_and_reaches_stored_parts_without_a_rewrite(client: Client):
    client.command(
        "CREATE TABLE telemetry.r (t DateTime, x String) ENGINE = MergeTree ORDER BY t TTL t + toIntervalDay(180) "
        "SETTINGS min_bytes_for_wide_part = 0"
    )
    client.command("INSERT INTO telemetry.r SELECT now() - INTERVAL 10 DAY, toString(number) FROM numbers(1000)")
    assert reconcile(client, ttl(180)) == []
    assert reconcile(client, ttl(90)) == ["r"]
    assert live_ttls(client, ["r"]) == {"r": "t + toIntervalDay(90)"}
    parts = "FROM system.parts WHERE database = 'telemetry' AND table = 'r' AND active"
    query = f"SELECT count() {parts} AND delete_ttl_info_max > now() + INTERVAL 85 DAY"
    deadline = time.monotonic() + 30
    while count(client, query):
        assert time.monotonic() < deadline, "the stored part still expires by the old TTL"
        time.sleep(0.05)
    assert count(client, "SELECT count() FROM telemetry.r") == 1000
    assert reconcile(client, ttl(90)) == []


def test_retention_of_a_table_that_is_not_there_names_its_file(client: Client):
    with pytest.raises(UserError, match=r"sql/retention/nothing\.sql"):
        reconcile(client, {"nothing": "ALTER TABLE telemetry.nothing MODIFY TTL t + INTERVAL 1 DAY"})


KAFKA = (
    "CREATE TABLE IF NOT EXISTS telemetry.k (a UInt8) ENGINE = Kafka SETTINGS kafka_broker_list = '127.0.0.1:1', "
    "kafka_topic_list = 't', kafka_group_name = 'g', kafka_format = 'JSONEachRow';"
)
VIEWS = """
CREATE TABLE IF NOT EXISTS telemetry.k_in (a UInt8, o UInt64) ENGINE = Null;
CREATE MATERIALIZED VIEW IF NOT EXISTS telemetry.k_mv TO telemetry.k_in AS SELECT a, _offset AS o FROM telemetry.k;
CREATE MATERIALIZED VIEW IF NOT EXISTS telemetry.k_mv2 TO telemetry.k_in AS SELECT a, 0 AS o FROM telemetry.k;
"""


def test_ingest_creates_a_kafka_table_after_all_of_its_views_and_drops_it_before_them(client: Client):
    texts = {"10_kafka": KAFKA, "20_views": VIEWS}
    names = ingest.drop_order([made for _, _, made in ingest.objects_of(texts)])
    assert names == ["telemetry.k", "telemetry.k_mv2", "telemetry.k_mv", "telemetry.k_in"]
    for _ in range(2):
        ingest.create(client, texts)
        assert ingest.missing(client, names) == []
        assert count(client, "SELECT length(dependencies_table) FROM system.tables WHERE name = 'k'") == 2
        times = "SELECT min(metadata_modification_time) FROM system.tables WHERE database = 'telemetry' AND name"
        views = client.query(f"{times} IN ('k_mv', 'k_mv2')").result_rows[0][0]
        assert client.query(f"{times} = 'k'").result_rows[0][0] >= views
        ingest.drop(client, names)
        assert ingest.missing(client, names) == names


def test_ingest_names_the_file_of_a_bad_statement(client: Client):
    with pytest.raises(UserError, match=r"10_bad\.sql.*only CREATE"):
        ingest.objects_of({"10_bad": "DROP TABLE telemetry.k"})
    with pytest.raises(UserError, match=r"20_views\.sql"):
        ingest.create(client, {"10_kafka": KAFKA, "20_views": VIEWS.replace("_offset", "nothing")})
    ingest.drop(client, ["telemetry.k", "telemetry.k_mv2", "telemetry.k_mv", "telemetry.k_in"])


def test_a_load_replaces_all_rows_and_the_dictionary_has_them(client: Client):
    odd = {"tenant_id": "o'd\\d\n😀", "retention_days": 7, "keep_content": True}
    rows = {
        "odd": json.dumps(odd),
        "b": json.dumps({"tenant_id": "b", "retention_days": 0, "keep_content": False}),
    }
    for wanted in (rows, {"b": rows["b"]}, {}, rows):
        load(client, "tenants", "tenant", wanted)
        live = live_rows(client, "tenants")
        assert live is not None and {comparable(row) for row in live} == {comparable(row) for row in wanted.values()}
        assert count(client, "SELECT count() FROM dictionary('telemetry.tenant')") == len(wanted)
    key = {"tenant": odd["tenant_id"]}
    query = "SELECT dictGet('telemetry.tenant', 'retention_days', %(tenant)s)"
    assert client.query(query, parameters=key).result_rows[0][0] == 7


def test_prices_come_back_as_they_were_written(client: Client):
    row = ModelPrice.model_validate(
        {"model": "m", "input_usd_per_million": "0.075", "output_usd_per_million": "12", "source": "a page"}
    ).row()
    load(client, "model_prices", "model_price", {"m": row})
    assert [comparable(live) for live in live_rows(client, "model_prices") or []] == [comparable(row)]
