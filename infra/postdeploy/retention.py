"""Retention: each table's TTL as the settings want it, against what the live table has.

sql/retention/<table>.sql is the ALTER TABLE … MODIFY TTL of one table. Both sides are written out by the engine's own
formatQuery before they are compared, so spelling makes no difference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pulumi
from pulumi.dynamic import ReadResult, Resource

from infra.clickhouse import as_user_error
from infra.endpoints import ClickHouseEndpoint
from infra.errors import UserError
from infra.paths import SQL
from infra.postdeploy.clickhouse_inputs import clickhouse_inputs
from infra.postdeploy.reference_tables import CHANGES
from infra.postdeploy.statements import split, tokens
from infra.postdeploy.step import ReconcilingProvider
from infra.replicas import catch_up_schema, stored_everywhere
from infra.templates import render, sql_string

if TYPE_CHECKING:  # slow to import, and the Pulumi program only declares this step
    from clickhouse_connect.driver.client import Client

FOLDER = SQL / "retention"
DATABASE = "telemetry"
RAW = "spans_raw"
"""Its minutes are recomputed: the worker must know by which days its rows may be gone (sql/worker/raw_floors.sql)."""
CHEAPLY = {"materialize_ttl_after_modify": 1, "mutations_sync": 0, "alter_sync": 2}
"""Parts keep the times of expiry that they were written with, so without materializing, a shorter retention would not reach
stored days, and a longer one would come too late for a part that is dropped as expired. With the table's setting
materialize_ttl_recalculate_only the mutation reads only the columns of the TTL and writes only the parts' new times (the data
files are linked, not copied); it runs in the background, and moves and drops follow by part."""
RECALCULATE_ONLY = "MODIFY SETTING materialize_ttl_recalculate_only = 1"


def ttl_of(statement: str) -> str:
    """What follows TTL in a CREATE TABLE's or ALTER TABLE's text, up to SETTINGS or COMMENT; '' without one."""
    depth, start, end = 0, -1, len(statement)
    for token in tokens(statement):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and start < 0 and token.is_word("TTL"):
            start = token.end
        elif depth == 0 and start >= 0 and token.is_word("SETTINGS", "COMMENT"):
            end = token.start
            break
    return " ".join(statement[start:end].split()) if start >= 0 else ""


def desired_statements(values: str, folder: Path = FOLDER) -> dict[str, str]:
    """Table to its ALTER TABLE … MODIFY TTL statement; `values` is JSON. Raises UserError."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.sql")):
        try:
            statements = split(render(path, json.loads(values)))
        except (jinja2.TemplateError, ValueError) as error:
            raise UserError(f"sql/retention/{path.name}: {error}") from None
        if len(statements) != 1 or not ttl_of(statements[0]):
            raise UserError(f"sql/retention/{path.name}: exactly one ALTER TABLE … MODIFY TTL is expected")
        found[path.stem] = statements[0]
    return found


def normalised(client: Client, ttls: Sequence[str]) -> list[str]:
    """TTL expressions as the engine itself writes them."""
    if not ttls:
        return []
    queries = [sql_string(f"ALTER TABLE t MODIFY TTL {ttl}") if ttl else "''" for ttl in ttls]
    query = f"SELECT if(q = '', '', formatQuerySingleLine(q)) FROM (SELECT arrayJoin([{', '.join(queries)}]) AS q)"
    return [ttl_of(_bare(str(row[0]))) for row in client.query(query).result_rows]


def _bare(statement: str) -> str:
    """formatQuery writes ALTER TABLE t (MODIFY TTL …): the same without these brackets."""
    head, bracket, rest = statement.partition("(MODIFY")
    return f"{head}MODIFY{rest[:-1]}" if bracket and rest.endswith(")") else statement


def live_ttls(client: Client, tables: Sequence[str]) -> dict[str, str]:
    """Table to its live TTL, normalised; a table that is not there is missing from the result."""
    catch_up_schema(client, DATABASE)
    listed = ", ".join(sql_string(table) for table in tables)
    query = f"SELECT name, engine_full FROM system.tables WHERE database = '{DATABASE}' AND name IN ({listed})"
    rows = client.query(query).result_rows if tables else []
    return dict(zip((row[0] for row in rows), normalised(client, [ttl_of(row[1]) for row in rows]), strict=True))


def wanted_ttls(client: Client, statements: Mapping[str, str]) -> dict[str, str]:
    """Table to the TTL that its statement sets, normalised."""
    ttls = normalised(client, [ttl_of(statement) for statement in statements.values()])
    return dict(zip(statements, ttls, strict=True))


def reconcile(client: Client, statements: Mapping[str, str]) -> list[str]:
    """Alters the tables whose live TTL differs, and reads back. Returns their names. Raises UserError."""
    with as_user_error("retention: ClickHouse could not read the TTLs"):
        wanted = wanted_ttls(client, statements)
        live = live_ttls(client, list(statements))
    gone = sorted(set(statements) - set(live))
    if gone:
        raise UserError(
            f"retention: {DATABASE}.{gone[0]} is not there (sql/retention/{gone[0]}.sql): apply the migrations first; "
            "`telemetry migrate --plan` says whether they are applied and somebody dropped it"
        )
    different = [table for table in statements if live[table] != wanted[table]]
    for table in different:
        with as_user_error(f"retention of {DATABASE}.{table} could not be set"):
            if table == RAW:
                settings = stored_everywhere(client, CHANGES, DATABASE)
                client.command(
                    render(SQL / "postdeploy" / "retention_of_all.sql", {"database": DATABASE}), settings=settings
                )
            client.command(f"ALTER TABLE {DATABASE}.{table} {RECALCULATE_ONLY}")
            client.command(statements[table], settings=CHEAPLY)
    after = live_ttls(client, different)
    for table in different:
        if after.get(table) != wanted[table]:
            raise UserError(
                f"retention of {DATABASE}.{table} was set but ClickHouse still has TTL {after.get(table)!r}, "
                f"wanted {wanted[table]!r}: see its log, and run `telemetry up` again"
            )
    return different


class RetentionProvider(ReconcilingProvider):
    """Inputs: ttls (table to its TTL), statements (table to its ALTER), the endpoint."""

    watched = ("ttls",)

    def id_of(self, props: Mapping[str, Any]) -> str:
        return "retention"

    def reconcile(self, client: Client, props: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        reconcile(client, props["statements"])
        return {}

    def look(self, client: Client, id_: str, props: dict[str, Any]) -> ReadResult:
        live = live_ttls(client, list(props["statements"]))
        wanted = wanted_ttls(client, props["statements"])
        # What is as wanted keeps its own spelling, so that only drift is a difference.
        ttls = {
            table: props["ttls"][table]
            if live.get(table) == wanted[table]
            else live.get(table, "no such table") or "none"
            for table in wanted
        }
        return ReadResult(id_, {**props, "ttls": ttls}, {**props, "ttls": ttls})


class Retention(Resource, module="postdeploy", name="Retention"):
    """All of sql/retention."""

    ttls: pulumi.Output[dict[str, str]]

    def __init__(
        self,
        name: str,
        clickhouse: ClickHouseEndpoint,
        values: pulumi.Input[Mapping[str, Any]],
        opts: pulumi.ResourceOptions | None = None,
    ):
        statements = pulumi.Output.json_dumps(values).apply(desired_statements)
        ttls = statements.apply(lambda found: {table: ttl_of(statement) for table, statement in found.items()})
        props: dict[str, Any] = {"ttls": ttls, "statements": statements, **clickhouse_inputs(clickhouse)}
        super().__init__(RetentionProvider(), name, props, opts)
