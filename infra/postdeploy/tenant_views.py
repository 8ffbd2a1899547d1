"""The views of the tenants' readers (tenantReaders): made for those who are in the setting, dropped for those who are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import ReadResult, Resource

from infra.clickhouse import as_user_error
from infra.endpoints import ClickHouseEndpoint
from infra.paths import SQL
from infra.postdeploy.clickhouse_inputs import clickhouse_inputs, reachable_client_of
from infra.postdeploy.statements import split
from infra.postdeploy.step import ReconcilingProvider
from infra.replicas import catch_up_schema
from infra.templates import render, sql_string
from infra.tenant_views import ARGUMENTS, OF, TENANT_DATABASE, VIEWS, definer, view_of

if TYPE_CHECKING:  # slow to import, and the Pulumi program only declares this step
    from clickhouse_connect.driver.client import Client


def statements(tenants: Sequence[str]) -> dict[str, str]:
    """Each view of these tenants to the statement that makes it."""
    made: dict[str, str] = {}
    for tenant in tenants:
        for view in VIEWS:
            values = {
                "database": TENANT_DATABASE,
                "name": view_of(view, tenant),
                "definer": definer(tenant),
                "source": view,
                "arguments": ARGUMENTS.get(view, ""),
            }
            (made[view_of(view, tenant)],) = split(render(SQL / "postdeploy" / "tenant_view.sql", values))
    return made


def live(client: Client) -> dict[str, str]:
    """The tenants' own views that are there, each to its text as the engine keeps it."""
    catch_up_schema(client, TENANT_DATABASE)
    query = (
        f"SELECT name, create_table_query FROM system.tables WHERE database = {sql_string(TENANT_DATABASE)} "
        f"AND position(name, {sql_string(OF)}) > 0 ORDER BY name"
    )
    return {str(name): str(text) for name, text in client.query(query).result_rows}


def reconcile(client: Client, wanted: Mapping[str, str]) -> dict[str, str]:
    """Makes the wanted views anew, drops the others and returns their texts. Raises UserError."""
    with as_user_error("the tenants' views (tenantReaders) could not be made"):
        for name in live(client):
            if name not in wanted:
                client.command(f"DROP VIEW IF EXISTS {TENANT_DATABASE}.`{name}`")
        for statement in wanted.values():
            client.command(statement)
        return live(client)


class TenantViewsProvider(ReconcilingProvider):
    """Inputs: views (name to statement), schema (a migration to its checksum: a view keeps the columns that it was made
    with), the endpoint. Outputs: kept (name to the engine's text)."""

    watched = ("views", "schema")

    def id_of(self, props: Mapping[str, Any]) -> str:
        return "tenant-views"

    def reconcile(self, client: Client, props: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        return {"kept": reconcile(client, props["views"])}

    def look(self, client: Client, id_: str, props: dict[str, Any]) -> ReadResult:
        found, kept = live(client), props["kept"]
        views = {name: text for name, text in props["views"].items() if found.get(name) == kept.get(name)}
        views |= {name: text for name, text in found.items() if name not in views}
        return ReadResult(id_, {**props, "views": views}, {**props, "views": views})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """With the setting's last tenant, or the stack: then ClickHouse may be gone. Without users nobody reads them."""
        with reachable_client_of(props) as client:
            if client:
                reconcile(client, {})


class TenantViews(Resource, module="postdeploy", name="TenantViews"):
    """All of them."""

    def __init__(
        self,
        name: str,
        clickhouse: ClickHouseEndpoint,
        tenants: Sequence[str],
        schema: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ):
        props: dict[str, Any] = {"views": statements(tenants), "schema": dict(schema), **clickhouse_inputs(clickhouse)}
        # An output that the engine knows of only once it is made.
        super().__init__(TenantViewsProvider(), name, {**props, "kept": None}, opts)
