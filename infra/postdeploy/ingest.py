"""The ingest step: what moves rows from Kafka into tables (sql/ingest), dropped and recreated as one unit.

Nothing is lost meanwhile, since offsets live in Kafka, as long as a Kafka table never runs with some of its views
missing: it would commit messages that a view has not seen. So Kafka tables go first and come last; the views that read
from them are created before them, with the columns that a stand-in of the table gave.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pulumi
from pulumi.dynamic import ReadResult, Resource

from infra.clickhouse import as_user_error, first_line
from infra.endpoints import ClickHouseEndpoint
from infra.errors import UserError
from infra.paths import SQL
from infra.postdeploy.clickhouse_inputs import clickhouse_inputs, reachable_client_of
from infra.postdeploy.statements import Created, checksum, created, excerpt, split
from infra.postdeploy.step import ReconcilingProvider
from infra.replicas import catch_up_schema
from infra.templates import render, sql_string

if TYPE_CHECKING:  # slow to import, and the Pulumi program only declares this step
    from clickhouse_connect.driver.client import Client

FOLDER = SQL / "ingest"
BEFORE_ITS_SOURCE = {"allow_materialized_view_with_bad_select": 1}


def rendered_files(values: str, folder: Path = FOLDER) -> dict[str, str]:
    """File's stem to its SQL, in apply order; `values` is JSON. Raises UserError."""
    texts: dict[str, str] = {}
    for path in sorted(folder.glob("*.sql")):
        try:
            texts[path.stem] = render(path, json.loads(values))
        except jinja2.TemplateError as error:
            raise UserError(f"sql/ingest/{path.name}: {error.message or error}") from None
    return texts


def objects_of(texts: Mapping[str, str]) -> list[tuple[str, str, Created]]:
    """(file, statement, what it creates) in apply order. Raises UserError for any other statement."""
    found = []
    for file in sorted(texts):
        try:
            statements = split(texts[file])
        except ValueError as error:
            raise UserError(f"sql/ingest/{file}.sql: {error}") from None
        for statement in statements:
            made = created(statement)
            if made is None or not made.database:
                raise UserError(
                    f"sql/ingest/{file}.sql: only CREATE TABLE and CREATE MATERIALIZED VIEW of database.name belong here, "
                    f"found: {excerpt(statement)}"
                )
            found.append((file, statement, made))
    return found


def drop_order(made: Sequence[Created]) -> list[str]:
    """Names to drop, first to last: Kafka tables, then the others against the order of their creation."""
    kafka = [each for each in made if each.engine == "Kafka"]
    others = [each for each in made if each.engine != "Kafka"]
    return [f"{each.database}.{each.name}" for each in [*kafka, *reversed(others)]]


def drop(client: Client, names: Sequence[str]) -> None:
    """Drops tables and views in the order given; what is not there is passed over. Rows that flow on stay."""
    for name in names:
        with as_user_error(f"{name} could not be dropped"):
            client.command(f"DROP TABLE IF EXISTS {name}")


def create(client: Client, texts: Mapping[str, str]) -> None:
    """Creates everything. Kafka tables start to read when all of their views are there."""
    made = objects_of(texts)
    kafka = {(each.database, each.name) for _, _, each in made if each.engine == "Kafka"}
    waiting: list[tuple[str, str]] = []
    for file, statement, each in made:
        if each.kind == "materialized view" and each.reads & kafka:
            waiting.append((file, _with_columns(client, file, statement, each)))
        else:
            _run(client, file, statement)
    drop(client, [f"{database}.{name}" for database, name in sorted(kafka)])
    for file, statement in waiting:
        _run(client, file, statement, BEFORE_ITS_SOURCE)
    for file, statement, each in made:
        if (each.database, each.name) in kafka:
            _run(client, file, statement)


def _with_columns(client: Client, file: str, statement: str, view: Created) -> str:
    """The view's statement with its column list, which it needs in order to be created before its source."""
    if view.columns_at < 0:
        return statement
    with as_user_error(f"sql/ingest/{file}.sql: {view.name}"):
        columns = client.query(f"DESCRIBE ({statement[view.select_at :]})").result_rows
    listed = ", ".join(f"`{row[0]}` {row[1]}" for row in columns)
    return f"{statement[: view.columns_at]} ({listed}){statement[view.columns_at :]}"


def _run(client: Client, file: str, statement: str, settings: dict[str, Any] | None = None) -> None:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        client.command(statement, settings=settings)
    except ClickHouseError as error:
        raise UserError(f"sql/ingest/{file}.sql: {first_line(error)}\n  {excerpt(statement)}") from None


def missing(client: Client, names: Sequence[str]) -> list[str]:
    """Which of the names (database.name) ClickHouse does not have."""
    catch_up_schema(client)
    listed = ", ".join(sql_string(name) for name in names)
    query = f"SELECT database || '.' || name FROM system.tables WHERE database || '.' || name IN ({listed})"
    there = {row[0] for row in client.query(query).result_rows} if names else set()
    return [name for name in names if name not in there]


class IngestProvider(ReconcilingProvider):
    """Inputs: sql (file to text), files (file to hash), the endpoint. Output besides: objects, in the order to drop."""

    watched = ("files",)

    def id_of(self, props: Mapping[str, Any]) -> str:
        return "ingest"

    def reconcile(self, client: Client, props: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        names = drop_order([made for _, _, made in objects_of(props["sql"])])
        old = before.get("objects") or []
        drop(client, [*old, *(name for name in names if name not in old)])
        create(client, props["sql"])
        return {"objects": names}

    def look(self, client: Client, id_: str, props: dict[str, Any]) -> ReadResult:
        gone = set(missing(client, props["objects"]))
        if not gone:
            return ReadResult(id_, props)
        # A file whose object is gone has no hash any more: the next up sees a difference and recreates all.
        files = dict(props["files"])
        for file, _, made in objects_of(props["sql"]):
            if f"{made.database}.{made.name}" in gone:
                files[file] = f"missing: {made.database}.{made.name}"
        inputs = {key: value for key, value in props.items() if key != "objects"}
        return ReadResult(id_, {**props, "files": files}, {**inputs, "files": files})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        with reachable_client_of(props) as client:
            if client:
                drop(client, props["objects"])


class Ingest(Resource, module="postdeploy", name="Ingest"):
    """All of sql/ingest."""

    files: pulumi.Output[dict[str, str]]
    """File to hash of its rendered text."""

    def __init__(
        self,
        name: str,
        clickhouse: ClickHouseEndpoint,
        values: pulumi.Input[Mapping[str, Any]],
        opts: pulumi.ResourceOptions | None = None,
    ):
        texts = pulumi.Output.json_dumps(values).apply(rendered_files)
        hashes = texts.apply(lambda found: {file: checksum(text) for file, text in found.items()})
        props: dict[str, Any] = {
            "sql": texts,
            "files": hashes,
            "objects": None,
            **clickhouse_inputs(clickhouse),
        }
        super().__init__(IngestProvider(), name, props, opts)
