"""The sides of a panel, a variable or an alert rule that can change, and how each is read from Grafana's JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Aspect:
    """One side of a thing that can change: its name, how it is read, and whether before and after are short enough to show."""

    name: str
    of: Callable[[Json], Any]
    shown: bool = True


def queries(thing: Json) -> list[str]:
    """The SQL of a panel, a variable or a rule."""
    if "query" in thing and not thing.get("targets"):
        return [str(thing["query"])]
    targets = thing.get("targets") or [query.get("model", {}) for query in thing.get("data") or []]
    return [str(target["rawSql"]) for target in targets if target.get("rawSql")]


def _asked_beside(thing: Json) -> list[Any]:
    """A query without its text: its kind, its data source."""
    return [{key: value for key, value in target.items() if key != "rawSql"} for target in thing.get("targets") or []]


def _defaults(panel: Json) -> Json:
    return (panel.get("fieldConfig") or {}).get("defaults") or {}


def _steps(panel: Json) -> str:
    steps = (_defaults(panel).get("thresholds") or {}).get("steps") or []
    return ", ".join(
        str(step.get("color")) if step.get("value") is None else f"{step.get('color')} from {step['value']:g}"
        for step in steps
    )


def _other_defaults(panel: Json) -> Json:
    return {key: value for key, value in _defaults(panel).items() if key not in ("unit", "thresholds")}


def _overrides(panel: Json) -> Any:
    return (panel.get("fieldConfig") or {}).get("overrides") or []


def threshold(rule: Json) -> str:
    """`above 0.02`: of the expression that ends the rule."""
    signs = {"gt": "above", "lt": "below"}
    for query in reversed(rule.get("data") or []):
        for condition in (query.get("model") or {}).get("conditions") or []:
            evaluator = condition.get("evaluator") or {}
            if evaluator.get("type") in signs and evaluator.get("params"):
                return f"{signs[evaluator['type']]} {evaluator['params'][0]:g}"
    return ""


def _expressions(rule: Json) -> list[Any]:
    """What is asked and computed, beside the text of the query and the threshold."""
    found: list[Any] = []
    for query in rule.get("data") or []:
        model: Json = query.get("model") or {}
        found.append({**query, "model": {key: model[key] for key in model if key not in ("rawSql", "conditions")}})
    return found


IGNORED = ("id", "gridPos", "uid", "updated", "provenance", "orgID")
"""Numbers and places, which are told apart or not at all."""
OWNED = (
    "type",
    "title",
    "name",
    "fieldConfig",
    "targets",
    "query",
    "data",
    "for",
    "noDataState",
    "execErrState",
    "labels",
)
"""What the aspects below look into."""
QUERY = Aspect("query", queries, shown=False)
PANEL = (
    Aspect("kind", lambda panel: panel.get("type")),
    QUERY,
    Aspect("how it asks", _asked_beside, shown=False),
    Aspect("unit", lambda panel: _defaults(panel).get("unit")),
    Aspect("thresholds", _steps),
    Aspect("columns", _overrides, shown=False),
    Aspect("display", _other_defaults, shown=False),
)
VARIABLE = (Aspect("kind", lambda variable: variable.get("type")), QUERY)
RULE = (
    QUERY,
    Aspect("threshold", threshold),
    Aspect("for", lambda rule: rule.get("for")),
    Aspect("labels", lambda rule: rule.get("labels")),
    Aspect("no data means", lambda rule: rule.get("noDataState")),
    Aspect("an error means", lambda rule: rule.get("execErrState")),
    Aspect(
        "expressions",
        lambda rule: [
            {
                **query,
                "model": {k: v for k, v in (query.get("model") or {}).items() if k not in ("rawSql", "conditions")},
            }
            for query in rule.get("data") or []
        ],
        shown=False,
    ),
)
