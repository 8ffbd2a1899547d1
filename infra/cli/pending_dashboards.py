"""What a preview shows of Grafana's objects: panels, variables and alert rules that come, go or change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi import automation
from pulumi.runtime.rpc import UNKNOWN
from rich.console import Console
from rich.text import Text

from infra.dashboards.changes import Change, dashboard_changes, rule_changes, sql_diff

DASHBOARD, RULES = "GrafanaDashboard", "GrafanaRuleGroup"
TEXT = {DASHBOARD: "model", RULES: "group"}
"""The input in which each of them has its content, as JSON text."""
OPS = {automation.OpType.CREATE: "+", automation.OpType.DELETE: "-", automation.OpType.UPDATE: "~"}
STYLES = {"+": "green", "-": "red", "~": "yellow"}


@dataclass(frozen=True)
class Pending:
    """One dashboard or rule group that the next `up` makes, deletes or changes."""

    sign: str
    kind: str
    title: str
    parts: int
    """Panels or rules that it has, or had."""
    changes: tuple[Change, ...] = ()


def pending(event: automation.StepEventMetadata) -> Pending | None:
    """What an engine's step does to a dashboard or a rule group; None for any other step."""
    if event.type.rpartition(":")[2] not in TEXT:
        return None
    # What the last `up` or refresh saw is in the outputs: a refresh finds what was edited by hand.
    old, new = event.old.outputs if event.old else None, event.new.inputs if event.new else None
    return pending_of(event.type, OPS.get(event.op, ""), old, new)


def pending_of(type_: str, sign: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Pending | None:
    """The same of a resource's type, the operation's sign, and its state before and afterwards."""
    kind = type_.rpartition(":")[2]
    if not sign or kind not in TEXT:
        return None
    before, after = _content(kind, old), _content(kind, new)
    there = after or before
    if there is None:
        return None
    changes: list[Change] = []
    if before is not None and after is not None:
        changes = dashboard_changes(before, after) if kind == DASHBOARD else rule_changes(before, after)
    parts = there.get("panels" if kind == DASHBOARD else "rules") or []
    count = sum(1 for part in parts if part.get("type") != "row")
    name = "dashboard" if kind == DASHBOARD else "alert rules"
    return Pending(sign, name, str(there.get("title", "")), count, tuple(changes))


def _content(kind: str, state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    text = (state or {}).get(TEXT[kind])
    return None if text in (None, "", UNKNOWN) else json.loads(str(text))


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
