"""Jinja2 rendering for SQL and configuration files; an unknown placeholder is an error."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from infra.paths import CONFIGS, ROOT, SQL


def sql_string(value: object) -> str:
    """`value` as a quoted ClickHouse string literal."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


@cache
def _environment(folder: Path) -> jinja2.Environment:
    # Kept, so that macros which many files import are compiled once.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, ROOT]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters["sql_string"] = sql_string
    return environment


def render(path: Path, values: Mapping[str, Any]) -> str:
    """The file at `path` with its placeholders filled from `values`.

    Raises jinja2.UndefinedError when the file names a placeholder that `values` lacks.
    """
    base = next((f for f in (SQL, CONFIGS) if path.is_relative_to(f)), path.parent)
    return _environment(base).get_template(path.relative_to(base).as_posix()).render(values)


def module(path: Path) -> Any:
    """What the file at `path` sets, as attributes."""
    base = next((f for f in (SQL, CONFIGS) if path.is_relative_to(f)), path.parent)
    return _environment(base).get_template(path.relative_to(base).as_posix()).module
