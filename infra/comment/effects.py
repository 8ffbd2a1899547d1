"""What an `up` does to data: stateful things that go, pending migrations, shorter retention."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from pulumi.runtime.rpc import UNKNOWN

from infra.comment.recorder import Change
from infra.endpoints import KafkaAddress
from infra.paths import CONFIGS, SQL
from infra.settings import Settings

if TYPE_CHECKING:  # slow to import
    from clickhouse_connect.driver.client import Client

MIGRATION, RETENTION = "Migration", ":Retention"
NOT_YET = "(known after the up)"
TOPICS = ("aws:msk/topic:Topic", "pulumi-python:dynamic/postdeploy:Topic")
KEPT_MS = "retention.ms"
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Loss:
    """A stateful resource that is replaced or deleted."""

    change: Change
    lost: str


@dataclass(frozen=True)
class Pending:
    """A migration that the `up` would run."""

    name: str
    kind: str
    sql: str
    shard: int


@functools.cache
def stateful_types() -> Mapping[str, str]:
    """Type to what is lost with one (configs/stateful_types.yaml)."""
    return yaml.safe_load((CONFIGS / "stateful_types.yaml").read_text())["stateful"]


def losses(changes: Sequence[Change]) -> list[Loss]:
    """Every stateful resource that would be replaced or deleted."""
    return [
        Loss(change, stateful_types()[change.type])
        for change in changes
        if change.op in ("replace", "delete") and change.type in stateful_types()
    ]


def migrations(changes: Sequence[Change], settings: Settings) -> list[Pending]:
    """The pending ones in their order."""
    created = [item.new for item in changes if item.op == "create" and item.type.endswith(f":{MIGRATION}")]
    return pending_migrations(created, settings)


def pending_migrations(created: Sequence[Mapping[str, Any]], settings: Settings) -> list[Pending]:
    """Those that would be created, by their inputs, in the order in which they run."""
    return [
        Pending(
            item["name"],
            item["kind"],
            sql_before_the_brokers(settings, item["name"]) if item["sql"] == UNKNOWN else item["sql"],
            int(item.get("shard", 1)),
        )
        for item in sorted(created, key=lambda found: (found.get("shard", 1), found["number"]))
    ]


def sql_before_the_brokers(settings: Settings, name: str) -> str:
    """A migration's SQL while the brokers' addresses, which the engine waits for, are not known: they are the only
    placeholders that the settings do not fill."""
    from infra.postdeploy.migrations import migration_files
    from infra.schema import template_values

    values = template_values(settings, KafkaAddress(NOT_YET, NOT_YET), "")
    return next(file.rendered(values).sql for file in migration_files() if file.name == name)


def edited(changes: Sequence[Change]) -> list[str]:
    """Migrations whose file is another one than what was applied: an `up` refuses them."""
    found = [item for item in changes if item.op == "update" and item.type.endswith(f":{MIGRATION}")]
    return sorted(item.name for item in found if "checksum" in item.properties)


@dataclass(frozen=True)
class Shorter:
    """A table or topic that keeps its rows for less time."""

    what: str
    before: str
    after: str
    table: str = ""
    days: int = 0
    """By how many days its rows expire sooner."""


def shorter(changes: Sequence[Change]) -> list[Shorter]:
    """What deletes rows sooner than before: a table's TTL, a topic's retention."""
    return [item for change in changes if change.op == "update" for item in _shorter(change)]


def _shorter(change: Change) -> Iterator[Shorter]:
    if change.type.endswith(RETENTION):
        before, after = change.old.get("ttls"), change.new.get("ttls")
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            for table in sorted(set(before) & set(after)):
                was, will = days_kept(before[table]), days_kept(after[table])
                if was is not None and will is not None and will < was:
                    yield Shorter(f"table {table}", f"{was} days", f"{will} days", table, was - will)
    if change.type in TOPICS:
        was, will = (_kept_hours(inputs) for inputs in (change.old, change.new))
        if was is not None and will is not None and will < was:
            yield Shorter(f"topic {change.name}", f"{was:g} h", f"{will:g} h")


def days_kept(ttl: str) -> int | None:
    """Days after which the TTL deletes a row (a tenant's own number apart); None where it says none."""
    for part in reversed(re.split(r",(?![^(]*\))", str(ttl))):
        days = re.search(r"toIntervalDay\((?:if\([^,]*,\s*)?(\d+)", part)
        if days and "TO VOLUME" not in part.upper() and "TO DISK" not in part.upper():
            return int(days[1])
    return None


def _kept_hours(inputs: Mapping[str, Any]) -> float | None:
    """MSK's topics say it as JSON text, ours as a map."""
    config = inputs.get("config")
    if config is None:
        with suppress(ValueError, TypeError):  # not known yet
            config = json.loads(inputs.get("configs", ""))
    text = str(config.get(KEPT_MS)) if isinstance(config, Mapping) else ""
    return int(text) / HOUR_MS if text.isdigit() else None


def expiring(client: Client, found: Sequence[Shorter]) -> dict[str, str]:
    """Of each table that keeps its rows for less time: how much of what is stored that deletes, in words."""
    query = (SQL / "queries" / "expiring.sql").read_text()
    said = {}
    for item in found:
        if item.table:
            ((rows, size),) = client.query(query, parameters={"table": item.table, "days": item.days}).result_rows
            said[item.what] = f"deletes {rows:,} rows or more, {size / 2**30:.2f} GiB"
    return said
