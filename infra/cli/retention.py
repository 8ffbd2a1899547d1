"""`telemetry retention`: how long tenants' raw rows are kept, by their stamps, and rewriting stamps after a change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.console import Json, Name, emit, error_console, progress_bars, say, show, table_of, working
from infra.cli.reach import each_shard, reach_of
from infra.cli.retention_shown import Shown, shown_json, shown_lines, shown_table, spelled
from infra.config import file_settings, stack_file
from infra.errors import UserError
from infra.tenants import EVERYBODY

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from infra.aws.reach import Reach
    from infra.tenant_retention.rewrite import Work
    from infra.tenant_retention.stored import Setting

app = typer.Typer(no_args_is_help=True, help="How long tenants' spans and events are kept (tenantRetentionDays).")


@app.command("show")
def show_(
    tenant: Annotated[str, typer.Argument(help="Only this tenant; empty: all.")] = "",
    name: Name = "local",
    as_json: Json = False,
) -> None:
    """Shows stored rows by the days that they are stamped with, beside each tenant's setting now."""
    from infra.clickhouse import as_user_error
    from infra.tenant_retention.stored import settings, stack_days, stored

    found = Shown(file_settings(name).tenantRetentionDays, tenant)
    reached = reach_of(name)
    for _, client in each_shard(reached):
        with working("counting rows"), as_user_error("retention"):
            own = {key: value.days for key, value in settings(client).items()}
            found.add(stack_days(client), own, stored(client, own, tenant))
    if tenant and not found.knows(tenant):
        raise UserError(_unknown(tenant, _tenants(reached)))
    if as_json:
        emit(shown_json(found))
        return
    show(shown_table(found))
    for line in shown_lines(found):
        say(line)


@app.command()
def apply(
    tenant: Annotated[str, typer.Argument(help="The tenant whose stored rows get its setting of now.")],
    name: Name = "local",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Rewrites a tenant's stored spans and events to its days of retention of now; what is past them is deleted."""
    from infra.clickhouse import as_user_error
    from infra.tenant_retention.rewrite import check_loaded, record, rewrite, work

    if tenant in ("", EVERYBODY):
        raise UserError(
            f"retention apply {tenant!r}: name one tenant. The stack's own days (retentionRawDays) reach stored rows by "
            "themselves, with `telemetry up`"
        )
    days, reached = file_settings(name).tenantRetentionDays.get(tenant, 0), reach_of(name)
    todo: dict[int, list[Work]] = {}
    known: dict[str, Setting] = {}
    for shard, client in each_shard(reached):
        with working("counting rows"), as_user_error("retention"):
            known = _settings(client, name, tenant, days)
            check_loaded(client, tenant, known.get(tenant))
            todo[shard] = work(client, tenant, days)
    if tenant not in known and not any(item.rows + item.right for items in todo.values() for item in items):
        raise UserError(_unknown(tenant, _tenants(reached)))
    _say_work(tenant, days, todo)
    said: dict[str, Any] = {"stack": name, "tenant": tenant, "days": days, "dry_run": dry_run, "rewritten": False}
    said["work"] = [{"shard": shard, **asdict(item)} for shard, items in todo.items() for item in items]
    idle = all(item.nothing for items in todo.values() for item in items)
    if not dry_run:
        if not idle:
            _confirm(tenant, yes, as_json)
        left: dict[str, int] = {}
        for shard, client in each_shard(reached):
            with _followed(shard) as progress, as_user_error("retention"):
                more = rewrite(client, tenant, days, todo[shard], progress)
                if not more:
                    record(client, tenant, days)
                left |= {table: left.get(table, 0) + rows for table, rows in more.items()}
        if left:
            listed = ", ".join(f"{rows:,} of {table}" for table, rows in left.items())
            raise UserError(
                f"{listed} have another stamp still: they came meanwhile, or the mutation was killed; run this again"
            )
        said["rewritten"] = not idle
        if not idle:
            say(f"{tenant}: all stored rows are kept {spelled(days)} now; what was past that is deleted")
    if as_json:
        emit(said)


def _settings(client: Any, name: str, tenant: str, days: int) -> dict[str, Setting]:
    """What ClickHouse has. Raises UserError unless it is the stack file's."""
    from infra.tenant_retention.stored import settings

    found = settings(client)
    live = found[tenant].days if tenant in found else 0
    if live != days:
        raise UserError(
            f"{stack_file(name)}: tenantRetentionDays keeps {tenant} {spelled(days)}, but ClickHouse stamps new rows with "
            f"{spelled(live)}: run `telemetry up --name {name}` first"
        )
    return found


def _tenants(reached: Reach) -> set[str]:
    from infra.tenant_retention.stored import settings, stored

    names: set[str] = set()
    for _, client in each_shard(reached):
        names |= {*settings(client), *(row.tenant for row in stored(client, {}))}
    return names


def _unknown(tenant: str, known: set[str]) -> str:
    names = ", ".join(sorted(known - {EVERYBODY})[:10]) or "there is none yet"
    return f"there is no tenant {tenant!r}: it has neither a row nor a setting. Known: {names}"


def _say_work(tenant: str, days: int, todo: dict[int, list[Work]]) -> None:
    say(f"{tenant}: new rows are kept {spelled(days)}")
    if all(item.nothing for items in todo.values() for item in items):
        say("nothing to do: every stored row has that stamp")
        return
    right = ("rows", "deleted", "of them GiB", "parts", "GiB written")
    table = table_of("table", *right, fold=("table",), right=right)
    for shard, items in todo.items():
        for item in items:
            where = f"shard {shard}: {item.table}" if len(todo) > 1 else item.table
            gone, written = (f"{size / 2**30:.2f}" for size in (item.past_bytes, item.part_bytes))
            state = " (running)" if item.running else ""
            table.add_row(where + state, f"{item.rows:,}", f"{item.past:,}", gone, f"{item.parts:,}", written)
    show(table)
    say(
        "Rows are stored rows with another stamp. Those that are past the limit are deleted with the rewrite, for good. Every "
        "part that holds such a row is written anew, other tenants' rows in it included."
    )


def _confirm(tenant: str, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not asked():
        raise UserError("nobody can be asked here: say --yes, or look first with --dry-run")
    typer.confirm(f"Rewrite the stored rows of {tenant}?", abort=True, err=True)


def asked() -> bool:
    """Whether somebody is there who can be asked."""
    return sys.stdin.isatty()


@contextmanager
def _followed(shard: int) -> Iterator[Any]:
    """Bars by table; who stops them stops only watching."""
    with progress_bars() as bars:
        tasks: dict[str, Any] = {}

        def at(table: str, done: int, total: int) -> None:
            where = f"shard {shard}: {table}" if shard > 1 else table
            if table not in tasks:
                tasks[table] = bars.add_task(f"parts of {where}", total=None)
            bars.update(tasks[table], completed=done, total=total or None)

        try:
            yield at
        except KeyboardInterrupt:
            error_console.print("ClickHouse goes on by itself with the table at hand; the same command follows it")
            raise
