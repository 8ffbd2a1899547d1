"""The comment's text: a verdict first, details folded, never longer than GitHub takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import jinja2

from infra.comment.cost import CostChange, cost_change
from infra.comment.effects import edited, losses, migrations, shorter
from infra.comment.recorder import Change, Finding, Op, Recorder, is_ours
from infra.comment.values import moved
from infra.config import PROJECT
from infra.settings import Settings

LIMIT = 65_536
"""Characters of a comment (GitHub refuses longer ones)."""
KINDS = {
    "metadata": "metadata only, at once",
    "rewrite": "rewrites stored rows",
    "delete": "<b>deletes stored rows</b>",
}
RESOURCES = 5
"""Named of those that a policy says the same of."""
ORDER: Sequence[Op] = ("replace", "delete", "update", "create")
PAST: Mapping[Op, str] = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}


SILENT = "<!-- nothing to say -->"


def marker(stack: str) -> str:
    """The comment's first line, by which it is found again: one for each project and stack."""
    return f"<!-- preview of {PROJECT}/{stack} -->"


def is_silent(text: str) -> bool:
    """Whether the comment has nothing to say: none is made then, only an old one edited."""
    return text.splitlines()[1:2] == [SILENT]


@dataclass
class Comment:
    """What the comment tells of one preview."""

    stack: str
    recorder: Recorder
    settings: Settings | None
    """None when the stack's file could not be read."""
    effects: Sequence[str] = ()
    """What updates do to those who use a thing."""
    notes: Sequence[str] = ()
    """Further findings, a line each."""
    expiring: Mapping[str, str] = field(default_factory=dict)
    """Of `shorter`: how much a shorter retention deletes, where it is known."""
    failed: bool = False
    log_url: str = ""
    against: str = ""
    """What it is compared with, where that is not what is deployed."""

    def silent(self) -> bool:
        """Whether there is nothing to say."""
        said = [*self._changes(), *self.recorder.findings, *self.recorder.errors]
        return not said and not self.failed

    def text(self) -> str:
        """The whole comment, its marker first."""
        recorder, changes = self.recorder, self._changes()
        cost = cost_change(recorder.outputs_before, recorder.outputs_after)
        body = (
            _environment()
            .get_template("comment.md.j2")
            .render(
                verdict=self._verdict(),
                losses=losses(changes),
                shorter=shorter(changes),
                edited=edited(changes),
                expiring=self.expiring,
                migrations=migrations(changes, self.settings) if self.settings else [],
                kinds=KINDS,
                effects=self.effects,
                cost=cost,
                cost_line=_cost_line(cost) if cost else "",
                count_line=self._counts(),
                findings=grouped(recorder.findings),
                notes=self.notes,
                errors=recorder.errors,
                warnings=recorder.warnings,
                groups=[
                    (op, list(items))
                    for op, items in groupby(
                        sorted(changes, key=lambda item: (ORDER.index(item.op), item.name)), key=lambda item: item.op
                    )
                ],
                log_url=self.log_url,
                against=self.against,
            )
        )
        first = marker(self.stack) + (f"\n{SILENT}" if self.silent() else "")
        return shortened(f"{first}\n{_tidy(body)}", LIMIT)

    def _changes(self) -> list[Change]:
        return [change for change in self.recorder.changes if is_ours(change)]

    def _verdict(self) -> str:
        name = f"`{self.stack}`"
        refused = len(self.recorder.refused())
        if self.failed and (self.recorder.errors or not refused):
            return f":x: {name}: the preview failed"
        if refused:
            return (
                f":no_entry: {name}: {_number(refused, 'policy', 'policies')} refuse{'s' if refused == 1 else ''} this"
            )
        changes = self._changes()
        if past := edited(changes):
            return f":no_entry: {name}: {_number(len(past), 'migration')} of the past edited, an `up` refuses that"
        if lost := losses(changes):
            return f":rotating_light: {name}: {_number(len(lost), 'thing')} that hold{'s' if len(lost) == 1 else ''} data would go"
        if not changes:
            return f":white_check_mark: {name}: no changes"
        if less := shorter(changes):
            kept = f"{_number(len(less), 'table or topic', 'tables or topics')} would keep rows for less time"
            return f":wastebasket: {name}: {_number(len(changes), 'change')}, {kept}"
        return f":white_check_mark: {name}: {_number(len(changes), 'change')}, nothing that holds data goes"

    def _counts(self) -> str:
        counts: dict[Op, int] = {op: sum(change.op == op for change in self._changes()) for op in ORDER}
        said = [f"{number} {PAST[op]}" for op, number in counts.items() if number]
        return ", ".join([*said, f"{self.recorder.unchanged} unchanged"]) if said else ""


