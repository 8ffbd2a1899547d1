"""What a stack costs a month, by part, and for a million spans: an estimate from AWS's price list and the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from infra.endpoints import PartCost
from infra.paths import CONFIGS
from infra.settings import Settings

PRICES = CONFIGS / "aws_prices.yaml"
HOURS = Decimal(730)
"""Hours a month, as AWS's own calculator counts them."""
SECONDS = HOURS * 3600
GIB = Decimal(2**30)
FREE_IOPS, FREE_THROUGHPUT_MIB = 3000, 125
"""What a gp3 volume has for its price (EBS volume types)."""
ROOT_GIB = 30
LCU_BYTES_AN_HOUR = GIB
"""One load balancer capacity unit processes 1 GB an hour."""
SECRETS, KEYS = 12, 1
NOT_IN_IT = "traffic out of the region, S3 requests and what TTLs move to S3, log volume, support, taxes"


@dataclass(frozen=True)
class Line:
    """One item of the bill."""

    item: str
    """As in configs/aws_prices.yaml; with a size after a slash where the price depends on it."""
    quantity: Decimal
    """Units a month."""
    part: str = ""
    """Another part than the item's own."""


def table() -> dict[str, Any]:
    """configs/aws_prices.yaml."""
    return yaml.safe_load(PRICES.read_text())


def bill(settings: Settings, assumptions: Mapping[str, Any]) -> list[Line]:
    """Everything that the stack's settings make AWS charge a month."""
    rate = Decimal(str(assumptions["spans_a_second"]))
    monthly_gib = rate * SECONDS * Decimal(str(assumptions["request_bytes_a_span"])) / GIB
    return [
        *_network(settings, monthly_gib),
        *_kafka(settings),
        *_clickhouse(settings),
        *_tasks(settings, monthly_gib),
        *([Line("grafana-editor", Decimal(assumptions["grafana_editors"]))] if settings.owns_workspace else []),
        Line("key-month", Decimal(KEYS)),
        Line("secret-month", Decimal(SECRETS)),
    ]


def _network(s: Settings, monthly_gib: Decimal) -> Iterator[Line]:
    if s.owns_network:
        yield Line("nat-hour", HOURS * (s.networkZones if s.networkNat == "zone" else 1))
        yield Line("endpoint-hour", HOURS * len(s.networkEndpoints) * s.networkZones)
    # Collector to broker, broker to its other replicas, broker to each of ClickHouse's shards: zones-1 of zones times across
    # a border.
    across = Decimal(s.networkZones - 1) / s.networkZones
    yield Line("zone-transfer", monthly_gib * ((1 + s.clickhouseShards) * across + (s.kafkaReplication - 1)))


def _kafka(s: Settings) -> Iterator[Line]:
    if not s.owns_brokers:
        return
    brokers = s.kafkaBrokersPerZone * s.broker_zones
    yield Line(f"broker-hour/{s.kafkaInstanceType.removeprefix('kafka.')}", HOURS * brokers)
    yield Line("broker-storage", Decimal(brokers * s.kafkaStorageGiB))


def _clickhouse(s: Settings) -> Iterator[Line]:
    nodes = s.clickhouseShards * s.clickhouseReplicas
    yield Line(f"node-hour/{s.clickhouseInstanceType}", HOURS * nodes)
    keepers = 3 if s.clickhouseReplicas > 1 else 0
    if keepers:
        yield Line(f"node-hour/{s.clickhouseKeeperInstanceType}", HOURS * keepers)
    slow = s.clickhouseSlowGiB * nodes
    gp3 = (s.clickhouseHotGiB + ROOT_GIB) * nodes + ROOT_GIB * keepers + (slow if s.clickhouseSlowType == "gp3" else 0)
    yield Line("volume-gp3", Decimal(gp3))
    yield Line("volume-gp3-iops", Decimal(max(0, s.clickhouseHotIops - FREE_IOPS) * nodes))
    extra = Decimal(max(0, s.clickhouseHotThroughputMiB - FREE_THROUGHPUT_MIB) * nodes)
    yield Line("volume-gp3-throughput", extra / 1024)
    if s.clickhouseSlowType != "gp3":
        yield Line(f"volume-{s.clickhouseSlowType}", Decimal(slow))


