"""What a preview shows beside the engine's lines."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

from pulumi import automation
from pulumi.runtime.rpc import UNKNOWN
from rich.console import Console

from infra.cli.pending import PendingMigrations
from infra.settings import parse_settings


def event(op: automation.OpType, type_: str, old: Any = None, **inputs: Any) -> automation.EngineEvent:
    token, before = f"pulumi-python:dynamic/aws:{type_}", SimpleNamespace(inputs=old) if old else None
    metadata = SimpleNamespace(op=op, type=token, new=SimpleNamespace(inputs=inputs), old=before)
    return cast(automation.EngineEvent, SimpleNamespace(resource_pre_event=SimpleNamespace(metadata=metadata)))


def test_an_updates_effect_is_shown_without_its_digest() -> None:
    pending, output = PendingMigrations(), io.StringIO()
    pending.take(
        event(automation.OpType.UPDATE, "Applied", effect="0badcafe-12ab: clickhouse-1 restarts; the only node")
    )
    pending.take(event(automation.OpType.SAME, "Applied", effect="0badcafe-12ab: clickhouse-2 restarts"))
    pending.take(event(automation.OpType.UPDATE, "Other"))
    unknown = {"effect": UNKNOWN, "old": {"effect": "0badcafe-12ab: clickhouse-3 restarts"}}
    pending.take(event(automation.OpType.UPDATE, "Applied", **unknown))
    pending.show(Console(file=output, width=200), parse_settings({}, "test"))
    assert output.getvalue() == "clickhouse-1 restarts; the only node\nclickhouse-3 restarts\n"


def test_a_migration_is_shown_when_it_would_be_created() -> None:
    pending, output = PendingMigrations(), io.StringIO()
    inputs = {"number": 9, "name": "0009_x", "kind": "metadata", "sql": "SELECT 9"}
    pending.take(event(automation.OpType.CREATE, "Migration", **inputs))
    pending.take(event(automation.OpType.SAME, "Migration", **inputs))
    pending.show(Console(file=output, width=200), parse_settings({}, "test"))
    assert output.getvalue().count("pending migration 0009_x (metadata)") == 1
    assert "SELECT 9" in output.getvalue()
