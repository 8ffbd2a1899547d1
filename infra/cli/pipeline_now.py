"""What the pipeline does now, for `telemetry status`: the dashboards' own queries, over the last minutes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.cli.alerts import counted, evaluated
from infra.errors import UserError
from infra.shards import has_shards, over_all

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from clickhouse_connect.driver.client import Client

    from infra.dashboards.alerts_evaluation import Firing

Row = Mapping[str, Any]
BUCKET_SECONDS, BUCKETS = 10, 6
"""Rates are of the last whole minute: what is still coming in would look like less."""
SAMPLED_SECONDS = 300
"""Kafka's offsets and the canary are looked at this far back."""
ALL_IN_ONE = 86_400
"""A point as wide as a day: one figure for the whole minute."""
SHOWN = 3
"""Alerts and budgets that are named; `telemetry alerts` and `telemetry budgets` show all."""
ALERTS_SECONDS = 30
"""Between two evaluations of the alert rules while it is watched."""


@dataclass(frozen=True)
class Topic:
    """A Kafka topic: what waits in it, and what comes out of it."""

    name: str
    waiting: int
    """Messages that ClickHouse has not read."""
    rows_a_second: float


@dataclass(frozen=True)
class Now:
    """One look at the pipeline."""

    at: datetime
    topics: Sequence[Topic]
    read_seconds: float | None
    """95 of 100 messages were stored so soon after Kafka had them; None: none came."""
    delay_seconds: tuple[float, float] | None
    """p50 and p95 from a span's end at its agent to a stored row; None: no agent sent anything."""
    canary_seconds: float | None
    """What the newest canary trace took from OTLP's answer to the row."""
    disks: Sequence[Row]
    """disk, total, free, used (a share), days_left (None: it does not grow)."""
    alerts: Sequence[Firing]
    rules: int
    budgets: Sequence[Row]
    """Crossed and not resolved."""

    def as_json(self) -> dict[str, Any]:
        """The same, for --json."""
        found = {name: getattr(self, name) for name in ("at", "read_seconds", "delay_seconds", "canary_seconds")}
        return found | {
            "topics": [asdict(topic) for topic in self.topics],
            "disks": [dict(row) for row in self.disks],
            "alerts": [
                {
                    "title": one.title,
                    "state": one.state,
                    "severity": one.severity,
                    "since": one.since,
                    "summary": one.summary,
                }
                for one in self.alerts
            ],
            "budgets": [dict(row) for row in self.budgets],
        }


def ask(client: Client, name: str, start: datetime, end: datetime, interval_s: int) -> list[dict[str, Any]]:
    """The rows of sql/queries/dashboards/NAME.sql, as a dashboard with nothing chosen shows them."""
    from infra.dashboards.clickhouse import ALL, VARIABLES, sql
    from infra.dashboards.render.macros import All, View, expand

    statement = expand(sql(name), View(start, end, interval_s, {variable: All(ALL) for variable in VARIABLES}))
    return list(client.query(over_all(statement) if has_shards(client) else statement).named_results())


def look(client: Client, alerts: tuple[Sequence[Firing], int], now: datetime | None = None) -> Now:
    """One look; `alerts` are what was evaluated last."""
    now = now or datetime.now(UTC)
    second = int(now.timestamp())
    end = datetime.fromtimestamp(second - second % BUCKET_SECONDS, UTC)
    minute = (end - timedelta(seconds=BUCKET_SECONDS * BUCKETS), end - timedelta(seconds=1))
    lately = (now - timedelta(seconds=SAMPLED_SECONDS), now)
    rates: dict[str, float] = {}
    for row in ask(client, "health_arrivals", *minute, BUCKET_SECONDS):
        rates[row["topic"]] = rates.get(row["topic"], 0) + float(row["records"]) / BUCKETS
    waiting: dict[str, int] = {}
    newest = {row["place"]: row["messages"] for row in ask(client, "health_lag", *lately, 1)}  # in order of time
    for place, messages in newest.items():
        topic = place.rpartition("/")[0]
        waiting[topic] = waiting.get(topic, 0) + int(messages)
    read = ask(client, "health_delay", *minute, ALL_IN_ONE)
    delay = ask(client, "health_end_to_end", *minute, ALL_IN_ONE)
    canary = ask(client, "health_canary_newest", *lately, SAMPLED_SECONDS)
    return Now(
        at=now,
        topics=[Topic(name, waiting.get(name, 0), rates.get(name, 0.0)) for name in sorted({*rates, *waiting})],
        read_seconds=float(read[-1]["p95"]) if read else None,
        delay_seconds=(float(delay[-1]["p50"]), float(delay[-1]["p95"])) if delay else None,
        canary_seconds=float(canary[0]["seconds"]) if canary else None,
        disks=ask(client, "health_disks", *lately, SAMPLED_SECONDS),
        alerts=alerts[0],
        rules=alerts[1],
        budgets=[row for row in ask(client, "overview_budgets", *lately, SAMPLED_SECONDS) if row["state"] == "now"],
    )


