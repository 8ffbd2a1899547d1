"""The page's HTML: the same styles and scripts by address (live) or inside the file (report)."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from infra.dashboards.render.boards import Boards, for_browser
from infra.dashboards.render.variables import as_json, chosen, shown

HERE = Path(__file__).parent
STATIC = HERE / "static"
STYLES = ("vendor/uPlot.min.css", "page.css")
FONT = "vendor/Inter.woff2"
FIRST = "theme.js"
"""Runs in the head, so that no light page flashes before a dark one."""
DRAWING = (
    "vendor/uPlot.iife.min.js",
    *(
        "dom.js",
        "format.js",
        "fields.js",
        "links.js",
        "series.js",
        "timeseries.js",
        "stat.js",
        "table.js",
        "trace.js",
        "alerts.js",
    ),
    *("card.js", "layout.js", "toolbar.js", "frame.js"),
)
LIVE, REPORT = (*DRAWING, "app.js"), (*DRAWING, "report.js")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _html(**values: Any) -> str:
    return _environment().get_template("page.html").render(values)


def live_page(boards: Boards, stack: str, uid: str) -> str:
    """The page of one dashboard; one that is not there says so."""
    model = boards.models.get(uid)
    address = Markup('<script src="/static/{}"></script>').format
    return _html(
        title=model["title"] if model else "No such dashboard",
        policy="",
        styles=[Markup('<link rel="stylesheet" href="/static/{}">').format(name) for name in STYLES],
        theme=address(FIRST),
        scripts=[address(name) for name in LIVE],
        data={
            "stack": stack,
            "names": boards.names,
            "model": for_browser(model) if model else None,
            "variables": [as_json(variable, chosen(model, {})[variable["name"]]) for variable in shown(model)]
            if model
            else [],
        },
    )


def report_page(data: dict[str, Any]) -> str:
    """A file that holds everything: its policy lets the browser ask nobody, and run these scripts alone."""
    scripts = [_text(name) for name in (FIRST, *REPORT)]
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    theme, *others = [Markup("<script>{}</script>").format(Markup(script)) for script in scripts]
    return _html(
        title=f"agent-telemetry: {data['stack']}",
        policy=f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; font-src data:; img-src data:; base-uri 'none'; form-action 'none'",
        styles=[Markup("<style>{}</style>").format(Markup(_style(name))) for name in STYLES],
        theme=theme,
        scripts=others,
        data=data,
    )


def _text(name: str) -> str:
    text = (STATIC / name).read_text()
    if "</script" in text.lower():
        raise ValueError(f"{name} would end the element that it stands in")
    return text


def _style(name: str) -> str:
    font = base64.b64encode((STATIC / FONT).read_bytes()).decode()
    return _text(name).replace(f'url("{FONT}")', f'url("data:font/woff2;base64,{font}")')


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
