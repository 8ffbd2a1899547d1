"""Crafted traffic in our real tables, asked as `dashboards`, and alert rules evaluated along it, minute by minute."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from infra.dashboards.alerts import build_rule_groups
from infra.dashboards.alerts_config import Alerts
from infra.dashboards.alerts_evaluation import Evaluator, Instance
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.schema_engine import schema

PREFIX = "agent-telemetry-test"
SPANS = """
INSERT INTO telemetry.spans_in (
    tenant_id, env, service_name, operation, status_code, start_ts, end_ts, duration_ms, trace_id, span_id, workflow_id,
    provider, model, cost_usd, cost_source, is_inference, ingest_ts
)
SELECT
    '{tenant}', 'prod', 'api', 'ask', if(number % {a_minute} < {failed}, 'error', 'ok'),
    toDateTime64({start}, 9, 'UTC') + toIntervalSecond(intDiv(number, {a_minute}) * 60 + number % {a_minute} % 60) AS begin,
    begin, if(number % {a_minute} < {slow}, {slow_ms}, 100), randomString(16), randomString(8), '{workflow}',
    'acme', if(number % {a_minute} < {unpriced}, 'secret-model', 'known-model'), {usd},
    if(number % {a_minute} < {unpriced}, 'unpriced', 'priced'), {calls}, now64(3)
FROM numbers({minutes} * {a_minute})
"""


@dataclass
class World:
    """Our tables on a front of their own. Its past is what a test writes; each writes a tenant, a topic or a moment of its
    own."""

    front: Front

    def ask(self, statement: str) -> list[dict[str, Any]]:
        """As Grafana does: the user who can only read."""
        answer = self.front.post(statement, user="dashboards", default_format="JSONEachRow")
        # No QueryError: to a rule that would be silence, and a test which expects that must not hide a wrong query.
        assert answer.status == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def spans(self, tenant: str, start: datetime, minutes: float, **of: Any) -> datetime:
        """Spans (roots, model calls if they cost) at an even rate; of each minute's the first ones are failed, slow or
        unpriced. Returns when they end."""
        given = {
            "a_minute": 20,
            "failed": 0,
            "slow": 0,
            "slow_ms": 240_000,
            "unpriced": 0,
            "workflow": "",
            "usd": None,
            **of,
        }
        calls = given["usd"] is not None or given["unpriced"] > 0
        usd = "NULL" if given["usd"] is None else given["usd"]
        self.front.sql(
            SPANS.format(
                **given | {"usd": usd, "calls": str(calls).lower()},
                tenant=tenant,
                start=int(start.timestamp()),
                minutes=int(minutes),
            )
        )
        return start + timedelta(minutes=minutes)

    def evaluate(self, rule: Evaluator, start: datetime, end: datetime, **labels: str) -> Story:
        """What becomes of the instance with these labels, evaluated half a minute into each interval."""
        at, told = start + timedelta(seconds=30), list[tuple[datetime, Instance | None]]()
        while at < end:
            mine = [one for one in rule.step(at, self.ask) if labels.items() <= one.labels.items()]
            assert len(mine) <= 1, mine
            told.append((at, mine[0] if mine else None))
            at += rule.interval
        return Story(told)


@dataclass
class Story:
    """An alert instance's states, one an evaluation."""

    told: Sequence[tuple[datetime, Instance | None]]

    @property
    def states(self) -> list[str]:
        """Its states in order, without repetitions."""
        return [state for state, _ in groupby("ok" if one is None else one.state for _, one in self.told)]

    def first(self, state: str) -> datetime:
        """When it first was in this state."""
        return next(at for at, one in self.told if (one.state if one else "ok") == state)

    def over(self) -> datetime:
        """When it was ok again."""
        last = max(index for index, (_, one) in enumerate(self.told) if one)
        return self.told[last + 1][0]

    def fired(self) -> Instance:
        """As it was when it first fired."""
        return next(one for _, one in self.told if one and one.state == "firing")


def rules(config: Alerts | None = None) -> dict[str, Evaluator]:
    """A fresh evaluator of each built rule, by the rule's name."""
    found: dict[str, Evaluator] = {}
    for group in build_rule_groups(PREFIX, config=config):
        for rule in group["rules"]:
            found[rule["uid"].removeprefix(f"{PREFIX}-alert-")] = Evaluator(rule, timedelta(seconds=group["interval"]))
    return found


def start_world(folder: Path) -> Iterator[World]:
    """A world whose tables are empty."""
    front = Front(folder)
    front.start()
    for statement in schema("otlp_proto"):
        front.sql(statement)
    yield World(front)
    front.stop()


def quiet_hour() -> datetime:
    """A while ago, ten minutes into an hour: what follows within it lies in the past, and in one hour of the day."""
    return datetime.now(UTC).replace(minute=10, second=0, microsecond=0) - timedelta(hours=30)
