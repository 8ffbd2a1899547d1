"""Tables and what fills them, on every shard: reading begins when everything that it needs is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.endpoints import ClickHouseEndpoint, KafkaAddress, Parts
from infra.postdeploy.ingest import Ingest
from infra.postdeploy.migration_steps import Migrations
from infra.postdeploy.price_scenarios import PriceScenarios
from infra.postdeploy.prices import ModelPrices
from infra.postdeploy.reading import Reading
from infra.postdeploy.retention import Retention
from infra.postdeploy.shard_counts import ShardCounts
from infra.postdeploy.stack_costs import StackCosts
from infra.postdeploy.tenant_views import TenantViews
from infra.postdeploy.tenants_table import Tenants
from infra.schema import template_values
from infra.settings import Settings
from infra.shards import named


@dataclass(frozen=True)
class Schema:
    """What later steps wait for, and what tells them that something changed."""

    checksums: dict[str, str]
    """Migration file to checksum."""
    ingest: list[Ingest]
    """A shard each."""
    asked: list[pulumi.Resource]
    """There when every name that is asked is."""


@dataclass(frozen=True)
class _Tables:
    """One shard's, before anything is read into them."""

    clickhouse: ClickHouseEndpoint
    number: int
    migrations: Migrations
    filled: list[pulumi.Resource]
    """What views look things up in."""


def schema(settings: Settings, parts: Parts) -> Schema:
    """All of it. What is done where there is one shard is done for each where there are several
    (docs/decisions/0009-shards.md)."""
    endpoints = [parts.clickhouse, *parts.further_shards]
    shards = [_tables(settings, parts, endpoint, number) for number, endpoint in enumerate(endpoints, 1)]
    ready = [step for shard in shards for step in (shard.migrations, *shard.filled)]
    since: pulumi.Output[Sequence[Sequence[float]]] = pulumi.Output.from_input([])
    if len(shards) > 1:
        counts = ShardCounts("shard-counts", endpoints, pulumi.ResourceOptions(depends_on=[*parts.topics, *ready]))
        since, ready = counts.since, [*ready, counts]
    values = [_values(settings, parts, shard.clickhouse, shard.number, since) for shard in shards]
    ingest = [
        Ingest(
            named("ingest", shard.number),
            shard.clickhouse,
            own,
            opts=pulumi.ResourceOptions(depends_on=[*parts.topics, *ready]),
        )
        for shard, own in zip(shards, values, strict=True)
    ]
    checksums = shards[0].migrations.checksums
    asked: list[pulumi.Resource] = [shard.migrations for shard in shards]
    if len(shards) > 1:
        after = pulumi.ResourceOptions(depends_on=asked)
        asked = [
            Reading(named("reading", shard.number), shard.clickhouse, own, checksums, after)
            for shard, own in zip(shards, values, strict=True)
        ]
    if settings.tenantReaders:
        after = pulumi.ResourceOptions(depends_on=asked)
        asked = [*asked, TenantViews("tenant-views", parts.clickhouse, settings.tenantReaders, checksums, after)]
    return Schema(checksums, ingest, asked)


def _tables(settings: Settings, parts: Parts, clickhouse: ClickHouseEndpoint, number: int) -> _Tables:
    # Without the times at which shards were added: they are not known before an `up` that adds some, and no table needs them.
    values = _values(settings, parts, clickhouse, number, pulumi.Output.from_input([]))
    migrations = Migrations(named("migrations", number), clickhouse, values, shard=number)
    after = pulumi.ResourceOptions(depends_on=[migrations])
    prices = ModelPrices(named("model-prices", number), clickhouse, opts=after)
    tenants = Tenants(named("tenants", number), clickhouse, settings, opts=after)
    PriceScenarios(named("price-scenarios", number), clickhouse, opts=after)
    StackCosts(named("stack-costs", number), clickhouse, parts.costs, opts=after)
    # They name no broker, so that the TTLs are known in every preview.
    ttls = template_values(settings, KafkaAddress("", ""), "", number)
    Retention(named("retention", number), clickhouse, ttls, opts=after)
    return _Tables(clickhouse, number, migrations, [prices, tenants])


def _values(
    settings: Settings,
    parts: Parts,
    clickhouse: ClickHouseEndpoint,
    number: int,
    since: pulumi.Output[Sequence[Sequence[float]]],
) -> pulumi.Output[dict[str, Any]]:
    return pulumi.Output.all(
        servers=parts.kafka.bootstrap_servers,
        protocol=parts.kafka.security_protocol,
        prefix=parts.kafka.prefix,
        folder=clickhouse.schema_folder,
        since=since,
    ).apply(lambda found: placeholders(settings, found, number))


def placeholders(settings: Settings, found: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """What fills the placeholders of one shard's SQL files."""
    # The engine keeps every number as a float.
    since = [[int(part) for part in entry] for entry in found["since"]]
    kafka = KafkaAddress(found["servers"], found["protocol"], found["prefix"])
    return template_values(settings, kafka, found["folder"], number, since)
