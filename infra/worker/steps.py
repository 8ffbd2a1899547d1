"""What the worker does, one class or function a step; infra.worker.loop decides when."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

from clickhouse_connect.driver.client import Client

from infra.clickhouse import connect
from infra.postdeploy.canary import TENANT, probe
from infra.shards import OverAll
from infra.webhook_secret import KeptSecret
from infra.worker.audit import Shard, audit_shards
from infra.worker.blank_messages import blank_counter
from infra.worker.budgets.evaluate import LEASE, Evaluate
from infra.worker.budgets.notify import NOTIFY_SECONDS, Notify
from infra.worker.config import WorkerConfig
from infra.worker.lease import Lease
from infra.worker.positions import read_positions
from infra.worker.redelivered import REMEMBERED_MS, find
from infra.worker.repair import RepairResult, repair
from infra.worker.results import StepResult, watermark
from infra.worker.samples import Samples
from infra.worker.statements import server_ms
from infra.worker.tidy import tidy

RECORD_SECONDS = 60.0
"""An uneventful step leaves at most one row in this time."""
CANARY_TIMEOUT = 30.0
AUDIT_OVERLAP = 30
"""Seconds by which an audit looks further back than its interval."""
TIDY_SECONDS = 600.0

Step = Callable[[Client], StepResult]


class Recompute:
    """Looks for re-deliveries since the last pass and repairs what they touched."""

    def __init__(self) -> None:
        self.until_ms = 0
        self.recorded = 0.0

    def __call__(self, client: Client) -> StepResult:
        now_ms = server_ms(client)
        since = self.until_ms or watermark(client) or now_ms
        total = RepairResult()
        for keys, until in find(client, max(since, now_ms - REMEMBERED_MS), now_ms):
            total.add(repair(client, keys))
            self.until_ms = until
        self.until_ms = now_ms
        quiet = not total.repaired and time.monotonic() - self.recorded < RECORD_SECONDS
        self.recorded = self.recorded if quiet else time.monotonic()
        said = f"repaired {len(total.repaired)} minutes after a re-delivery" if total.repaired else ""
        detail = {
            "until_ms": now_ms,
            "expired": len(total.expired),
            "thinner": [tuple(key) for key in total.thinner[:20]],
        }
        return StepResult(True, len(total.repaired), detail, not quiet, said)


@dataclass
class Audit:
    """Compares what arrived lately, end to end, and repairs what can be repaired."""

    config: WorkerConfig

    def __call__(self, client: Client) -> StepResult:
        seconds = self.config.settings.workerAuditSeconds + AUDIT_OVERLAP
        since = server_ms(client) - seconds * 1000
        with self.config.kafka_access.open() as credential:
            kafka = self.config.kafka
            shards = [Shard(client, read_positions(kafka, credential))]
            with ExitStack() as opened:
                for number, access in enumerate(self.config.further_shards, 2):
                    other = opened.enter_context(connect(self.config.clickhouse, access))
                    shards.append(Shard(other, read_positions(kafka, credential, shard=number)))
                report = audit_shards(shards, since, repair=True, blank=blank_counter(kafka, credential))
        wrong = [row for row in report.rows if row.difference]
        said = "; ".join(f"{row.name}: expected {row.expected}, found {row.found}" for row in wrong)
        return StepResult(report.ok, len(wrong), {"rows": report.as_dicts()}, True, said)


@dataclass
class Canary:
    """One trace by OTLP, and the seconds until ClickHouse returns it."""

    config: WorkerConfig

    def __call__(self, client: Client) -> StepResult:
        with self.config.otlp_access.open(TENANT) as headers:
            delay = probe(self.config.otlp, headers, client, CANARY_TIMEOUT)
        return StepResult(True, round(delay, 3))


def tidy_step(client: Client) -> StepResult:
    """Deletes superseded generations."""
    deleted = tidy(client)
    return StepResult(True, deleted, record=bool(deleted))


def over_all(config: WorkerConfig, step: Step) -> Step:
    """The step as one that asks all shards; what it writes it writes to the first."""
    if not config.further_shards:
        return step
    return lambda client: step(cast(Client, OverAll(client)))


def steps_of_a_shard(config: WorkerConfig) -> dict[str, tuple[float, Step]]:
    """What is done on each further shard by itself; the others are done once."""
    return {"recompute": (config.settings.workerRecomputeSeconds, Recompute()), "tidy": (TIDY_SECONDS, tidy_step)}


def steps(config: WorkerConfig) -> dict[str, tuple[float, Step]]:
    """Every step by name: seconds between two runs, and what to run."""
    settings = config.settings
    lease = Lease(LEASE)
    tell = bool(settings.budgetWebhookUrl)
    found: dict[str, tuple[float, Step]] = {
        "budgets": (
            settings.workerBudgetSeconds,
            over_all(config, Evaluate(config.budgets, settings.env, tell, lease)),
        ),
    }
    if tell:
        secret = KeptSecret(config.webhook_secret)
        found["notify"] = (NOTIFY_SECONDS, Notify(settings.budgetWebhookUrl, secret, lease))
    return found | {
        "recompute": (settings.workerRecomputeSeconds, Recompute()),
        "audit": (settings.workerAuditSeconds, Audit(config)),
        "canary": (settings.workerCanarySeconds, Canary(config)),
        "samples": (settings.workerSampleSeconds, Samples(config)),
        "tidy": (TIDY_SECONDS, tidy_step),
    }
