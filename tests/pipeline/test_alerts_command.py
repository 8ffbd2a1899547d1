"""`telemetry alerts` on live tables: what it says, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

from infra.cli import alerts as command
from infra.cli import app
from infra.clickhouse import open_client
from infra.endpoints import ClickHouseAddress, Reached
from tests.pipeline.alerts_world import World, start_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from start_world(tmp_path_factory.mktemp("live"))


@pytest.fixture(autouse=True)
def reached(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def clickhouse(_name: str) -> Iterator[Client]:
        address = ClickHouseAddress("127.0.0.1", world.front.port, "dashboards")
        client = open_client(address, Reached(address.host, address.port), 15)
        yield client
        client.close()

    monkeypatch.setattr(command, "clickhouse", clickhouse)


def test_it_says_what_fires_since_when_and_where_to_read_on(world: World) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    world.spans("live-failing", now - timedelta(minutes=20), 20, failed=10)
    world.spans("live-lately", now - timedelta(minutes=2), 2, a_minute=60, failed=30)
    result = CliRunner().invoke(app, ["alerts", "--details"])
    assert result.exit_code == 1, result.output
    said = result.output.splitlines()
    lines = [line for line in said if "api of tenant" in line and "spans fail" in line]
    failing, lately = sorted(lines, key=lambda line: "live-lately" in line)
    assert failing.startswith("firing") and "critical" in failing and "50% of its spans fail" in failing
    assert "docs/alerts.md#error-rate" in said[said.index(failing) + 1]
    assert lately.startswith("pending") and "live-lately" in lately
    told = json.loads(CliRunner().invoke(app, ["alerts", "--json"]).stdout)
    one = next(
        item for item in told if item["labels"].get("tenant") == "live-failing" and "spans fail" in item["summary"]
    )
    assert one["state"] == "firing" and one["value"] == 0.5 and "var-tenant=live-failing" in one["dashboard"]


def test_it_counts_first_and_groups_by_rule(world: World) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    for number in range(5):
        world.spans(f"live-many-{number}", now - timedelta(minutes=20), 20, failed=10)
    result = CliRunner().invoke(app, ["alerts"])
    said = result.stdout.splitlines()
    told = json.loads(CliRunner().invoke(app, ["alerts", "--json"]).stdout)
    firing = [one for one in told if one["state"] == "firing"]
    assert said[0].startswith(f"{len(firing)} fire (") and said[0].endswith(" rules")
    of_the_rule = [one for one in firing if one["title"] == "Error rate"]
    assert len(of_the_rule) >= 5
    assert sum(f"Error rate ({len(of_the_rule)})" in line for line in said) == 1
    assert sum("firing" in line for line in said) == len({one["title"] for one in firing})
    assert f"and {len(of_the_rule) - 1} more (--details)" in result.stdout


def test_a_table_that_is_gone_is_unknown_and_not_silence(world: World) -> None:
    world.front.sql("RENAME TABLE telemetry.dead_letters TO telemetry.away")
    try:
        result = CliRunner().invoke(app, ["alerts"])
    finally:
        world.front.sql("RENAME TABLE telemetry.away TO telemetry.dead_letters")
    assert result.exit_code == 1 and "unknown" in result.output
    assert "Messages that cannot be read: its query got no answer" in result.output
