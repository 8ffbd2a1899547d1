"""The dashboards' JSON against Grafana's own published models of it (grafana-foundation-sdk): read back, nothing may be lost
and every value has to be of the type that the model declares. Grafana's API takes a dashboard as any JSON, so nothing else
would notice."""

from __future__ import annotations

import copy
import enum
import json
import types
import typing
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from infra.dashboards.catalogue import build_all

MODELS = build_all("agent-telemetry-dev")


def read_back(model: Any) -> list[str]:
    """What is wrong: keys that no model has, values of another type."""
    dashboard = Dashboard.from_json(model)
    return [*lost(model, json.loads(JSONEncoder().encode(dashboard))), *wrong_types(dashboard, Dashboard)]


def lost(was: Any, now: Any, where: str = "") -> list[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        return [line for key in {*was, *now} for line in lost(was.get(key, ...), now.get(key, ...), f"{where}.{key}")]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [
            line for index, pair in enumerate(zip(was, now, strict=True)) for line in lost(*pair, f"{where}[{index}]")
        ]
    return [] if was == now else [f"{where}: {was!r} is read as {now!r}"]


def wrong_types(value: Any, hint: Any, where: str = "") -> list[str]:
    """Walks what the models declare; `object` and `Any` end a branch."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        tried = [wrong_types(value, choice, where) for choice in arguments]
        return [] if [] in tried else min(tried, key=len)
    if origin is typing.Annotated:
        return wrong_types(value, arguments[0], where)
    if origin is list:
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [
            line for index, item in enumerate(value) for line in wrong_types(item, arguments[0], f"{where}[{index}]")
        ]
    if origin is dict:
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        return [line for key, item in value.items() for line in wrong_types(item, arguments[1], f"{where}.{key}")]
    if origin is typing.Literal:
        return [] if value in arguments else [f"{where}: {value!r} is none of {arguments}"]
    if hint in (Any, object) or not isinstance(hint, type):
        return []
    if isinstance(value, str | int) and issubclass(hint, enum.Enum):
        return [] if value in {item.value for item in hint} else [f"{where}: {value!r} is none of {hint.__name__}"]
    accepted = (int, float) if hint is float else hint
    if not isinstance(value, accepted) or (hint is not bool and isinstance(value, bool) and hint in (int, float)):
        return [f"{where}: {value!r} is no {hint.__name__}"]
    if hint.__module__.startswith("grafana_foundation_sdk.models"):
        declared = typing.get_type_hints(hint)
        return [
            line
            for name, inner in declared.items()
            for line in wrong_types(getattr(value, name, None), inner, f"{where}.{name}")
        ]
    return []


@pytest.mark.parametrize("slug", MODELS)
def test_a_dashboard_is_what_grafana_s_models_declare(slug: str) -> None:
    assert read_back(copy.deepcopy(MODELS[slug])) == []


COLOURED = next(
    number
    for number, panel in enumerate(MODELS["overview"]["panels"])
    if "thresholds" in panel.get("fieldConfig", {}).get("defaults", {})
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("panels", COLOURED, "gridPos", "hight"), 4),
        (("panels", COLOURED, "fieldConfig", "default"), {}),
        (("panels", COLOURED, "title"), 5),
        (("panels", COLOURED, "gridPos", "h"), "4"),
        (("panels", COLOURED, "fieldConfig", "defaults", "thresholds", "mode"), "absolut"),
        (("panels", COLOURED, "fieldConfig", "overrides"), {}),
        (("templating", "list", 1, "refresh"), "always"),
        (("templating", "list", 1, "multy"), True),
        (("tags"), "one"),
    ],
)
def test_what_no_model_declares_is_found(path: Any, value: Any) -> None:
    model = copy.deepcopy(MODELS["overview"])
    place: Any = model
    *parents, last = path if isinstance(path, tuple) else (path,)
    for key in parents:
        place = place[key]
    place[last] = value
    try:
        found = read_back(model)
    except (AttributeError, TypeError, ValueError, KeyError):
        return  # the models could not even be made of it
    assert found, path
