"""The built alert rules, evaluated without a Grafana: `telemetry alerts`, and the tests of each rule.

It reads what Grafana is given (alerts.build_rule_groups) and does what Grafana documents: the query's table becomes a value
for each combination of its text columns, the expressions follow, `for` is waited out, and what is no longer in the answer is
over after two evaluations ("Stale alert instances").
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from infra.dashboards.alerts_text import fill
from infra.dashboards.render.macros import View, expand

Row = Mapping[str, Any]
Ask = Callable[[str], Sequence[Row]]
"""Runs a statement. Raises QueryError when it gets no answer."""
State = Literal["pending", "firing"]
Labels = tuple[tuple[str, str], ...]
STALE_INTERVALS = 2
COMPARE: Mapping[str, Callable[[float, float], bool]] = {"gt": operator.gt, "lt": operator.lt}


class QueryError(Exception):
    """The data source did not answer."""


@dataclass(frozen=True)
class Instance:
    """What one rule says of one combination of labels."""

    labels: Mapping[str, str]
    state: State
    since: datetime
    """Since when the figure has been over the threshold."""
    value: float | None
    """None: there was no answer, and the rule counts that as a failure."""


@dataclass
class _Kept:
    since: datetime | None
    seen: datetime
    value: float | None
    state: State | None = None


@dataclass
class Evaluator:
    """One rule and what it remembers from one evaluation to the next."""

    rule: Mapping[str, Any]
    interval: timedelta
    _kept: dict[Labels, _Kept] = field(default_factory=dict)

    @property
    def pending(self) -> timedelta:
        """How long the figure has to be over the threshold."""
        return span(self.rule["for"])

    def step(self, at: datetime, ask: Ask) -> list[Instance]:
        """Evaluates once, and tells what is pending or firing now."""
        try:
            return self.take(at, results(self.rule, at, ask))
        except QueryError:
            return self.take(at, {}, self.rule["execErrState"])

    def take(
        self, at: datetime, found: Mapping[Labels, tuple[float | None, bool]], silence: str | None = None
    ) -> list[Instance]:
        """The same with what the query gave; `silence`: what it means that it gave nothing, else the rule's noDataState."""
        silence = silence or (self.rule["noDataState"] if not found else None)
        if silence == "OK":
            self._kept.clear()
        elif silence == "Alerting":
            found = {key: (None, True) for key in self._kept or {(): None}}
        elif silence is not None:
            raise ValueError(f"{self.rule['uid']}: the state {silence} without an answer is not evaluated here")
        for key, (value, over) in found.items():
            kept = self._kept.get(key)
            since = (kept.since if kept and kept.since else at) if over else None
            state: State | None = None
            if since:
                state = "firing" if at - since >= self.pending else "pending"
            self._kept[key] = _Kept(since, at, value, state)
        for key in [key for key, kept in self._kept.items() if at - kept.seen >= STALE_INTERVALS * self.interval]:
            del self._kept[key]
        return [
            Instance(dict(key), kept.state, kept.since, kept.value)
            for key, kept in self._kept.items()
            if kept.state and kept.since
        ]


def results(rule: Mapping[str, Any], at: datetime, ask: Ask) -> dict[Labels, tuple[float | None, bool]]:
    """By labels the figure (of B, as the messages name it) and whether the rule's condition holds."""
    values: dict[str, dict[Labels, float]] = {}
    for query in rule["data"]:
        model = query["model"]
        if query["datasourceUid"] != "__expr__":
            back = query["relativeTimeRange"]
            view = View(at - timedelta(seconds=back["from"]), at - timedelta(seconds=back["to"]))
            values[query["refId"]] = number_set(ask(expand(model["rawSql"], view)))
        elif model["type"] == "reduce":
            values[query["refId"]] = values[model["expression"]]
        elif model["type"] == "threshold":
            (condition,) = model["conditions"]
            (limit,) = condition["evaluator"]["params"]
            holds = COMPARE[condition["evaluator"]["type"]]
            values[query["refId"]] = {
                key: float(holds(value, limit)) for key, value in values[model["expression"]].items()
            }
        else:
            raise ValueError(f"{rule['uid']}: an expression of type {model['type']} is not evaluated here")
    decided = values[rule["condition"]]
    return {key: (value, decided[key] != 0) for key, value in values["B"].items()}