@dataclass(frozen=True)
class Found:
    """What a policy says, once for all resources that it says it of."""

    policy: str
    mandatory: bool
    message: str
    where: str
    """The resources as Markdown, the first few by name."""


def grouped(findings: Sequence[Finding]) -> list[Found]:
    """Mandatory ones first, each message once."""
    by_message: dict[tuple[bool, str, str], list[str]] = {}
    for found in findings:
        key = (not found.mandatory, found.policy, found.message)
        by_message.setdefault(key, []).append(found.resource)
    return [
        Found(policy, not advisory, message, _where([name for name in names if name]))
        for (advisory, policy, message), names in sorted(by_message.items(), key=lambda item: item[0])
    ]


def _where(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{inline(name)}`" for name in names[:RESOURCES])
    rest = len(names) - RESOURCES
    return f"{shown} and {rest} more" if rest > 0 else shown


def shortened(text: str, limit: int) -> str:
    """The text, or its beginning and end with the lines between them counted, at most `limit` characters long."""
    if len(text) <= limit:
        return text
    lines = text.split("\n")
    # The verdict and what is lost are at the beginning, the link to the log at the end: most of the room is the beginning's.
    room = limit - 200
    head, used = 0, 0
    while head < len(lines) and used + len(lines[head]) + 1 <= room * 3 // 4:
        used += len(lines[head]) + 1
        head += 1
    tail = len(lines)
    while tail > head and used + len(lines[tail - 1]) + 1 <= room:
        used += len(lines[tail - 1]) + 1
        tail -= 1
    notice = f"\n**… {tail - head} lines are left out here …**\n"
    return "\n".join([*lines[:head], *_ended(lines[:head]), notice, *_begun(lines[:tail]), *lines[tail:]])


def _ended(lines: Sequence[str]) -> list[str]:
    """What ends the code block and the folds that the lines leave open."""
    fence, folds = _open(lines)
    return [*([fence] if fence else []), *["</details>"] * folds]


def _begun(lines: Sequence[str]) -> list[str]:
    """What begins them again."""
    fence, folds = _open(lines)
    return [*["<details><summary>The end of it</summary>\n"] * folds, *([fence] if fence else [])]


def _open(lines: Sequence[str]) -> tuple[str, int]:
    """The fence of the code block and the number of folds in which the lines end."""
    fence, folds = "", 0
    for line in lines:
        if fence:
            fence = "" if line.strip() == fence else fence
        elif found := re.match(r"`{3,}", line):
            fence = found[0]
        else:
            folds += line.count("<details>") - line.count("</details>")
    return fence, folds


def _cost_line(cost: CostChange) -> str:
    after, delta = cost.after, cost.delta()
    if after.total is None:
        return f"Cost: not known ({after.missing})" if after.missing else "Cost: not known"
    if cost.before is None:
        return f"**Cost: {after.total} USD a month**"
    if delta is None:
        return f"**Cost: {after.total} USD a month**, before: not known"
    return (
        f"**Cost: {delta:+} USD a month**, {after.total} USD in all"
        if delta
        else f"Cost: as before, {after.total} USD a month"
    )


def _number(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or one + 's'}"


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("infra.comment", "."),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown: what is not ours stands in code, or goes through `inline`
    )
    environment.filters["inline"] = inline
    environment.filters["short_type"] = short_type
    environment.filters["moved"] = lambda change: moved(change.old, change.new)
    environment.globals["longest_ticks"] = lambda text: max([2, *(len(run) for run in re.findall("`+", text))])
    return environment


def inline(text: str) -> str:
    """One line that can't end the code or the list it stands in, mention anybody or open a tag."""
    flat = " ".join(str(text).split()).replace("`", "'").replace("<", "&lt;")
    return re.sub(r"@(?=\w)", "@\u200b", flat)


def short_type(type_: str) -> str:
    """`msk.Cluster` of aws:msk/cluster:Cluster."""
    module, _, name = type_.rpartition(":")
    return f"{module.split(':')[-1].split('/')[0]}.{name}"