def _tasks(s: Settings, monthly_gib: Decimal) -> Iterator[Line]:
    yield Line("task-cpu", HOURS * s.workerCpu / 1024, "worker")
    yield Line("task-memory", HOURS * s.workerMemoryMiB / 1024, "worker")
    if s.collectorPlatform != "ecs":
        return  # the cluster's owner pays for its nodes and its load balancer
    suffix = "-spot" if s.collectorSpot else ""
    yield Line(f"task-cpu{suffix}", HOURS * s.collectorMinTasks * s.collectorCpu / 1024)
    yield Line(f"task-memory{suffix}", HOURS * s.collectorMinTasks * s.collectorMemoryMiB / 1024)
    yield Line("load-balancer-hour", HOURS)
    yield Line("load-balancer-capacity", monthly_gib * GIB / LCU_BYTES_AN_HOUR)


@dataclass(frozen=True)
class Estimate:
    """A month's cost in USD. A part whose prices are not all known is in `missing` and in no sum."""

    parts: dict[str, Decimal]
    missing: tuple[str, ...]
    """Items without a price in configs/aws_prices.yaml."""
    million_spans: Decimal | None
    assumptions: dict[str, Any]

    def as_output(self) -> dict[str, Any]:
        """For the stack's outputs."""
        shown: dict[str, Any] = {part: f"{cost:.2f} USD" for part, cost in sorted(self.parts.items())}
        if self.missing:
            hint = "run `telemetry pin` with AWS credentials to fill configs/aws_prices.yaml"
            return {"unknown": f"no price for {', '.join(self.missing)}; {hint}", **shown}
        total = sum(self.parts.values(), Decimal(0))
        return {
            "total": f"{total:.2f} USD",
            **shown,
            "a million spans": f"{self.million_spans:.4f} USD",
            "assumed": ", ".join(f"{key} {value}" for key, value in self.assumptions.items()),
            "not in it": NOT_IN_IT,
        }


def estimate(settings: Settings, prices_table: Mapping[str, Any] | None = None) -> Estimate:
    """The stack's cost a month at the assumed traffic."""
    known = prices_table or table()
    prices = known["prices"].get(settings.awsRegion) or {}
    parts: dict[str, Decimal] = {}
    missing: set[str] = set()
    incomplete: set[str] = set()
    lines = [line for line in bill(settings, known["assumptions"]) if line.quantity]
    for line in lines:
        part = line.part or known["items"][line.item.partition("/")[0]]["part"]
        price = prices.get(line.item)
        if price in (None, ""):
            missing.add(line.item)
            incomplete.add(part)
            continue
        parts[part] = parts.get(part, Decimal(0)) + Decimal(str(price)) * line.quantity
    spans = Decimal(str(known["assumptions"]["spans_a_second"])) * SECONDS
    total = sum(parts.values(), Decimal(0))
    return Estimate(
        {part: cost for part, cost in parts.items() if part not in incomplete},
        tuple(sorted(missing)),
        None if missing else total / spans * 1_000_000,
        dict(known["assumptions"]),
    )


def part_costs(settings: Settings, prices_table: Mapping[str, Any] | None = None) -> list[PartCost]:
    """The same by part, apart from what traffic adds: the bill without a span, and what a million spans make it more."""
    known = prices_table or table()
    prices = known["prices"].get(settings.awsRegion) or {}
    idle = {**known["assumptions"], "spans_a_second": 0}
    # As many in a month as make a million: every line is linear in the traffic.
    busy = {**known["assumptions"], "spans_a_second": 1_000_000 / SECONDS}
    parts: dict[str, list[Decimal]] = {}
    missing: dict[str, set[str]] = {}
    for still, line in zip(bill(settings, idle), bill(settings, busy), strict=True):
        if not line.quantity:
            continue
        part = line.part or known["items"][line.item.partition("/")[0]]["part"]
        sums = parts.setdefault(part, [Decimal(0), Decimal(0)])
        price = prices.get(line.item)
        if price in (None, ""):
            missing.setdefault(part, set()).add(line.item)
            continue
        sums[0] += Decimal(str(price)) * still.quantity
        sums[1] += Decimal(str(price)) * (line.quantity - still.quantity)
    hint = "run `telemetry pin` with AWS credentials, then `telemetry up`"
    return [
        PartCost(part, None, None, f"no price for {', '.join(sorted(missing[part]))}: {hint}")
        if part in missing
        else PartCost(part, month, million, f"list prices in {settings.awsRegion}; {NOT_IN_IT} are not in it")
        for part, (month, million) in sorted(parts.items())
    ]
