"""What a preview shows beside the engine's own lines, taken from its events: pending migrations with number, kind and
SQL, changed dashboards and alert rules, and what an update does to those who use a thing."""

from __future__ import annotations

from typing import Any

from pulumi import automation
from rich.console import Console
from rich.syntax import Syntax

from infra.cli import pending_dashboards
from infra.comment.dashboards import Pending, pending
from infra.comment.effects import MIGRATION, pending_migrations
from infra.settings import Settings

EFFECT = "effect"
"""An input with which a resource says what updating it means for others (infra/aws/clickhouse/applied.py)."""


class PendingMigrations:
    """Collects the migrations that a preview would create, and the effects of what it would update."""

    def __init__(self) -> None:
        self.pending: list[dict[str, Any]] = []
        self.effects: list[str] = []
        self.dashboards: list[Pending] = []

    def take(self, event: automation.EngineEvent) -> None:
        """Looks at one engine event."""
        before = event.resource_pre_event
        if before is None:
            return
        if found := pending(before.metadata):
            self.dashboards.append(found)
        new = before.metadata.new
        if before.metadata.op == automation.OpType.UPDATE:
            # Begins with a digest, so that a diff shows it with every change; not known yet, it is what it was.
            told = [str((state.inputs or {}).get(EFFECT, "")) for state in (new, before.metadata.old) if state]
            self.effects += [text.partition(": ")[2] for text in told if ": " in text][:1]
        if before.metadata.op != automation.OpType.CREATE:
            return
        if before.metadata.type.endswith(f":{MIGRATION}") and new and new.inputs:
            self.pending.append({**new.inputs})

    def show(self, console: Console, settings: Settings, diff: bool = False) -> None:
        """Prints each effect, each pending migration with its kind and its SQL, and what changes in dashboards and alerts;
        with `diff` the changed lines of their queries too."""
        for effect in self.effects:
            console.print(effect, style="bold", highlight=False)
        for item in pending_migrations(self.pending, settings):
            show_migration(console, item.name, item.kind, item.sql, item.shard)
        pending_dashboards.show(console, self.dashboards, diff)


def show_migration(console: Console, name: str, kind: str, sql: str, shard: int = 1) -> None:
    """Prints one pending migration."""
    where = f" on shard {shard}" if shard > 1 else ""
    console.print(f"\npending migration {name}{where} ({kind}):", style="bold", highlight=False)
    if console.is_terminal:
        console.print(Syntax(sql, "sql", background_color="default", word_wrap=True))
    else:
        console.print(sql, markup=False, highlight=False, soft_wrap=True)
