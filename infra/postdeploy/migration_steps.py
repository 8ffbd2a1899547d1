"""Migrations as Pulumi resources: one a file, chained. Pending is "to be created"; there is no delete."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, ReadResult, Resource, UpdateResult

from infra.dynamic import plain_props
from infra.endpoints import ClickHouseEndpoint
from infra.postdeploy.clickhouse_inputs import clickhouse_inputs, client_of
from infra.postdeploy.migrations import Migration as MigrationSql
from infra.postdeploy.migrations import MigrationFile, migration_files
from infra.postdeploy.step import StepProvider
from infra.shards import named

if TYPE_CHECKING:  # slow to import, and the Pulumi program only declares this step
    from clickhouse_connect.driver.client import Client

Values = pulumi.Input[Mapping[str, Any]]
"""What fills the placeholders (infra.schema.template_values): a mapping, or an output of one."""


def rendered_sql(file: MigrationFile, values: str) -> str:
    """The SQL of `file`, with the values as JSON: an output of a mapping arrives with its numbers intact only so."""
    return file.rendered(json.loads(values)).sql


class MigrationProvider(StepProvider):
    """Inputs: number, name, kind, checksum, sql, the endpoint. `sql` is for the reader of a preview: when a setting
    changes it and the file (checksum) is the same, nothing is to be done.

    The runner is imported where it is used: with its ClickHouse client it is slow to import, and the Pulumi program only
    declares this step."""

    watched = ("number", "kind")

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        before = _olds.get("checksum")
        if before and before != news["checksum"]:
            from infra.postdeploy.migration_runner import edited

            return CheckResult(news, [CheckFailure("checksum", edited(news["name"], before, news["checksum"]))])
        return CheckResult(news, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        from infra.postdeploy.migration_runner import apply_one

        migration = MigrationSql(int(props["number"]), props["name"], props["kind"], props["checksum"], props["sql"])
        with client_of(props) as client:
            apply_one(client, migration)
        return CreateResult(props["name"], plain_props(props))

    def look(self, client: Client, id_: str, props: dict[str, Any]) -> ReadResult:
        from infra.postdeploy.migration_runner import read_record

        applied = read_record(client).get(int(props["number"]))
        return ReadResult(id_, props) if applied and applied.finished else ReadResult("", {})

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(plain_props(news))


class Migration(Resource, module="postdeploy", name="Migration"):
    """One migration file."""

    checksum: pulumi.Output[str]

    def __init__(
        self,
        file: MigrationFile,
        clickhouse: ClickHouseEndpoint,
        values: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
        shard: int = 1,
    ):
        further: dict[str, Any] = {"shard": shard} if shard > 1 else {}
        props: dict[str, Any] = {
            **further,
            "number": file.number,
            "name": file.name,
            "kind": file.kind,
            "checksum": file.checksum,
            "sql": pulumi.Output.from_input(values).apply(lambda text: rendered_sql(file, text)),
            **clickhouse_inputs(clickhouse),
        }
        super().__init__(MigrationProvider(), named(file.name, shard), props, opts)


class Migrations(pulumi.ComponentResource):
    """Every file of sql/migrations, each after the one before it."""

    checksums: dict[str, str]
    """File to checksum: a trigger for what must look again after a migration."""

    def __init__(
        self,
        name: str,
        clickhouse: ClickHouseEndpoint,
        values: Values,
        opts: pulumi.ResourceOptions | None = None,
        files: Sequence[MigrationFile] | None = None,
        shard: int = 1,
    ):
        super().__init__("agent-telemetry:postdeploy:Migrations", name, None, opts)
        text = pulumi.Output.json_dumps(values)
        files = migration_files() if files is None else files
        previous: list[pulumi.Resource] = []
        for file in files:
            chained = pulumi.ResourceOptions(parent=self, depends_on=previous)
            previous = [Migration(file, clickhouse, text, chained, shard)]
        self.checksums = {file.name: file.checksum for file in files}
        self.register_outputs({"applied": [file.name for file in files]})
