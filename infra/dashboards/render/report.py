"""`telemetry dashboards render`: all dashboards with their answers of this moment in one file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from infra.dashboards.render import variables
from infra.dashboards.render.boards import Boards, for_browser, is_answered
from infra.dashboards.render.page import report_page
from infra.dashboards.render.source import QueryError
from infra.dashboards.render.variables import Params


def report(boards: Boards, stack: str, uids: Sequence[str], params: Params, now: datetime) -> tuple[str, list[str]]:
    """The file, and what failed in it (also told where it would be drawn). Raises UserError."""
    boards_data, failures = [], []
    for uid in uids:
        made, failed = _board(boards, uid, params, now)
        boards_data.append(made)
        failures += failed
    names = {item["uid"]: item for item in boards.names}
    data = {
        "stack": stack,
        "made": now.timestamp() * 1000,
        "names": [names[uid] for uid in uids],
        "boards": boards_data,
    }
    return report_page(data), failures


def _board(boards: Boards, uid: str, params: Params, now: datetime) -> tuple[dict[str, Any], list[str]]:
    look = boards.look(uid, params, now)
    chosen = boards.variables(look)
    # What was offered for an empty text (the trace to begin with) is what the panels are asked for.
    first = {
        f"var-{item['name']}": item["value"] for item in chosen if item["type"] == "textbox" and any(item["value"])
    }
    look = boards.look(uid, {**params, **first}, now)
    asked = [(panel, boards.panel(look, panel["id"])) for panel in look.model["panels"] if is_answered(panel)]
    answers, failed = {}, []
    for panel, future in asked:
        try:
            answers[panel["id"]] = boards.answer(look, panel["id"], future.result())
        except QueryError as error:
            answers[panel["id"]] = {"error": str(error)}
            failed.append(f"{look.model['title']}, {panel['title']}: {error}")
    shown = [variables.as_json(item, look.values[item["name"]]) for item in variables.shown(look.model)]
    start, end = ((params.get(key) or [look.model["time"][key]])[-1] for key in ("from", "to"))
    return {"model": for_browser(look.model), "variables": shown, "answers": answers, "from": start, "to": end}, failed
