"""The built dashboards, and what their panels and variables get from ClickHouse for what a person looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from infra.dashboards.render import variables
from infra.dashboards.render.alerts import AlertList
from infra.dashboards.render.macros import View, expand
from infra.dashboards.render.source import Frame, QueryError, Source
from infra.dashboards.render.timerange import TimeRange, seconds, time_range
from infra.dashboards.render.variables import Params
from infra.errors import UserError

DEFAULT_RANGE = {"from": "now-6h", "to": "now"}
ALERTS = "alertlist"
"""The one kind of panel that asks no data source."""


@dataclass(frozen=True)
class Look:
    """What a person looks at: one dashboard's time range and variables."""

    model: Mapping[str, Any]
    range: TimeRange
    values: Mapping[str, Any]

    def view(self, least_interval: int = 1) -> View:
        """For one query."""
        return View(self.range.start, self.range.end, self.range.interval_s(least_interval), self.values)

    def panel(self, number: int) -> Mapping[str, Any]:
        """The panel with that id. Raises UserError."""
        for panel in self.model["panels"]:
            if panel["id"] == number and is_answered(panel):
                return panel
        raise UserError(f"no panel {number} with a query in {self.model['uid']}")


@dataclass(frozen=True)
class Boards:
    """All dashboards of a stack, by uid, in their order."""

    models: Mapping[str, Mapping[str, Any]]
    source: Source
    alerts: AlertList

    @classmethod
    def of(cls, built: Mapping[str, Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], source: Source) -> Boards:
        """From what catalogue.build_all and alerts.build_rule_groups returned."""
        return cls({model["uid"]: model for model in built.values()}, source, AlertList(groups, source))

    def close(self) -> None:
        """Asks no more."""
        self.alerts.close()
        self.source.close()

    @cached_property
    def first(self) -> str:
        """The uid that / shows."""
        return next(iter(self.models))

    @cached_property
    def names(self) -> list[dict[str, str]]:
        """Each dashboard's uid and name: its title without what it shares with the others (Agents: ...)."""
        ends = {uid: str(model["title"]).rpartition(": ")[2] for uid, model in self.models.items()}
        return [{"uid": uid, "name": end[:1].upper() + end[1:]} for uid, end in ends.items()]

    def model(self, uid: str) -> Mapping[str, Any]:
        """Raises UserError."""
        if uid not in self.models:
            raise UserError(f"no dashboard {uid}; there are {', '.join(self.models)}")
        return self.models[uid]

    def look(self, uid: str, params: Params, now: datetime) -> Look:
        """What the address's parameters choose, else the dashboard's own defaults. Raises UserError."""
        model = self.model(uid)
        default = model.get("time") or DEFAULT_RANGE
        start, end = ((params.get(key) or [default[key]])[-1] for key in ("from", "to"))
        return Look(model, time_range(start, end, now), variables.chosen(model, params))

    def panel(self, look: Look, number: int) -> Future[Frame]:
        """A panel's answer. Raises UserError; the future raises QueryError."""
        if look.panel(number)["type"] == ALERTS:
            return self.alerts.now()
        return self.source.ask(self.statement(look, number))

    def statement(self, look: Look, number: int) -> str:
        """A panel's query as ClickHouse gets it; empty for the alerts, which are many. Raises UserError."""
        panel = look.panel(number)
        if panel["type"] == ALERTS:
            return ""
        return expand(panel["targets"][0]["rawSql"], look.view(_least(panel)))

    def answer(self, look: Look, number: int, frame: Frame) -> dict[str, Any]:
        """A panel's answer for the browser, with the query that gave it."""
        return {
            **frame.as_json(),
            "sql": self.statement(look, number),
            "from": look.range.start.timestamp() * 1000,
            "to": look.range.end.timestamp() * 1000,
            "interval": look.range.interval_s(_least(look.panel(number))),
        }

    def variables(self, look: Look) -> list[dict[str, Any]]:
        """The variables with what can be chosen; one whose query fails says so and offers nothing.

        A text variable without a value, for which a table offers some, takes the table's first.
        """
        asked = {
            variable["name"]: self.source.ask(expand(variable["query"], look.view()))
            for variable in variables.shown(look.model)
            if variable["type"] == "query"
        }
        first = {
            name: (self.panel(look, panel["id"]), column)
            for name, panel, column in variables.first_choices(look.model)
            if not look.values[name]
        }
        return [
            {
                **variables.as_json(variable, look.values[variable["name"]]),
                **_options(variable, asked.get(variable["name"])),
                **_suggestion(*first.get(variable["name"], (None, ""))),
            }
            for variable in variables.shown(look.model)
        ]


def is_answered(panel: Mapping[str, Any]) -> bool:
    """Whether the panel shows an answer; a row does not."""
    return bool(panel.get("targets")) or panel["type"] == ALERTS


def _least(panel: Mapping[str, Any]) -> int:
    """The panel's own least interval: what it reads is kept by the minute."""
    return seconds(panel.get("interval") or "1s")


def _options(variable: Mapping[str, Any], asked: Future[Frame] | None) -> dict[str, Any]:
    if asked is None:
        return {"options": variables.fixed_options(variable) if variable["type"] == "custom" else []}
    try:
        return {"options": [str(row[0]) for row in asked.result().rows]}
    except QueryError as error:
        return {"options": [], "error": str(error)}


def _suggestion(asked: Future[Frame] | None, column: str) -> dict[str, Any]:
    try:
        frame = asked.result() if asked else None
    except QueryError:
        return {}
    if frame is None or not frame.rows:
        return {}
    at = [item.name for item in frame.columns].index(column)
    # The first of those that tell most: a trace of the pipeline's own has neither agent nor workflow.
    told = max(frame.rows, key=lambda row: sum(value not in ("", None) for value in row))
    return {"value": [str(told[at])]}


def for_browser(model: Mapping[str, Any]) -> dict[str, Any]:
    """The dashboard's JSON without its queries."""
    kept = ("uid", "title", "description", "time", "refresh", "graphTooltip", "tags")
    return {
        **{key: model.get(key) for key in kept},
        "panels": [{key: value for key, value in panel.items() if key != "targets"} for panel in model["panels"]],
    }
