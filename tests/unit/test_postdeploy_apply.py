"""The steps without an engine (infra/postdeploy/apply.py) are those of the Pulumi program, with the same inputs, none left out."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from operator import itemgetter
from typing import Any, cast

import pulumi
import pytest

from infra.endpoints import (
    ClickHouseAddress,
    ClickHouseEndpoint,
    Direct,
    KafkaAddress,
    KafkaEndpoint,
    NoCredential,
    OtlpAddress,
    OtlpEndpoint,
    Parts,
    access_input,
)
from infra.kafka import topics
from infra.pipeline import prove
from infra.postdeploy import apply
from infra.postdeploy.apply import Addresses, Wanted, wanted
from infra.postdeploy.migration_lock import EXPIRY_SECONDS, HeldError
from infra.postdeploy.schema import schema
from infra.postdeploy.stack_costs import THIS_MACHINE
from infra.postdeploy.topics import Topic
from infra.settings import parse_settings
from tests.unit.aws.mocks import Cloud, program

SETTINGS = parse_settings({"kafkaPartitions": 3, "tenantRetentionDays": {"acme": 7}, "retentionRawDays": 90}, "test")
AT = Addresses(
    kafka=KafkaAddress("kafka:9092"),
    clickhouse=ClickHouseAddress("clickhouse", 8123),
    otlp=OtlpAddress("http://collector:4318", "collector:4317"),
)
ENGINE = {"clickhouse", "clickhouse_access", "__provider"}
"""Inputs by which the engine finds the endpoint and the code."""


def out(value: Any) -> pulumi.Output[Any]:
    return pulumi.Output.from_input(value)


@cache
def declared() -> Cloud:
    """What the Pulumi program registers after the parts, with these endpoints."""
    with program() as cloud:
        kafka = KafkaEndpoint(out(AT.kafka.bootstrap_servers), out(AT.kafka.security_protocol), {})
        address = {key: out(value) for key, value in asdict(AT.clickhouse).items()}
        clickhouse = ClickHouseEndpoint(**address, schema_folder=out(""), access=access_input(Direct))
        otlp = OtlpEndpoint(out(AT.otlp.http_url), out(AT.otlp.grpc_target), access_input(NoCredential), {})
        made = [Topic(topic["name"], kafka, topic, 1) for topic in topics(SETTINGS)]
        parts = Parts(kafka, clickhouse, otlp, {}, made, costs=[THIS_MACHINE])
        prove(parts, schema(SETTINGS, parts), after=[])
    return cloud


def here() -> Wanted:
    return wanted(SETTINGS, AT, [THIS_MACHINE])


def of(kind: str) -> list[dict[str, Any]]:
    """The inputs of the program's steps of a kind."""
    found = declared().of(f"pulumi-python:dynamic/postdeploy:{kind}")
    return [{key: value for key, value in item.inputs.items() if key not in ENGINE} for item in found]


def test_no_step_of_the_program_s_is_missing() -> None:
    kinds = {item.type.rpartition(":")[2] for item in declared().made}
    assert kinds == {
        *("Topic", "Migrations", "Migration", "ModelPrices", "Tenants", "PriceScenarios", "StackCosts"),
        *("Retention", "Ingest", "Canary"),
    }, "a step that is new: infra/postdeploy/apply.py has to do it as well"


def test_topics() -> None:
    # Side by side: the program registers them in any order.
    by_name = itemgetter("topic")
    assert sorted(of("Topic"), key=by_name) == sorted(here().topics, key=by_name)


def test_migrations() -> None:
    ours = [
        {"number": m.number, "name": m.name, "kind": m.kind, "checksum": m.checksum, "sql": m.sql}
        for m in here().migrations
    ]
    assert of("Migration") == ours


def test_reference_tables() -> None:
    theirs = [table for kind in ("ModelPrices", "Tenants", "PriceScenarios", "StackCosts") for table in of(kind)]
    assert theirs == here().tables


def test_retention() -> None:
    assert of("Retention") == [here().retention]


def test_ingest() -> None:
    (theirs,) = of("Ingest")
    theirs.pop("objects", None)
    assert theirs == here().ingest


def test_a_runner_that_may_be_dead_is_waited_for_and_named_and_one_that_lives_is_not_overrun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    silent_after = [20.0]

    def migrations(*_: Any, **__: Any) -> list[Any]:
        if clock[0] < silent_after[0]:
            raise HeldError("another migration runner is at work on telemetry")
        return []

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(apply, "apply_migrations", migrations)
    monkeypatch.setattr(apply.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(apply.time, "sleep", sleep)
    said: list[str] = []
    assert apply._migrate(cast(Any, None), [], said.append) == 0
    assert said[0] == "waiting: another migration runner is at work on telemetry"
    assert said[-1] == "migrations: 0 applied, 0 were there"
    clock[0], silent_after[0] = 0.0, float("inf")
    with pytest.raises(HeldError):
        apply._migrate(cast(Any, None), [], said.append)
    assert EXPIRY_SECONDS < clock[0] < EXPIRY_SECONDS + 30
