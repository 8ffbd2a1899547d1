"""The worker's step that samples what ClickHouse can't see: the collectors' counters and Kafka's offsets, side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from infra.errors import UserError
from infra.worker.collector_metrics import CollectorSample, scrape
from infra.worker.config import WorkerConfig
from infra.worker.positions import GROUPS, Position, read_positions
from infra.worker.results import StepResult
from infra.worker.statements import server_ms

RECORD_SECONDS = 60.0
"""An uneventful sample leaves at most one row in telemetry.worker_results in this time."""


@dataclass
class Samples:
    """Keeps one sample of everything; what could be had is kept when the rest could not."""

    config: WorkerConfig
    recorded: float = 0.0

    def __call__(self, client: Client) -> StepResult:
        errors: list[str] = []
        collectors: list[CollectorSample] = []
        # The collectors first: what they have sent by then lies below the end offsets that are read next.
        at = datetime.fromtimestamp(server_ms(client) / 1000, UTC)
        try:
            with self.config.metrics_access.open() as pages:
                collectors, errors = scrape(pages)
            keep_collectors(client, at, collectors)
        except UserError as error:
            errors.append(str(error))
        with self.config.kafka_access.open() as credential:
            positions = read_positions(self.config.kafka, credential)
        keep_positions(client, at, positions)
        if errors:
            raise UserError("; ".join(errors))
        behind = sum(lag(position) for position in positions)
        quiet = time.monotonic() - self.recorded < RECORD_SECONDS
        self.recorded = self.recorded if quiet else time.monotonic()
        return StepResult(True, behind, {"collectors": len({item.instance for item in collectors})}, not quiet)


def lag(position: Position) -> int:
    """Messages that Kafka has and the group has not read; what Kafka has deleted can't be read any more."""
    return position.end - max(position.committed or 0, position.begin)


def keep_collectors(client: Client, at: datetime, samples: Sequence[CollectorSample]) -> None:
    """Adds rows to telemetry.collector_samples."""
    rows = [
        {**vars(item), "at": at, "started_at": datetime.fromtimestamp(item.started_at, UTC)}
        for item in sorted(samples, key=lambda item: (item.signal, item.task))
    ]
    _keep(client, "collector_samples", rows)


def keep_positions(client: Client, at: datetime, positions: Sequence[Position]) -> None:
    """Adds rows to telemetry.kafka_samples."""
    rows = [
        {
            "at": at,
            "topic": item.topic,
            "partition": item.partition,
            "consumer_group": GROUPS[item.topic],
            "oldest": item.begin,
            "next": item.end,
            "committed": item.committed,
        }
        for item in positions
    ]
    _keep(client, "kafka_samples", rows)


def _keep(client: Client, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        columns = list(rows[0])
        client.insert(f"telemetry.{table}", [list(row.values()) for row in rows], column_names=columns)
