"""The schema as several nodes get it: every table that stores rows is replicated, and otherwise the same as on one node."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.config import file_settings
from infra.endpoints import KafkaAddress
from infra.paths import SQL
from infra.postdeploy.statements import split, tokens
from infra.schema import template_values
from infra.settings import Settings, parse_settings
from infra.templates import render
from tests.unit.aws.aws_settings import LARGE, SMALL, settings

FILES = [
    *sorted((SQL / "migrations").glob("*.sql")),
    SQL / "postdeploy" / "schema_migrations.sql",
    *sorted((SQL / "ingest").glob("*.sql")),
    *sorted((SQL / "retention").glob("*.sql")),
]
DEDUPLICATION = "replicated_deduplication_window = 0"
STORES = re.compile(
    r"\b(Replicated)?((?:Replacing|Aggregating|Summing|Collapsing|VersionedCollapsing|Graphite|Coalescing)?MergeTree)\b"
)


def values(found: Settings) -> dict[str, Any]:
    return template_values(found, KafkaAddress("127.0.0.1:9092"), "")


def rendered(found: Settings) -> list[str]:
    return [statement for path in FILES for statement in split(render(path, values(found)))]


def words(statement: str) -> list[str]:
    """The statement without spaces and comments."""
    return [token.text for token in tokens(statement)]


def plain(statement: str) -> list[str]:
    """What a replicated statement would be on one node."""
    text = STORES.sub(r"\2", statement).replace(f", {DEDUPLICATION}", "").replace(f"SETTINGS {DEDUPLICATION}", "")
    return words(re.sub(r" ENGINE = Replicated\([^)]*\)", "", text))


ONE, SEVERAL = rendered(settings(SMALL)), rendered(settings({**LARGE, "env": "dev"}))


@pytest.mark.parametrize(
    ("base", "expected"), [(SMALL, False), (LARGE, True), ({**LARGE, "clickhouseReplicas": 2}, True)]
)
def test_several_nodes_on_aws_are_replicated(base: dict[str, Any], expected: bool) -> None:
    assert values(settings(base))["replicated"] is expected


def test_this_machine_is_never_replicated() -> None:
    assert values(parse_settings({}, "local"))["replicated"] is False


def test_every_table_that_stores_rows_is_replicated() -> None:
    stores = [statement for statement in SEVERAL if STORES.search(statement)]
    assert len(stores) == sum("MergeTree" in statement for statement in ONE) > 15
    for statement in stores:
        engine = STORES.search(statement)
        assert engine is not None and engine[1] == "Replicated", statement[:200]


def test_no_table_of_several_nodes_has_a_path_of_its_own() -> None:
    for statement in SEVERAL:
        for arguments in re.findall(r"Replicated\w*MergeTree\(([^)]*)\)", statement):
            assert "'" not in arguments, "a path: the server's default_replica_path is the one place for it"


def test_an_equal_block_is_stored_again() -> None:
    for statement in SEVERAL:
        assert (DEDUPLICATION in statement) == ("MergeTree" in statement), statement[:200]


def test_one_node_sees_nothing_of_it() -> None:
    assert not [statement for statement in ONE if "eplicated" in statement]


def test_beside_its_engine_a_table_is_the_same_on_one_node_and_on_several() -> None:
    assert len(ONE) == len(SEVERAL)
    for one, several in zip(ONE, SEVERAL, strict=True):
        assert words(one) == plain(several)


def test_every_database_that_a_migration_makes_is_on_every_node() -> None:
    made = [statement for statement in SEVERAL if statement.startswith("CREATE DATABASE")]
    assert made == [
        "CREATE DATABASE IF NOT EXISTS telemetry_tenant ENGINE = "
        "Replicated('/clickhouse/databases/telemetry_tenant', '{shard}', '{replica}')"
    ]


def test_nothing_that_a_replicated_database_refuses() -> None:
    """CREATE … AS SELECT with rows, POPULATE, DETACH, explicit UUIDs: docs/decisions/0008-replicas.md."""
    for statement in SEVERAL:
        text = " ".join(words(statement)).upper()
        assert not re.search(r"\bPOPULATE\b|\bDETACH\b|\bUUID '", text), statement[:200]
        if text.startswith("CREATE TABLE") and re.search(r"\bAS (SELECT|WITH)\b", text):
            assert " EMPTY AS " in text, statement[:200]


def test_with_iam_the_kafka_tables_name_how_they_sign_in_and_else_they_do_not() -> None:
    def ingest(auth: str) -> str:
        settings = file_settings("prod").model_copy(update={"kafkaAuth": auth})
        values = template_values(settings, KafkaAddress("b:9098", "SASL_SSL"), "")
        return "".join(render(path, values) for path in sorted((SQL / "ingest").glob("*.sql")))

    assert ingest("iam").count("kafka_sasl_mechanism = 'AWS_MSK_IAM'") == ingest("iam").count("ENGINE = Kafka") == 2
    assert "kafka_aws_region = 'eu-central-1'" in ingest("iam") and "kafka_sasl_mechanism" not in ingest("scram")
