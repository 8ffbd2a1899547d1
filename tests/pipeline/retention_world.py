"""What tests of `telemetry retention` share: one or two shards in real engines, reached as a stack's, and stamped rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

from infra.aws.reach import Reach
from infra.cli import app
from infra.cli import retention as command
from infra.endpoints import ClickHouseAddress, Direct, KafkaAddress, Reached
from infra.postdeploy.reference_tables import load
from infra.postdeploy.tenants_table import tenant_rows
from infra.settings import Settings, parse_settings
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.worker_world import make_spans, rows

DAYS = (1, 5, 20)
"""How old the rows are that `fill` stores, in days (and two hours)."""
SPANS = 600
"""Of each tenant and day, about half as many."""
EVENTS = 40
"""Of each tenant and day."""


@dataclass(frozen=True)
class ToPort:
    """Leads to another shard's port on this machine."""

    port: int

    @contextmanager
    def open(self, host: str, port: int) -> Iterator[Reached]:
        yield Reached(host, self.port)


class Retention:
    """The command on some shards; `wanted` is the stack file's tenantRetentionDays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *fronts: Front) -> None:
        self.wanted: dict[str, int] = {}
        first, *further = fronts
        address = ClickHouseAddress("127.0.0.1", first.port)
        accesses = tuple(ToPort(front.port) for front in further)
        reached = Reach(address, Direct(), "", KafkaAddress(""), accesses)
        monkeypatch.setattr(command, "reach_of", lambda _: reached)
        monkeypatch.setattr(command, "file_settings", lambda _: self.settings)

    @property
    def settings(self) -> Settings:
        return parse_settings({"tenantRetentionDays": self.wanted}, "test")

    def up(self, wanted: Mapping[str, int], *clients: Client) -> None:
        """What an `up` with this setting does to each shard."""
        self.wanted = dict(wanted)
        for client in clients:
            load(client, "tenants", "tenant", tenant_rows(self.settings))

    def __call__(self, *words: str, answer: str = "") -> Result:
        return CliRunner().invoke(app, ["retention", *words], input=answer)

    def refused(self, *words: str) -> str:
        """The error's text."""
        done = self(*words)
        assert done.exit_code == 1 and done.exception, done.output
        return str(done.exception)


def days_ago(days: float) -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=days, hours=2)


def events(client: Client, tenant: str, days: int, stamp: int) -> None:
    """Stores log records of that day."""
    client.command(
        "INSERT INTO telemetry.events_raw (tenant_id, event_type, source, event_ts, event_key, retention_days) "
        f"SELECT '{tenant}', 'log', 'log', now64(9) - toIntervalDay({days}) - toIntervalHour(2), number, {stamp} "
        f"FROM numbers({EVENTS})"
    )


def kept(client: Client, table: str = "spans_raw") -> dict[tuple[str, int], int]:
    """Stored rows by tenant and stamp."""
    query = f"SELECT tenant_id, retention_days, count() FROM telemetry.{table} GROUP BY ALL"
    return {(str(tenant), int(stamp)): int(count) for tenant, stamp, count in rows(client, query)}


def mutations(client: Client) -> list[Any]:
    """All mutations that rewrite stamps, by table: (table, done)."""
    query = "SELECT table, is_done FROM system.mutations WHERE command LIKE '%UPDATE%retention_days%' ORDER BY table"
    return rows(client, query)


def spans_of_days(tenants: tuple[str, ...] = ("acme", "globex")) -> list[Any]:
    """Spans of each of DAYS."""
    return [make_spans(SPANS, 5, days_ago(days), tenants, seed=days) for days in DAYS]
