"""What a preview prints of Grafana's objects: panels, variables and alert rules that come, go or change."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from infra.comment.dashboards import Pending
from infra.dashboards.changes import Change, sql_diff

STYLES = {"+": "green", "-": "red", "~": "yellow"}


def show(console: Console, found: list[Pending], diff: bool) -> None:
    """Prints each; the changed SQL too with `diff`."""
    for item in sorted(found, key=lambda one: (one.kind, one.title)):
        parts = "panel" if item.kind == "dashboard" else "rule"
        count = "" if item.sign == "~" else f" ({item.parts} {parts}{'' if item.parts == 1 else 's'})"
        console.print(Text(f"\n{item.sign} {item.kind} {item.title}{count}", style=f"bold {STYLES[item.sign]}"))
        if item.sign == "~" and not item.changes:
            console.print(Text("  moved to its folder, or written again"))
        for change in item.changes:
            _show_change(console, change, diff)


def _show_change(console: Console, change: Change, diff: bool) -> None:
    details = f": {'; '.join(change.details)}" if change.details else ""
    console.print(Text(f"  {change.sign} {change.what}{details}", style=STYLES[change.sign]), soft_wrap=True)
    for before, after in change.sql if diff else ():
        for line in sql_diff(before, after):
            console.print(Text(f"      {line}", style=STYLES.get(line[:1], "dim")), soft_wrap=True)
