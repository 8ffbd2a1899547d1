"""The commands that drive the engine: up, preview, down, env, tools, settings."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from typing import Annotated, Any

import typer
import yaml

from infra.cli.console import Name, console
from infra.cli.engine_output import OutputFilter
from infra.config import PROJECT, file_settings, project_file, stack_file, stack_file_content
from infra.errors import UserError
from infra.paths import ROOT, stack_folder
from infra.settings import PORTS, Settings

SHIPPED = ("local", "dev", "prod")


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    for command in (up, preview, down, migrate, env, tools, settings):
        app.command()(command)


def _make_stack_file(name: str, port_base: int | None) -> None:
    """Writes the ignored stack file of a further local stack; a shipped one is never changed."""
    path = ROOT / stack_file(name)
    if name in SHIPPED:
        if port_base is not None:
            raise UserError(f"{path.name} is shared by all who clone: give the stack a NAME as well, NAME=two")
        return
    content = stack_file_content(path) if path.exists() else {}
    config = content.setdefault("config", {f"{PROJECT}:platform": "local"})
    if port_base is not None and config.get(f"{PROJECT}:portBase") != port_base:
        config[f"{PROJECT}:portBase"] = port_base
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    elif not path.exists():
        path.write_text(yaml.safe_dump(content, sort_keys=False))


def _prepare(name: str) -> Settings:
    """The settings, refused before anything is touched when they are wrong."""
    found = file_settings(name)
    if found.platform != "local":
        raise UserError(f"{stack_file(name)}: platform {found.platform} is not built yet")
    return found


def _check_free_ports(name: str, found: Settings) -> None:
    from infra.local.process import check_ports
    from infra.local.supervisor import Control, stop_left_behind

    run = stack_folder(name) / "run"
    if not Control(run).alive():
        stop_left_behind(run)
        check_ports({key: getattr(found, key) for key in PORTS})


def _engine(name: str):
    from infra.automation import open_stack
    from infra.local.toolchain import ensure

    return open_stack(name, ensure(console=console))


def _display() -> dict[str, Any]:
    """How every engine command shows what it does: its own lines, as they come."""
    return {
        "color": "always" if console.is_terminal else "never",
        "suppress_progress": True,
        "on_output": OutputFilter(lambda line: print(line, flush=True)),
    }


def up(
    name: Name = "local",
    port_base: Annotated[int | None, typer.Option(help="Ports of a further stack: this plus fixed offsets.")] = None,
    diff: Annotated[bool, typer.Option(help="Show each changed property.")] = False,
) -> None:
    """Brings the stack up, or up to date, and prints its endpoints."""
    from pulumi import automation

    from infra.automation import explain, load_program, state_file

    _make_stack_file(name, port_base)
    found = _prepare(name)
    _check_free_ports(name, found)
    existed = state_file(name).exists()
    stack = _engine(name)
    began = time.monotonic()
    load_program()
    try:
        stack.up(
            # A part that was killed from outside is drift, which only a refresh sees. With the program at hand each
            # resource is looked at where its turn comes: one pass, one dynamic provider, and a healed part is asked.
            refresh=existed,
            run_program=existed,
            diff=diff,
            suppress_outputs=True,
            show_secrets=False,
            **_display(),
        )
    except automation.CommandError as error:
        raise explain(error) from None
    _print_endpoints(name, stack, time.monotonic() - began)


def _print_endpoints(name: str, stack, seconds: float) -> None:
    from rich.table import Table

    outputs = {key: output.value for key, output in stack.outputs().items()}
    table = Table(title=f"{name}: up in {seconds:.1f} s", title_justify="left", show_header=False)
    for key, value in outputs.items():
        table.add_row(key, str(value))
    console.print(table)


def preview(
    name: Name = "local",
    refresh: Annotated[bool, typer.Option("--refresh", help="Compare with the live parts and tables first.")] = False,
    diff: Annotated[bool, typer.Option(help="Show each changed property.")] = False,
) -> None:
    """Shows what `up` would do. Touches nothing."""
    from pulumi import automation

    from infra.automation import explain, load_program
    from infra.cli.pending import PendingMigrations

    _prepare(name)
    fresh = not stack_folder(name).exists()
    stack = _engine(name)
    pending = PendingMigrations()
    load_program()
    try:
        stack.preview(
            refresh=refresh,
            run_program=refresh,
            diff=diff,
            on_event=pending.take,
            **_display(),
        )
    except automation.CommandError as error:
        raise explain(error) from None
    finally:
        if fresh:
            # A preview of a stack that does not exist leaves nothing behind.
            shutil.rmtree(stack_folder(name), ignore_errors=True)
    pending.show(console)


def migrate(
    name: Name = "local",
    plan: Annotated[
        bool, typer.Option("--plan", help="Only look at the live tables and list what is pending.")
    ] = False,
) -> None:
    """Applies pending migrations and nothing else, as an update of just these resources."""
    from pulumi import automation

    from infra.automation import explain, state_file

    found = _prepare(name)
    if plan:
        _show_plan(name, found)
        return
    if not state_file(name).exists():
        raise UserError(f"the stack {name} is not up; `telemetry up --name {name}` starts it")
    stack = _engine(name)
    try:
        stack.up(
            target=["**:Migrations::*", "**:Migration::*"],
            suppress_outputs=True,
            show_secrets=False,
            **_display(),
        )
    except automation.CommandError as error:
        raise explain(error) from None


def _show_plan(name: str, found: Settings) -> None:
    from infra.cli.data import clickhouse_address, kafka_address
    from infra.cli.pending import show_migration
    from infra.clickhouse import connect
    from infra.endpoints import Direct
    from infra.local.clickhouse.component import schema_folder
    from infra.local.toolchain import find_clickhouse
    from infra.postdeploy.migration_runner import plan
    from infra.postdeploy.migrations import migration_files
    from infra.schema import template_values

    values = template_values(found, kafka_address(name), schema_folder(server=find_clickhouse() is not None))
    with connect(clickhouse_address(name), Direct()) as client:
        pending = plan(client, [file.rendered(values) for file in migration_files()])
    for item in pending:
        show_migration(console, item.migration.name, item.kind, ";\n\n".join(item.remaining) + ";")
    console.print(f"{len(pending)} pending" if pending else "nothing is pending: the live tables are up to date")


def down(name: Name = "local") -> None:
    """Stops and removes everything that this stack created, its data included."""
    from pulumi import automation

    from infra.automation import explain, remove_stack, state_file

    folder = stack_folder(name)
    if not state_file(name).exists():
        _end_left_behind(name)
        shutil.rmtree(folder, ignore_errors=True)
        console.print(f"{name}: nothing was up")
        return
    stack = _engine(name)
    try:
        stack.destroy(show_secrets=False, **_display())
    except automation.CommandError as error:
        raise explain(error) from None
    remove_stack(stack, name)
    _end_left_behind(name)
    shutil.rmtree(folder, ignore_errors=True)
    if name not in SHIPPED:
        (ROOT / stack_file(name)).unlink(missing_ok=True)
    console.print(f"{name}: everything is stopped and removed")


def _end_left_behind(name: str) -> None:
    from infra.local.supervisor import Control, socket_path, stop_left_behind

    run = stack_folder(name) / "run"
    Control(run).shutdown()
    stop_left_behind(run)
    socket_path(run).unlink(missing_ok=True)


def env(name: Name = "local") -> None:
    """Prints the variables with which any Pulumi CLI sees this stack: eval "$(telemetry env)"."""
    from infra.automation import environment
    from infra.local.toolchain import ensure

    for key, value in environment(name, ensure(["pulumi"]).pulumi_root).items():
        print(f"export {key}={shlex.quote(value)}")


def tools() -> None:
    """Builds what the local platform needs into the cache, or checks that it is there."""
    from infra.local.toolchain import ensure

    for tool, version in ensure(console=console).versions.items():
        console.print(f"{tool} {version}")


def settings(write: Annotated[bool, typer.Option("--write", help="Write Pulumi.yaml instead.")] = False) -> None:
    """Prints Pulumi.yaml as made from infra/settings/."""
    if write:
        (ROOT / "Pulumi.yaml").write_text(project_file())
    else:
        sys.stdout.write(project_file())
