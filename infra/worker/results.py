"""What the worker's steps found, kept in telemetry.worker_results."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client

from infra.paths import SQL
from infra.replicas import catch_up
from infra.shards import for_readers
from infra.worker import statements


@dataclass(frozen=True)
class StepResult:
    """The outcome of one run of one step."""

    ok: bool
    value: float
    """The step's figure: minutes repaired, differences found, seconds of delay, generations deleted."""
    detail: dict[str, Any] = field(default_factory=dict)
    record: bool = True
    """Whether it is worth a row."""
    say: str = ""
    """A line for the log; empty: nothing to say."""


def record(client: Client, step: str, result: StepResult) -> None:
    """Adds the result to telemetry.worker_results."""
    detail = json.dumps(result.detail, default=str)
    statements.run(client, "worker/result_record", step=step, ok=result.ok, value=float(result.value), detail=detail)


def watermark(client: Client) -> int:
    """Up to when, Unix ms, a worker has looked for re-deliveries; with no worker so far, the first row's arrival."""
    catch_up(client, ["worker_results", "span_keys"])
    return int(statements.rows(client, "worker/watermark")[0][0])


def latest(client: Client) -> list[dict[str, Any]]:
    """What each step found last, for people: step, ok, value, seconds_ago."""
    rows = client.query(for_readers(client, (SQL / "queries" / "worker_status.sql").read_text())).result_rows
    keys = ("step", "ok", "value", "seconds_ago")
    return [dict(zip(keys, row, strict=True)) for row in rows]
