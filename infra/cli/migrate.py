"""`telemetry migrate`: pending migrations and nothing else, or a look at what the live tables lack."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from infra.cli.console import Json, Name, console, emit, say
from infra.cli.engine import Counted, display, explained, open_stack
from infra.config import file_settings
from infra.errors import UserError
from infra.settings import Settings


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command()(migrate)


def migrate(
    name: Name = "local",
    plan: Annotated[
        bool, typer.Option("--plan", help="Only look at the live tables and list what is pending.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Applies pending migrations and nothing else, as an update of just these resources."""
    from infra.automation import state_file

    found = file_settings(name)
    if plan:
        pending = _show_plan(name, found)
        if as_json:
            emit({"stack": name, "pending": pending})
        return
    if found.platform == "local" and not state_file(name).exists():
        raise UserError(f"the stack {name} is not up; `telemetry up --name {name}` starts it")
    stack, counted = open_stack(name, found.platform), Counted()
    with explained(name, found.platform):
        stack.up(
            target=["**:Migrations::*", "**:Migration::*"],
            suppress_outputs=True,
            show_secrets=False,
            on_event=counted.take if as_json else None,
            **display(),
        )
    if as_json:
        emit({"stack": name, "changes": counted.changes})


def _show_plan(name: str, found: Settings) -> list[dict[str, Any]]:
    from infra.cli.pending import show_migration
    from infra.cli.reach import each_shard, reach_of
    from infra.clickhouse import as_user_error
    from infra.postdeploy.migration_runner import plan
    from infra.postdeploy.migrations import migration_files
    from infra.postdeploy.missing import COMES_BACK, missing
    from infra.schema import template_values

    reached = reach_of(name, found)
    pending: list[dict[str, Any]] = []
    for shard, client in each_shard(reached):
        values = template_values(found, reached.kafka, reached.schema_folder, shard)
        migrations = [file.rendered(values) for file in migration_files()]
        with as_user_error("the live tables can't be read"):
            gone, todo = missing(client, migrations), plan(client, migrations)
        if gone:
            raise UserError(f"ClickHouse has no more: {', '.join(gone)}; {COMES_BACK}")
        for item in todo:
            sql = ";\n\n".join(item.remaining) + ";"
            show_migration(console, item.migration.name, item.kind, sql, shard)
            pending.append({"name": item.migration.name, "kind": item.kind, "shard": shard, "sql": sql})
    say(f"{len(pending)} pending" if pending else "nothing is pending: the live tables are up to date")
    return pending
