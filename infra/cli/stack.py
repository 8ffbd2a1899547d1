"""The commands that drive the engine: up, preview, migrate, down."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.console import Name, console
from infra.cli.engine import display, engine, open_stack, print_endpoints
from infra.cli.local import SHIPPED, check_free_ports, end_left_behind, make_stack_file, stack_platform
from infra.config import PROJECT, file_settings, stack_file
from infra.errors import UserError
from infra.paths import ROOT, stack_folder
from infra.settings import Settings

if TYPE_CHECKING:  # a second of imports, and these commands are loaded with every other one
    from pulumi import automation

    from infra.cli.comment import Preview


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    for command in (up, preview, down, migrate):
        app.command()(command)


@contextmanager
def _explained(name: str, platform: str, preview: bool = False) -> Iterator[None]:
    """The engine's failure as a message."""
    from pulumi import automation

    from infra.automation import explain

    try:
        yield
    except automation.CommandError as error:
        raise explain(error, shared="" if platform == "local" else name, preview=preview) from None


def up(
    name: Name = "local",
    port_base: Annotated[int | None, typer.Option(help="Ports of a further stack: this plus fixed offsets.")] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="On AWS: ask for everything's state first. A local stack always does.")
    ] = False,
    diff: Annotated[bool, typer.Option(help="Show each changed property.")] = False,
    plan: Annotated[
        Path | None,
        typer.Option(help="Do what `preview --save-plan` wrote to this file, and stop where it would be more."),
    ] = None,
) -> None:
    """Brings the stack up, or up to date, and prints its endpoints."""
    from infra.automation import load_program, state_file

    make_stack_file(name, port_base)
    found = file_settings(name)
    if plan is not None and not plan.is_file():
        raise UserError(f"--plan {plan}: no such file; `telemetry preview --name {name} --save-plan {plan}` writes it")
    if found.platform == "local":
        check_free_ports(name, found)
        # A part that was killed from outside is drift, which only a refresh sees.
        refresh = state_file(name).exists()
    else:
        _check_ready(name, found)
    stack = open_stack(name, found.platform, create=True)
    began = time.monotonic()
    load_program(found.platform)
    with _explained(name, found.platform):
        stack.up(
            # With the program at hand each resource is looked at where its turn comes: one pass, one dynamic provider,
            # and a healed part is asked.
            refresh=refresh,
            run_program=refresh,
            diff=diff,
            plan=str(plan) if plan else None,
            suppress_outputs=True,
            show_secrets=False,
            **display(),
        )
        print_endpoints(name, stack, time.monotonic() - began)


def _check_ready(name: str, found: Settings) -> None:
    """What the program refuses, before a stack is made in the user's backend."""
    from infra.guard import objections

    if against := objections(found, name):
        raise UserError("this stack is not ready for an `up`:\n" + "\n".join(against))


def preview(
    name: Name = "local",
    refresh: Annotated[bool, typer.Option("--refresh", help="Compare with the live parts and tables first.")] = False,
    diff: Annotated[bool, typer.Option(help="Show each changed property, and changed lines of SQL.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Also write it to this file, as a pull request's comment.")
    ] = None,
    log_url: Annotated[str, typer.Option(help="Where that comment says that the whole log is.")] = "",
    save_plan: Annotated[
        Path | None, typer.Option(help="Also write the plan to this file: `up --plan` then does that and no more.")
    ] = None,
) -> None:
    """Shows what `up` would do. Touches nothing."""
    from infra.cli.comment import Preview

    with Preview(name, markdown, log_url, live=refresh) as seen:
        _preview(name, refresh, diff, seen, save_plan)


def _preview(name: str, refresh: bool, diff: bool, seen: Preview, save_plan: Path | None) -> None:
    from infra.automation import load_program

    found = seen.settings = file_settings(name)
    load_program(found.platform)
    with _opened_for_a_look(name, found.platform) as stack, _explained(name, found.platform, preview=True):
        stack.preview(
            refresh=refresh,
            run_program=refresh,
            diff=diff,
            plan=str(save_plan) if save_plan else None,
            on_event=seen.take,
            **display(),
        )
    seen.pending.show(console, found, diff)
    seen.show_shorter(console)


