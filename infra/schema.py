"""The values that fill the placeholders of sql/migrations, sql/ingest and sql/rollups."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import yaml

from infra.endpoints import KafkaAddress
from infra.errors import UserError
from infra.paths import CONFIGS
from infra.schema_text import JSON_PATTERN, JSON_SPACE, PATTERN, REPLACEMENT
from infra.settings import Settings

DATABASE = "telemetry"
STORAGE_POLICY = "tiered"
KINDS = ("text", "list", "tokens", "usd")
RANKS = 256
"""An alias is one number: its column's code times RANKS plus its place in the column's list."""
OBJECTS_CODE = 998
TENANT_CODE = 999
CONTENT_CODE = 1000
ARGUMENTS_CODE = 1001
"""Codes of no column. From CONTENT_CODE on an attribute is content."""
ANY_ENDING = ".*"
"""Ends a content name that stands for every name that begins so."""


@cache
def attribute_table() -> dict[str, Any]:
    """configs/attributes.yaml, checked: known kinds, no name twice. Raises UserError."""
    path = CONFIGS / "attributes.yaml"
    table = yaml.safe_load(path.read_text())
    seen: dict[str, str] = {}
    for column, entry in table["columns"].items():
        if entry["kind"] not in KINDS:
            raise UserError(f"{path.name}: {column}: kind {entry['kind']!r} is none of {', '.join(KINDS)}")
        _add_names(seen, column, entry["names"])
    _add_names(seen, "tool_call_arguments", table["tool_call_arguments"])
    _add_names(seen, "content", table["content"])
    _add_names(seen, "objects", table["objects"])
    return table


def _add_names(seen: dict[str, str], owner: str, names: list[dict[str, str]]) -> None:
    if len(names) > RANKS:
        raise UserError(f"attributes.yaml: {owner} has {len(names)} names, {RANKS} at most (RANKS in infra/schema.py)")
    for alias in names:
        if alias["name"].endswith(ANY_ENDING) and owner != "content":
            raise UserError(f"attributes.yaml: {alias['name']!r} under {owner}: only names of content may end in .*")
        if alias["name"] in seen:
            raise UserError(
                f"attributes.yaml: {alias['name']!r} is under {seen[alias['name']]} and {owner}; keep one of the two"
            )
        seen[alias["name"]] = owner


def aliases() -> dict[str, Any]:
    """Every alias with its number, and every column with its code, as the SQL macros need them.

    names and ids run side by side. A span's known attributes, sorted by id, stand in order of precedence;
    id / RANKS is the column's code. beginnings: how names begin that are content without being listed.
    """
    table = attribute_table()
    groups = {
        **{code: entry["names"] for code, entry in enumerate(table["columns"].values(), start=1)},
        OBJECTS_CODE: table["objects"],
        TENANT_CODE: [{"name": "tenant.id"}],
        CONTENT_CODE: [alias for alias in table["content"] if not alias["name"].endswith(ANY_ENDING)],
        ARGUMENTS_CODE: table["tool_call_arguments"],
    }
    pairs = [(alias["name"], code * RANKS + rank) for code, group in groups.items() for rank, alias in enumerate(group)]
    return {
        "names": [name for name, _ in pairs],
        "ids": [number for _, number in pairs],
        "beginnings": [
            alias["name"].removesuffix("*") for alias in table["content"] if alias["name"].endswith(ANY_ENDING)
        ],
        "ranks": RANKS,
        "codes": {column: code for code, column in enumerate(table["columns"], start=1)},
        "kinds": {column: entry["kind"] for column, entry in table["columns"].items()},
        "values": {column: entry.get("values", {}) for column, entry in table["columns"].items()},
        "objects_code": OBJECTS_CODE,
        "tenant_code": TENANT_CODE,
        "content_code": CONTENT_CODE,
        "arguments_code": ARGUMENTS_CODE,
    }


def structured_content() -> list[str]:
    """Content attributes whose convention allows lists and maps."""
    table = attribute_table()
    return [alias["name"] for alias in [*table["content"], *table["tool_call_arguments"]] if alias.get("structured")]


def shards_of(settings: Settings) -> int:
    """On how many shards the rows lie."""
    return settings.clickhouseShards if settings.platform == "aws" else 1


def template_values(
    settings: Settings,
    kafka: KafkaAddress,
    schema_folder: str,
    shard: int = 1,
    since: Sequence[Sequence[int]] = (),
) -> dict[str, Any]:
    """Every placeholder of the schema's SQL.

    `schema_folder` is where the server finds configs/otlp: an absolute path where the engine takes one (chdb), else
    '' (the server's own format_schema_path). `shard`: whose tables they are, from 1; `since`: from which message on (Unix
    ms) there are how many shards, the oldest first (docs/decisions/0009-shards.md).
    """
    return {
        "database": DATABASE,
        "storage_policy": STORAGE_POLICY,
        "replicated": settings.platform == "aws" and settings.clickhouseReplicas > 1,
        "shards": {"count": shards_of(settings), "number": shard, "since": [list(entry) for entry in since]},
        "default_env": settings.env,
        # With a credential the tenant is who signed in, whatever a span says.
        "tenant_of_record": settings.collectorAuth == "none",
        "retention": {
            "raw_days": settings.retentionRawDays,
            "slow_days": settings.retentionSlowDays,
            "s3_days": settings.retentionS3Days,
            "content_days": settings.retentionContentDays,
            "dead_letters_days": settings.retentionDeadLettersDays,
            "rollups_days": settings.retentionRollupsDays,
            "oldest_days": max([settings.retentionRawDays, *settings.tenantRetentionDays.values()]),
        },
        "kafka": {
            "engine": "kafka",
            "bootstrap_servers": kafka.bootstrap_servers,
            "security_protocol": kafka.security_protocol,
            "prefix": kafka.prefix,
            "iam_region": settings.awsRegion if settings.platform == "aws" and settings.kafkaAuth == "iam" else "",
            "encoding": settings.kafkaEncoding,
            "consumers": settings.kafkaConsumers,
            "flush_ms": settings.kafkaFlushMs,
            "schema": f"{schema_folder.rstrip('/')}/otlp.proto" if schema_folder else "otlp.proto",
        },
        "aliases": aliases(),
        "nested": {
            "pattern": PATTERN,
            "json_pattern": JSON_PATTERN,
            "json_space": JSON_SPACE,
            "replacement": REPLACEMENT,
        },
    }