@dataclass
class Watched:
    """A stack that is looked at again and again over one connection; a lost one is opened anew."""

    name: str
    _opened: ExitStack = field(default_factory=ExitStack)
    _client: Client | None = None
    _alerts: tuple[Sequence[Firing], int] = ((), 0)
    _evaluated: float = -float("inf")

    def client(self) -> Client:
        """The connection. Raises UserError."""
        if self._client is None:
            from infra.cli.reach import clickhouse

            self._client = self._opened.enter_context(clickhouse(self.name, wait_seconds=1))
        return self._client

    def now(self) -> Now:
        """One look. Raises UserError when ClickHouse does not answer."""
        from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

        from infra.clickhouse import first_line

        try:
            client = self.client()
            if time.monotonic() - self._evaluated > ALERTS_SECONDS:
                self._alerts, self._evaluated = evaluated(client, self.name), time.monotonic()
            return look(client, self._alerts)
        except (ClickHouseError, OSError) as error:
            self.close()
            silent = isinstance(error, OSError | OperationalError)
            raise UserError(f"ClickHouse {'does not answer' if silent else 'refuses'}: {first_line(error)}") from None

    def close(self) -> None:
        """Ends the connection."""
        self._opened.close()
        self._client = None


def lines(now: Now) -> list[tuple[str, str, str]]:
    """What it says, as rows of a table: what, how it is, a style."""
    found: list[tuple[str, str, str]] = []
    for topic in now.topics:
        said = f"{topic.rows_a_second:,.1f} rows/s, {topic.waiting:,} messages waiting in Kafka"
        found.append((topic.name, said, "yellow" if topic.waiting > 1000 else ""))
    read = "nothing came" if now.read_seconds is None else f"p95 {now.read_seconds:.1f} s"
    found.append(("Kafka to row", read, ""))
    delay = (
        "no agent sent anything"
        if now.delay_seconds is None
        else "p50 {:.1f} s, p95 {:.1f} s".format(*now.delay_seconds)
    )
    found.append(("span's end to row", delay, ""))
    canary = "no canary came through" if now.canary_seconds is None else f"{now.canary_seconds:.1f} s"
    found.append(("canary", canary, "" if now.canary_seconds is not None else "red"))
    for disk in now.disks:
        found.append((f"disk {disk['disk']}", *_disk(disk)))
    fires = any(one.state != "pending" for one in now.alerts)
    found.append(("alerts", counted(now.alerts, now.rules), "red" if fires else ""))
    for one in [one for one in now.alerts if one.state != "pending"][:SHOWN]:
        found.append(("", one.summary, "red"))
    found.append(("budgets", f"{len(now.budgets)} crossed and not over" if now.budgets else "none is crossed", ""))
    for row in now.budgets[:SHOWN]:
        who = " ".join(str(part) for part in (row["tenant"], row["subject_name"] or row["run"]) if part)
        found.append(("", f"{row['budget']}: {who}, {row['share']:.0%} of the limit, {row['webhook']}", "red"))
    return found


def _disk(row: Row) -> tuple[str, str]:
    left = row["days_left"]
    days = (
        "it does not grow"
        if left is None
        else f"full in {left:,.0f} days at the last week's pace"
        if left < 3650
        else ""
    )
    free = f"{row['used']:.0%} used, {row['free'] / 2**30:,.0f} GiB free"
    tight = row["used"] > 0.9 or (left is not None and left < 7)
    return f"{free}, {days}".removesuffix(", "), "red" if tight else ""