def number_set(rows: Sequence[Row]) -> dict[Labels, float]:
    """A table as Grafana's expressions take it: one figure a row, all else text, no combination twice."""
    found: dict[Labels, float] = {}
    for row in rows:
        figures = [value for value in row.values() if isinstance(value, int | float) and not isinstance(value, bool)]
        labels = tuple((name, value) for name, value in row.items() if isinstance(value, str))
        if len(figures) != 1 or len(labels) != len(row) - 1:
            raise ValueError(f"input data must be one figure and text beside it: {dict(row)}")
        if labels in found:
            raise ValueError(f"two rows with the same labels: {dict(labels)}")
        found[labels] = float(figures[0])
    return found


def span(text: str) -> timedelta:
    """A duration as rules have it: 5m, 1h, 0s."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ValueError(f"not a duration: {text}")
    return timedelta(seconds=int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]])


@dataclass(frozen=True)
class Firing:
    """An alert as `telemetry alerts` and a page show it."""

    uid: str
    title: str
    severity: str
    state: Literal["firing", "pending", "unknown"]
    """unknown: its query did not get an answer."""
    labels: Mapping[str, str]
    since: datetime
    """At the latest: no further back than the rule waits is looked."""
    value: float | None
    summary: str
    description: str
    dashboard: str
    """A path, with variables set."""
    runbook: str


def evaluate(groups: Sequence[Mapping[str, Any]], at: datetime, ask: Ask) -> list[Firing]:
    """What is pending or firing at a moment, the most severe first. Queries look back from that moment, so what was before
    is asked as of then; only of rules whose condition holds now."""
    return Watch(groups).look(at, ask)


@dataclass
class Watch:
    """Rules that are looked at again and again: what was asked lately need not be asked as of then."""

    groups: Sequence[Mapping[str, Any]]
    _kept: dict[str, tuple[Evaluator, datetime]] = field(default_factory=dict)
    """By uid; and when each was looked at."""

    def look(self, at: datetime, ask: Ask) -> list[Firing]:
        """As evaluate()."""
        found: list[Firing] = []
        for group in self.groups:
            interval = timedelta(seconds=group["interval"])
            for rule in group["rules"]:
                try:
                    instances = self._instances(rule, interval, at, ask)
                except QueryError as error:
                    # Whatever it remembers is as of then.
                    self._kept.pop(rule["uid"], None)
                    why = f"{rule['title']}: its query got no answer: {error}"
                    found.append(_told(rule, {}, "unknown", at, None, why))
                else:
                    found += [_told(rule, one.labels, one.state, one.since, one.value) for one in instances]
        order = {"firing": 0, "unknown": 1, "pending": 2}
        return sorted(found, key=lambda one: (order[one.state], one.severity, one.title, sorted(one.labels.items())))

    def _instances(self, rule: Mapping[str, Any], interval: timedelta, at: datetime, ask: Ask) -> list[Instance]:
        now = results(rule, at, ask)
        evaluator, last = self._kept.get(rule["uid"], (Evaluator(rule, interval), at))
        if at - last > STALE_INTERVALS * interval or rule["uid"] not in self._kept:
            evaluator = Evaluator(rule, interval)
            if any(over for _, over in now.values()) or (not now and rule["noDataState"] != "OK"):
                for back in range(-(-evaluator.pending // interval), 0, -1):
                    evaluator.step(at - back * interval, ask)
        self._kept[rule["uid"]] = (evaluator, at)
        return evaluator.take(at, now)


def _told(
    rule: Mapping[str, Any],
    labels: Mapping[str, str],
    state: Literal["firing", "pending", "unknown"],
    since: datetime,
    value: float | None,
    summary: str = "",
) -> Firing:
    said = rule["annotations"]
    if not summary and value is None:
        summary = f"{rule['title']}: no answer"
    return Firing(
        uid=rule["uid"],
        title=rule["title"],
        severity=rule["labels"]["severity"],
        state=state,
        labels=labels,
        since=since,
        value=value,
        summary=summary or fill(said["summary"], labels, value or 0.0, "/"),
        description=said["description"],
        dashboard="" if state == "unknown" else fill(said["dashboard"], labels, value or 0.0, "/"),
        runbook=said["runbook"],
    )
