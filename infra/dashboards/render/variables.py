"""A dashboard's variables: what an address chooses of them, and what can be chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from infra.dashboards.render.macros import All, Value
from infra.errors import UserError

ALL = "$__all"
"""What an address says for All."""
SHOWN = ("query", "custom", "textbox")
VALUES, LENGTH = 500, 2000
Params = Mapping[str, Sequence[str]]
"""An address's parameters, each with all its values."""


def shown(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The variables that a person chooses; the data source is this stack's own."""
    return [variable for variable in model["templating"]["list"] if variable["type"] in SHOWN]


def chosen(model: Mapping[str, Any], params: Params) -> dict[str, Value | All]:
    """Each variable's value: the address's (var-<name>), else the dashboard's own. Raises UserError."""
    found: dict[str, Value | All] = {}
    for variable in shown(model):
        name = variable["name"]
        given = list(params.get(f"var-{name}", ()))
        if len(given) > VALUES or any(len(value) > LENGTH for value in given):
            raise UserError(f"var-{name}: more than {VALUES} values, or one longer than {LENGTH} characters")
        if variable["type"] == "textbox":
            found[name] = given[-1] if given else str(variable.get("query") or "")
            continue
        values = [value for value in given if value not in ("", ALL)]
        if variable.get("includeAll") and (ALL in given or not values):
            found[name] = All(variable["allValue"])
        else:
            found[name] = values if variable.get("multi") else values[-1:] or [_current(variable)]
    return found


def _current(variable: Mapping[str, Any]) -> str:
    """What the dashboard itself chooses."""
    value = variable.get("current", {}).get("value", "")
    return str(value[0] if isinstance(value, list) and value else value)


def fixed_options(variable: Mapping[str, Any]) -> list[str]:
    """A custom variable's choices."""
    return [value.strip() for value in str(variable["query"]).split(",") if value.strip()]


def as_json(variable: Mapping[str, Any], value: Value | All) -> dict[str, Any]:
    """For the browser: what the variable is, and what is chosen; [] for All."""
    texts = [] if isinstance(value, All) else [value] if isinstance(value, str) else list(value)
    return {
        "name": variable["name"],
        "label": variable.get("label") or variable["name"],
        "type": variable["type"],
        "description": variable.get("description") or "",
        "multi": bool(variable.get("multi")),
        "all": bool(variable.get("includeAll")),
        "value": texts,
    }


def first_choices(model: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Text variables that a table of the same dashboard offers values for by a link: name, the table, its column."""
    texts = {variable["name"] for variable in shown(model) if variable["type"] == "textbox"}
    for panel in model["panels"]:
        for override in panel.get("fieldConfig", {}).get("overrides", []):
            for item in override["properties"]:
                for link in item["value"] if item["id"] == "links" else []:
                    if not link["url"].startswith(f"/d/{model['uid']}?"):
                        continue
                    for name, column in re.findall(r"var-(\w+)=\$\{__data\.fields\.(\w+)", unquote(link["url"])):
                        if name in texts:
                            texts.discard(name)
                            yield name, panel, column
