"""What an `up` does to Grafana's objects: panels, variables and alert rules that come, go or change; as a comment tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pulumi import automation
from pulumi.runtime.rpc import UNKNOWN

from infra.dashboards.changes import Change, dashboard_changes, rule_changes, sql_diff

DASHBOARD, RULES = "GrafanaDashboard", "GrafanaRuleGroup"
TEXT = {DASHBOARD: "model", RULES: "group"}
"""The input in which each of them has its content, as JSON text."""
OPS = {automation.OpType.CREATE: "+", automation.OpType.DELETE: "-", automation.OpType.UPDATE: "~"}
WORDS = {"+": "new", "-": "removed", "~": "changed"}


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


def lines(found: Sequence[Pending]) -> list[str]:
    """Markdown, one item a dashboard or rule group that changes; new and removed ones in one line each."""
    said = []
    for item in sorted(found, key=lambda one: (one.kind, one.title)):
        head = f"{item.kind} {WORDS[item.sign]}: {escape(item.title)}"
        if item.sign != "~":
            said.append(f"{head} ({item.parts} {'panels' if item.kind == 'dashboard' else 'rules'})")
            continue
        if not item.changes:
            said.append(f"{head} (written again)")
            continue
        details = [f"- {change.sign} {escape(change.what)}{_details(change.details)}" for change in item.changes]
        sql = [line for change in item.changes for pair in change.sql for line in ["", *sql_diff(*pair)]]
        fence = "`" * (4 if any("```" in line for line in sql) else 3)
        block = [f"{fence}diff", *sql[1:], fence] if sql else []
        body = "\n".join([f"<details><summary>{head}</summary>", "", *details, "", *block, "", "</details>"])
        said.append(body)
    return said


def _details(details: Sequence[str]) -> str:
    return f": {escape('; '.join(details))}" if details else ""
