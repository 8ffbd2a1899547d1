"""What is different between two states of a dashboard, or of a group of alert rules, in the words of who reads a preview."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from infra.dashboards.aspects import IGNORED, OWNED, PANEL, RULE, VARIABLE, Aspect, Json, queries, threshold

WHOLE = ("title", "description", "time", "refresh", "tags", "links", "timezone")
"""Of a dashboard: what is told by name, beside panels and variables."""


@dataclass(frozen=True)
class Change:
    """One thing that comes (+), goes (-) or changes (~)."""

    sign: Literal["+", "-", "~"]
    what: str
    """`panel "Latency"`."""
    details: tuple[str, ...] = ()
    sql: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Queries that changed: before and after."""


def dashboard_changes(before: Json, after: Json) -> list[Change]:
    """Panels, variables and what concerns the dashboard as a whole."""
    found = _whole(before, after)
    panels, moved = _things(_panels(before), _panels(after), PANEL, "panel")
    found += panels
    variables, _ = _things(_variables(before), _variables(after), VARIABLE, "variable")
    found += variables
    if moved:
        found.append(Change("~", f"position of {moved} panel{'s' if moved > 1 else ''}"))
    return found


def rule_changes(before: Json, after: Json) -> list[Change]:
    """Rules of a group, and how often it is evaluated."""
    found: list[Change] = []
    if before.get("interval") != after.get("interval"):
        found.append(Change("~", f"evaluated every {before.get('interval')} → {after.get('interval')} s"))
    rules, _ = _things(_rules(before), _rules(after), RULE, "rule")
    return found + rules


def sql_diff(before: str, after: str) -> list[str]:
    """A unified diff with two lines around each change, without the files' names."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return list(lines)[2:]


def _panels(model: Json) -> dict[str, Json]:
    """By title, a repeated title by number; rows too."""
    found: dict[str, Json] = {}
    for panel in _flat(model.get("panels") or []):
        title = str(panel.get("title", ""))
        name = f"{'row ' if panel.get('type') == 'row' else ''}{json.dumps(title, ensure_ascii=False)}"
        again = sum(1 for known in found if known == name or known.startswith(f"{name} ("))
        found[f"{name} ({again + 1})" if again else name] = panel
    return found


def _flat(panels: Sequence[Json]) -> Iterator[Json]:
    """A row that is folded up holds its panels."""
    for panel in panels:
        yield panel
        yield from panel.get("panels") or []


def _variables(model: Json) -> dict[str, Json]:
    return {str(item.get("name")): item for item in (model.get("templating") or {}).get("list") or []}


def _rules(group: Json) -> dict[str, Json]:
    return {json.dumps(rule.get("title", ""), ensure_ascii=False): rule for rule in group.get("rules") or []}


def _things(
    before: Mapping[str, Json], after: Mapping[str, Json], aspects: Sequence[Aspect], kind: str
) -> tuple[list[Change], int]:
    """What came, went and changed among named things, and how many have only moved."""
    gone = {name: thing for name, thing in before.items() if name not in after}
    found: list[Change] = []
    moved = 0
    for name, new in after.items():
        label = name if name.startswith("row ") else f"{kind} {name}"
        old, was = before.get(name), ""
        if old is None and (earlier := _renamed(new, gone)):
            old, was = gone.pop(earlier), earlier
        if old is None:
            found.append(Change("+", label, tuple(_new(new, kind))))
            continue
        details, sql = _different(old, new, aspects)
        moved += old.get("gridPos") != new.get("gridPos")
        if was:
            details.insert(0, f"was called {was}")
        if details:
            found.append(Change("~", label, tuple(details), tuple(sql)))
    found += [Change("-", name if name.startswith("row ") else f"{kind} {name}") for name in gone]
    return found, moved


def _renamed(new: Json, gone: Mapping[str, Json]) -> str:
    """Which of those that are gone asks the very same: it has another name now."""
    asked = queries(new)
    return next((name for name, old in gone.items() if asked and queries(old) == asked), "")


def _new(thing: Json, kind: str) -> Iterator[str]:
    if kind == "panel" and thing.get("type") not in (None, "row"):
        yield str(thing["type"])
    if kind == "rule":
        yield f"{threshold(thing)}, for {thing.get('for')}"


def _different(old: Json, new: Json, aspects: Sequence[Aspect]) -> tuple[list[str], list[tuple[str, str]]]:
    details: list[str] = []
    sql: list[tuple[str, str]] = []
    for aspect in aspects:
        was, now = aspect.of(old), aspect.of(new)
        if was == now:
            continue
        details.append(f"{aspect.name}: {_said(was)} → {_said(now)}" if aspect.shown else aspect.name)
        if aspect.name == "query":
            sql += [(a, b) for a, b in _paired(was, now) if a != b]
    rest = sorted(key for key in {*old, *new} - {*IGNORED, *OWNED} if old.get(key) != new.get(key))
    return [*details, *rest], sql


def _paired(was: Sequence[str], now: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index in range(max(len(was), len(now))):
        yield (was[index] if index < len(was) else "", now[index] if index < len(now) else "")


def _said(value: Any) -> str:
    return "none" if value in (None, "", [], ()) else str(value)


def _whole(before: Json, after: Json) -> list[Change]:
    found: list[Change] = []
    told = {*WHOLE, "panels", "templating", "id", "uid", "version", "schemaVersion"}
    for key in WHOLE:
        was, now = before.get(key), after.get(key)
        if was == now:
            continue
        short = isinstance(now, str) and isinstance(was, str) and key != "description"
        if key == "time":
            was, now = (str(dict(model.get("time") or {}).get("from")) for model in (before, after))
            short = True
        found.append(Change("~", key, (f"{_said(was)} → {_said(now)}",) if short else ()))
    rest = sorted(key for key in {*before, *after} - told if before.get(key) != after.get(key))
    return found + [Change("~", key) for key in rest]
