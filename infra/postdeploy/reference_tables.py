"""Small tables that the configuration fills (model prices, tenants, …) and the dictionaries that read some of them.

The tables are ReplacingMergeTree(loaded_at) with a `removed` mark: a load is one insert of every row, the removed ones
marked, so a reader sees the rows of before or of after and never none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import ReadResult, Resource

from infra.clickhouse import as_user_error
from infra.endpoints import ClickHouseEndpoint
from infra.paths import SQL
from infra.postdeploy.clickhouse_inputs import clickhouse_inputs
from infra.postdeploy.step import ReconcilingProvider
from infra.replicas import catch_up, stored_everywhere
from infra.templates import render

if TYPE_CHECKING:  # slow to import, and the Pulumi program only declares this step
    from clickhouse_connect.driver.client import Client

DATABASE = "telemetry"
TENANTS, CHANGES = "tenants", "retention_changes"
"""Rows keep the days of retention that they were stamped with: what a tenant's were until now is recorded first."""


def load(client: Client, table: str, dictionary: str, rows: Mapping[str, str]) -> None:
    """Makes `rows` (a name for each, and its JSON) the table's content, and has the dictionary ('': none) read it."""
    values = {"database": DATABASE, "table": table, "rows": list(rows.values())}
    with as_user_error(f"{DATABASE}.{table} could not be loaded"):
        # What is stored decides which rows are marked as removed.
        catch_up(client, [table], DATABASE)
        if table == TENANTS:
            settings = stored_everywhere(client, CHANGES, DATABASE)
            client.command(render(SQL / "postdeploy" / "retention_changes.sql", values), settings=settings)
        settings = stored_everywhere(client, table, DATABASE)
        client.command(render(SQL / "postdeploy" / "load_reference.sql", values), settings=settings)
        if dictionary:
            # Other nodes have the rows by now, and read them within the dictionary's lifetime of a minute.
            client.command(f"SYSTEM RELOAD DICTIONARY {DATABASE}.{dictionary}")


def live_rows(client: Client, table: str) -> list[str] | None:
    """The table's rows as JSON, as `load` takes them; None without the table."""
    if not client.command(f"EXISTS TABLE {DATABASE}.{table}"):
        return None
    catch_up(client, [table], DATABASE)
    query = render(SQL / "postdeploy" / "live_reference.sql", {"database": DATABASE, "table": table})
    return [row[0] for row in client.query(query).result_rows]


def comparable(row: str) -> tuple[tuple[str, Any], ...]:
    """A row's JSON as values that are equal when the rows are: a price is the same with more zeros."""
    values = json.loads(row)
    return tuple(
        sorted(
            (k, Decimal(v) if v and (k.endswith("_per_million") or k.startswith("usd_")) else v)
            for k, v in values.items()
        )
    )


class ReferenceTableProvider(ReconcilingProvider):
    """Inputs: table, dictionary, rows (name to JSON: what a preview shows), the endpoint."""

    watched = ("rows",)

    def id_of(self, props: Mapping[str, Any]) -> str:
        return props["table"]

    def reconcile(self, client: Client, props: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        load(client, props["table"], props["dictionary"], props["rows"])
        return {}

    def look(self, client: Client, id_: str, props: dict[str, Any]) -> ReadResult:
        live = live_rows(client, props["table"])
        if live is None:
            return ReadResult("", {})
        names = {comparable(row): name for name, row in props["rows"].items()}
        if {comparable(row) for row in live} == set(names):
            return ReadResult(id_, props)
        known = {names.get(comparable(row), f"only in ClickHouse {number}"): row for number, row in enumerate(live)}
        rows = {name: props["rows"].get(name, row) for name, row in known.items()}
        return ReadResult(id_, {**props, "rows": rows}, {**props, "rows": rows})


class ReferenceTable(Resource, module="postdeploy", name="ReferenceTable"):
    """One table's rows."""

    def __init__(
        self,
        name: str,
        clickhouse: ClickHouseEndpoint,
        table: str,
        dictionary: str,
        rows: Mapping[str, str],
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {
            "table": table,
            "dictionary": dictionary,
            "rows": dict(rows),
            **clickhouse_inputs(clickhouse),
        }
        merged = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(after)))
        super().__init__(ReferenceTableProvider(), name, props, merged)
