"""Pending migrations, taken from the engine's events, as a preview shows them: number, kind and SQL."""

from __future__ import annotations

from typing import Any

from pulumi import automation
from rich.console import Console
from rich.syntax import Syntax

MIGRATION = "Migration"


class PendingMigrations:
    """Collects the migrations that a preview would create."""

    def __init__(self) -> None:
        self.pending: list[dict[str, Any]] = []

    def take(self, event: automation.EngineEvent) -> None:
        """Looks at one engine event."""
        before = event.resource_pre_event
        if before is None or before.metadata.op != automation.OpType.CREATE:
            return
        new = before.metadata.new
        if before.metadata.type.endswith(f":{MIGRATION}") and new and new.inputs:
            self.pending.append({**new.inputs})

    def show(self, console: Console) -> None:
        """Prints each pending migration with its kind and its SQL."""
        for inputs in sorted(self.pending, key=lambda found: found["number"]):
            show_migration(console, inputs["name"], inputs["kind"], inputs["sql"])


def show_migration(console: Console, name: str, kind: str, sql: str) -> None:
    """Prints one pending migration."""
    console.print(f"\npending migration {name} ({kind}):", style="bold", highlight=False)
    console.print(Syntax(sql, "sql", background_color="default", word_wrap=True))