@contextmanager
def _opened_for_a_look(name: str, platform: str) -> Iterator[automation.Stack]:
    """The stack; one that does not exist is made for the preview and leaves nothing behind."""
    if platform == "local":
        fresh = not stack_folder(name).exists()
        try:
            yield open_stack(name, platform)
        finally:
            if fresh:
                shutil.rmtree(stack_folder(name), ignore_errors=True)
        return
    from infra.backend import check_backend, find_stack, forgotten_afterwards

    check_backend(name)
    tools = engine(platform)
    if stack := find_stack(name, tools):
        yield stack
        return
    with forgotten_afterwards(name, tools) as made:
        yield made


def migrate(
    name: Name = "local",
    plan: Annotated[
        bool, typer.Option("--plan", help="Only look at the live tables and list what is pending.")
    ] = False,
) -> None:
    """Applies pending migrations and nothing else, as an update of just these resources."""
    from infra.automation import state_file

    found = file_settings(name)
    if plan:
        _show_plan(name, found)
        return
    if found.platform == "local" and not state_file(name).exists():
        raise UserError(f"the stack {name} is not up; `telemetry up --name {name}` starts it")
    stack = open_stack(name, found.platform)
    with _explained(name, found.platform):
        stack.up(
            target=["**:Migrations::*", "**:Migration::*"],
            suppress_outputs=True,
            show_secrets=False,
            **display(),
        )


def _show_plan(name: str, found: Settings) -> None:
    from infra.cli.pending import show_migration
    from infra.cli.reach import each_shard, reach_of
    from infra.postdeploy.migration_runner import plan
    from infra.postdeploy.migrations import migration_files
    from infra.schema import template_values

    reached = reach_of(name, found)
    pending = 0
    for shard, client in each_shard(reached):
        values = template_values(found, reached.kafka, reached.schema_folder, shard)
        for item in plan(client, [file.rendered(values) for file in migration_files()]):
            show_migration(console, item.migration.name, item.kind, ";\n\n".join(item.remaining) + ";", shard)
            pending += 1
    console.print(f"{pending} pending" if pending else "nothing is pending: the live tables are up to date")


def down(name: Name = "local") -> None:
    """Stops and removes everything that this stack created, its data included."""
    if stack_platform(name) == "local":
        _down_here(name)
    else:
        _down_on_aws(name, file_settings(name))


def _down_here(name: str) -> None:
    from infra.automation import remove_stack, state_file

    folder = stack_folder(name)
    if not state_file(name).exists():
        end_left_behind(name)
        shutil.rmtree(folder, ignore_errors=True)
        console.print(f"{name}: nothing was up")
        return
    stack = open_stack(name, "local")
    with _explained(name, "local"):
        stack.destroy(show_secrets=False, **display())
    remove_stack(stack, name)
    end_left_behind(name)
    shutil.rmtree(folder, ignore_errors=True)
    if name not in SHIPPED:
        (ROOT / stack_file(name)).unlink(missing_ok=True)
    console.print(f"{name}: everything is stopped and removed")


def _down_on_aws(name: str, found: Settings) -> None:
    if found.protect:
        raise UserError(
            f"{stack_file(name)}: protect is true, so this stack's data may not be deleted. To delete it all the same, set "
            f"{PROJECT}:protect: false, run `telemetry up --name {name}` (which lifts the protection), then this again"
        )
    from infra.automation import remove_stack
    from infra.backend import check_backend, find_stack

    check_backend(name)
    stack = find_stack(name, engine(found.platform))
    if stack is None:
        console.print(f"{name}: nothing was up")
        return
    with _explained(name, found.platform):
        # What is protected is refused here: the destroy itself would first delete everything else.
        stack.preview_destroy(show_secrets=False, **display())
        stack.destroy(show_secrets=False, **display())
    remove_stack(stack, name)
    console.print(f"{name}: everything is removed")
