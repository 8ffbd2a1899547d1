"""The commands that ask and mend the data: query, demo, migrate, backfill, audit."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from infra.cli.console import Name
from infra.config import file_settings
from infra.endpoints import ClickHouseAddress, Direct


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.command()(query)


def clickhouse_address(name: str) -> ClickHouseAddress:
    """The stack's ClickHouse, by its settings."""
    return ClickHouseAddress("127.0.0.1", file_settings(name).clickhousePort)


def query(
    sql: Annotated[str, typer.Argument(help="The statement; '-' reads it from standard input.")],
    name: Name = "local",
    format_: Annotated[str, typer.Option("--format", "-f", help="Any ClickHouse output format.")] = "PrettyCompact",
) -> None:
    """Runs one statement in ClickHouse and prints what it returns."""
    from infra.clickhouse import as_user_error, connect

    text = (sys.stdin.read() if sql == "-" else sql).strip().rstrip(";")
    chosen = None if re.search(r"\bFORMAT\s+\w+$", text, re.IGNORECASE) else format_
    with connect(clickhouse_address(name), Direct()) as client, as_user_error("query"):
        sys.stdout.buffer.write(client.raw_query(text, fmt=chosen))
