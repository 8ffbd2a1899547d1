"""Changed dashboards and alert rules in a comment: a line each, their panels folded."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from infra.cli.pending_dashboards import Pending
from infra.dashboards.changes import sql_diff

WORDS = {"+": "new", "-": "removed", "~": "changed"}


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
