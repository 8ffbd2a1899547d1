"""All dashboards, by the end of their uid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.dashboards.agents import agents
from infra.dashboards.cost import cost
from infra.dashboards.overview import overview
from infra.dashboards.pipeline_health import pipeline_health
from infra.dashboards.slos import slos
from infra.dashboards.traces import traces

DASHBOARDS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "overview": overview,
    "cost": cost,
    "slos": slos,
    "agents": agents,
    "traces": traces,
    "health": pipeline_health,
}


def build_all(prefix: str) -> dict[str, dict[str, Any]]:
    """Every dashboard's JSON; `prefix` begins their uids."""
    return {slug: build(prefix) for slug, build in DASHBOARDS.items()}
