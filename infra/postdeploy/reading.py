"""The step that makes what all shards are asked by (sql/shards): names of `telemetry`, each over every shard's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import ReadResult, Resource

from infra.clickhouse import as_user_error
from infra.endpoints import ClickHouseEndpoint
from infra.paths import SQL
from infra.postdeploy.clickhouse_inputs import clickhouse_inputs
from infra.postdeploy.migrations import MigrationFile, migration_files
from infra.postdeploy.statements import checksum, created, split
from infra.postdeploy.step import ReconcilingProvider
from infra.replicas import catch_up_schema
from infra.shards import ALL, CLUSTER
from infra.templates import render

if TYPE_CHECKING:  # slow to import, and the Pulumi program only declares this step
    from clickhouse_connect.driver.client import Client

FILE = SQL / "shards" / "reading.sql"
MERGED = ("traces", "runs", "runs_between")
"""Views that group by trace: grouped once more where the shards' rows come together."""
EQUAL = ("model_prices", "tenants", "price_scenarios", "stack_costs")
"""Tables that a post-deploy step fills alike on every shard."""
SPECIAL = ("ingest_ledger", "dead_letters")
"""Views of their own in sql/shards/reading.sql."""


def reading_sql(values: Mapping[str, Any], files: Sequence[MigrationFile] | None = None) -> str:
    """The step's SQL: every table and view that the migrations make, the newest form of each. Raises UserError."""
    database = str(values["database"])
    own: dict[str, str] = {}
    for file in migration_files() if files is None else files:
        for statement in split(file.rendered(values).sql):
            made = created(statement)
            if made and made.database == database and made.kind in ("table", "view"):
                own[made.name] = statement
    apart = {*MERGED, *EQUAL, *SPECIAL}
    return render(
        FILE,
        {
            **values,
            "cluster": CLUSTER,
            "rows": [name for name in own if name not in apart],
            "equal": EQUAL,
            "merged": {name: own[name].replace(f"{database}.", f"{database}_all.") for name in MERGED},
        },
    )


class ReadingProvider(ReconcilingProvider):
    """Inputs: sql, hash (of the sql and of what it stands on), the endpoint. Output besides: objects."""

    watched = ("hash",)

    def id_of(self, props: Mapping[str, Any]) -> str:
        return ALL

    def reconcile(self, client: Client, props: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        # A table over others keeps no rows; of Replicated databases the nodes refuse all that could.
        settings = {"database_replicated_allow_only_replicated_engine": 0} if catch_up_schema(client) else None
        made = []
        for statement in split(props["sql"]):
            with as_user_error("sql/shards/reading.sql"):
                client.command(statement, settings=settings)
            if found := created(statement):
                made.append(f"{found.database}.{found.name}")
        for name in before.get("objects") or []:
            if name not in made:
                with as_user_error(f"{name} could not be dropped"):
                    client.command(f"DROP TABLE IF EXISTS {name}")
        return {"objects": made}

    def look(self, client: Client, id_: str, props: dict[str, Any]) -> ReadResult:
        from infra.postdeploy.ingest import missing

        gone = missing(client, props["objects"])
        if not gone:
            return ReadResult(id_, props)
        inputs = {key: value for key, value in props.items() if key != "objects"}
        text = f"missing: {', '.join(gone)}"
        return ReadResult(id_, {**props, "hash": text}, {**inputs, "hash": text})


class Reading(Resource, module="postdeploy", name="Reading"):
    """sql/shards on one shard."""

    hash: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        clickhouse: ClickHouseEndpoint,
        values: pulumi.Input[Mapping[str, Any]],
        checksums: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ):
        """`checksums`: of the migrations, whose tables' columns are taken over."""
        text = pulumi.Output.json_dumps(values).apply(lambda found: reading_sql(json.loads(found)))
        stands_on = json.dumps(dict(checksums), sort_keys=True)
        props: dict[str, Any] = {
            "sql": text,
            "hash": text.apply(lambda sql: checksum(sql + stands_on)),
            "objects": None,
            **clickhouse_inputs(clickhouse),
        }
        super().__init__(ReadingProvider(), name, props, opts)
