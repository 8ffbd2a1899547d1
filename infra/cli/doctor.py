"""`telemetry doctor`: what keeps a stack from coming up, or will soon, with what to do about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from infra.cli.console import Json, Name, emit, error_console, say, show, table_of, working
from infra.config import file_settings
from infra.errors import UserError

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from clickhouse_connect.driver.client import Client
    from rich.table import Table

    from infra.doctor.check import Check, Done, Result
    from infra.settings import Settings

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "not applicable": "dim"}
SHORT = {"not applicable": "n/a"}


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command()(doctor)


def doctor(name: Name = "local", as_json: Json = False) -> None:
    """Checks tools, settings, room, account, quotas, reach, versions, certificates and credentials. Changes nothing, builds
    nothing. Exit code 1 when a check fails."""
    from infra.doctor.check import run

    done: list[Done] = []
    for check in checks(name):
        with working(f"looking at: {check.name}"):
            done.append(run(check))
    failed = [item.name for item in done if item.state == "fail"]
    if as_json:
        emit({"stack": name, "failed": failed, "checks": [dataclasses.asdict(item) for item in done]})
    else:
        show(table(done))
        warned = sum(item.state == "warn" for item in done)
        say(f"\n{len(failed)} fail, {warned} to look at, {sum(item.state == 'ok' for item in done)} ok", style="bold")
    if failed:
        error_console.print(f"error: {', '.join(failed)}", style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1)


def checks(name: str) -> Iterator[Check]:
    """Every check of the stack. What needs its settings is left out when they are wrong, which is a check of its own."""
    from infra.doctor import tools
    from infra.doctor.check import Check, fail

    settings: Settings | None = None
    problem = ""
    try:
        settings = file_settings(name)
    except UserError as error:
        problem = str(error)
    yield from tools.checks(settings)
    if settings is None:
        yield Check("settings", lambda: fail(problem, ""))
        return
    yield from _here(name, settings) if settings.platform == "local" else _on_aws(name, settings)


def _here(name: str, settings: Settings) -> Iterator[Check]:
    from infra.cli.tenants import key_store
    from infra.doctor import local, stack
    from infra.doctor.check import Check

    yield from stack.checks(name, settings, key_store(name))
    yield from local.checks(name, settings)
    yield Check("ClickHouse", lambda: _asked_here(name, _version_here))
    yield Check("tables", lambda: _asked_here(name, partial(stack.tables, settings)))
    yield Check("worker", lambda: _asked_here(name, partial(stack.worker, name, settings)))


def _asked_here(name: str, look: Callable[[Client], Result]) -> Result:
    from infra.cli.local import is_up
    from infra.cli.reach import clickhouse
    from infra.doctor.check import Unseen

    if not is_up(name):
        raise Unseen("the stack is not up")
    with clickhouse(name, 1) as client:
        return look(client)


def _version_here(client: Client) -> Result:
    from infra.doctor.stack import clickhouse_version
    from infra.local.toolchain.versions import minimum

    return clickhouse_version(client, "", minimum("clickhouse"))


def _on_aws(name: str, settings: Settings) -> Iterator[Check]:
    from infra.cli.reach import clickhouse
    from infra.cli.tenants import key_store
    from infra.doctor import aws, aws_parts, kubernetes, quotas, stack

    seen = aws.Seen(name, settings, lambda: _outputs(name), lambda: _history(name), lambda: clickhouse(name, 1))
    yield from stack.checks(name, settings, key_store(name), seen.signed_in)
    yield from aws.checks(seen)
    yield from aws_parts.checks(seen)
    yield from kubernetes.checks(seen)
    yield from quotas.checks(name, settings, seen.signed_in)


def _engine() -> Any:
    """The engine, if it is there: nothing is built for a look."""
    from infra.doctor.check import Unseen
    from infra.local.toolchain import ensure
    from infra.local.toolchain.ensure import ready

    if ready("pulumi") is None:
        raise Unseen("the engine is not built yet (`telemetry tools`)")
    return ensure(["pulumi"])


def _outputs(name: str) -> Mapping[str, Any]:
    from infra.backend import check_backend, outputs

    check_backend(name)
    return outputs(name, _engine())


def _history(name: str) -> list[Any]:
    from pulumi import automation

    from infra.automation import opening_error
    from infra.backend import check_backend, open_stack

    check_backend(name)
    try:
        return open_stack(name, _engine()).history(page_size=20, show_secrets=False)
    except automation.CommandError as error:
        raise opening_error(name, error) from None


def table(done: list[Done]) -> Table:
    """A row each, what to do below what was found."""
    made = table_of("check", "", "found, and what to do", fold=("check", "found, and what to do"))
    for item in done:
        said = Text(item.found)
        if item.fix:
            said.append(f"\n-> {item.fix}", style="bold")
        made.add_row(item.name, Text(SHORT.get(item.state, item.state), COLOURS[item.state]), said)
    return made
