"""Every post-deploy step against given addresses, without an engine: the same steps in the same order, each compared with what
Kafka and ClickHouse have now, and what is as wanted is left as it is. A run that was killed is continued by the next.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.clickhouse import connect
from infra.endpoints import Direct, KafkaAddress, PartCost
from infra.errors import UserError
from infra.kafka import topics
from infra.postdeploy import ingest_record
from infra.postdeploy.canary import probe
from infra.postdeploy.ingest import IngestProvider, drop_order, objects_of, rendered_files
from infra.postdeploy.ingest_record import IngestRecord
from infra.postdeploy.migration_lock import EXPIRY_SECONDS, HeldError
from infra.postdeploy.migration_runner import apply as apply_migrations
from infra.postdeploy.migrations import Migration, migration_files
from infra.postdeploy.price_scenarios import scenario_rows
from infra.postdeploy.prices import price_rows
from infra.postdeploy.reference_tables import ReferenceTableProvider
from infra.postdeploy.retention import RetentionProvider, desired_statements, ttl_of
from infra.postdeploy.stack_costs import cost_rows
from infra.postdeploy.statements import checksum
from infra.postdeploy.step import ReconcilingProvider
from infra.postdeploy.tenants_table import tenant_rows
from infra.postdeploy.topics import TopicProvider, admin, live_topic
from infra.schema import template_values
from infra.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from infra.endpoints import ClickHouseAddress, OtlpAddress

CONNECT_SECONDS = 60
CANARY_SECONDS = 60
REPLICATION = 1

Report = Callable[[str], None]


@dataclass(frozen=True)
class Addresses:
    """Where the parts answer, none of which asks for a password."""

    kafka: KafkaAddress
    """As clients of it see it, ClickHouse among them."""
    clickhouse: ClickHouseAddress
    otlp: OtlpAddress
    schema_folder: str = ""
    """Where ClickHouse finds the .proto files: '' for a server, which looks in its own format_schema_path."""


@dataclass(frozen=True)
class Wanted:
    """What the steps bring about, made before anything is touched."""

    topics: Sequence[Mapping[str, Any]]
    migrations: Sequence[Migration]
    tables: Sequence[Mapping[str, Any]]
    """Inputs of reference tables: prices and tenants first, in which ingest looks things up."""
    retention: Mapping[str, Any]
    ingest: Mapping[str, Any]


def wanted(settings: Settings, at: Addresses, costs: Sequence[PartCost]) -> Wanted:
    """What these settings want at these addresses. Raises UserError."""
    values = template_values(settings, at.kafka, at.schema_folder)
    statements = desired_statements(json.dumps(template_values(settings, KafkaAddress("", ""), "")))
    texts = rendered_files(json.dumps(values))
    return Wanted(
        topics=[_topic(at.kafka, topic) for topic in topics(settings)],
        migrations=[file.rendered(values) for file in migration_files()],
        tables=[
            {"table": "model_prices", "dictionary": "model_price", "rows": price_rows()},
            {"table": "tenants", "dictionary": "tenant", "rows": tenant_rows(settings)},
            {"table": "price_scenarios", "dictionary": "", "rows": scenario_rows()},
            {"table": "stack_costs", "dictionary": "", "rows": cost_rows(costs)},
        ],
        retention={"statements": statements, "ttls": {table: ttl_of(text) for table, text in statements.items()}},
        ingest={"sql": texts, "files": {file: checksum(text) for file, text in texts.items()}},
    )


def apply(settings: Settings, at: Addresses, costs: Sequence[PartCost], report: Report) -> int:
    """Does what is left to do, and sends one trace through all of it. Returns how many things it changed. Raises UserError."""
    todo = wanted(settings, at, costs)
    changed = 0
    for topic in todo.topics:
        live = live_topic(admin(topic["bootstrap_servers"]), topic["topic"], topic["config"])
        changed += _said(report, f"topic {topic['topic']}", _bring_topic(topic, live))
    with connect(at.clickhouse, Direct(), wait_seconds=CONNECT_SECONDS) as client:
        changed += _migrate(client, todo.migrations, report)
        for table in todo.tables:
            changed += _said(report, table["table"], _bring(client, ReferenceTableProvider(), table))
        changed += _said(report, "retention", _bring(client, RetentionProvider(), todo.retention))
        changed += _said(report, "ingest", _bring_ingest(client, todo.ingest))
        seconds = probe(at.otlp, {}, client, CANARY_SECONDS)
    report(f"canary: its trace was stored {seconds:.1f} s after the collector had taken it")
    return changed


def _said(report: Report, what: str, changed: bool) -> bool:
    report(f"{what}: {'brought up to date' if changed else 'as wanted'}")
    return changed


def _topic(kafka: KafkaAddress, topic: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "bootstrap_servers": kafka.bootstrap_servers,
        "topic": topic["name"],
        "partitions": topic["partitions"],
        "replication": REPLICATION,
        "config": topic["config"],
    }


def _bring_topic(props: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    provider, given = TopicProvider(), dict(props)
    if live is None:
        provider.create(given)
        return True
    before = {**given, **live}
    for failure in provider.check(before, given).failures:
        raise UserError(failure.reason)
    if not provider.diff(given["topic"], before, given).changes:
        return False
    provider.update(given["topic"], before, given)
    return True


def _migrate(client: Client, migrations: Sequence[Migration], report: Report) -> int:
    """A runner that was killed in another container gives way once it has been silent for long enough."""
    deadline = time.monotonic() + EXPIRY_SECONDS + 15
    while True:
        try:
            done = apply_migrations(client, migrations, report=report)
            break
        except HeldError as held:
            if time.monotonic() > deadline:
                raise
            report(f"waiting: {held}")
            time.sleep(5)
    report(f"migrations: {len(done)} applied, {len(migrations) - len(done)} were there")
    return len(done)


def _bring(client: Client, provider: ReconcilingProvider, props: Mapping[str, Any]) -> bool:
    """What an `up` after a refresh does: looks, and runs the step where something differs."""
    given = dict(props)
    live = provider.look(client, provider.id_of(given), given)
    outs: dict[str, Any] = live.outs or {}
    if live.id and not provider.diff(live.id, outs, given).changes:
        return False
    provider.reconcile(client, given, outs)
    return True


def _bring_ingest(client: Client, props: Mapping[str, Any]) -> bool:
    """The tables can't show the statements that made them: the record of the last run stands for them."""
    provider, given = IngestProvider(), dict(props)
    record = ingest_record.read(client)
    before: dict[str, Any] = {**given, "files": dict(record.files), "objects": list(record.objects)}
    live = provider.look(client, "ingest", before)
    if record.files and not provider.diff("ingest", live.outs or {}, given).changes:
        return False
    new = drop_order([made for _, _, made in objects_of(given["sql"])])
    left = [name for name in record.objects if name not in new]
    ingest_record.write(client, IngestRecord({}, [*new, *left]))
    provider.reconcile(client, given, before)
    ingest_record.write(client, IngestRecord(given["files"], new))
    return True
