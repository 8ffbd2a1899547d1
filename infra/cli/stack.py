"""`telemetry up` and `telemetry preview`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.console import Json, Name, console, emit, error_console, working
from infra.cli.engine import (
    Counted,
    display,
    explained,
    open_stack,
    opened_for_a_look,
    plain_outputs,
    print_endpoints,
)
from infra.cli.local import check_free_ports, make_stack_file
from infra.config import file_settings
from infra.errors import UserError
from infra.settings import Settings

if TYPE_CHECKING:  # a second of imports, and these commands are loaded with every other one
    from pulumi import automation

    from infra.cli.comment import Preview


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.command()(up)
    app.command()(preview)


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
    as_json: Json = False,
) -> None:
    """Brings the stack up, or up to date, and prints its endpoints."""
    make_stack_file(name, port_base)
    with _continued(name):
        done = bring_up(name, refresh, diff, plan, count=as_json)
    if as_json:
        outputs = plain_outputs(done.outputs)
        emit({"stack": name, "seconds": round(done.seconds, 1), "changes": done.changes, "outputs": outputs})
    else:
        print_endpoints(name, done.outputs, done.seconds)


@dataclass(frozen=True)
class Up:
    """What an `up` did."""

    seconds: float
    changes: dict[str, int]
    """How many resources, by what became of them, where they were to be counted."""
    outputs: automation.OutputMap


def bring_up(
    name: str,
    refresh: bool = False,
    diff: bool = False,
    plan: Path | None = None,
    count: bool = False,
    create: bool = True,
) -> Up:
    """Brings a stack up whose file is there. `count`: its changes, which takes the engine's events. `create`: also one that is
    not in the user's backend yet. Raises UserError."""
    from infra.automation import load_program, state_file
    from infra.policies import policy_options

    found = file_settings(name)
    if plan is not None and not plan.is_file():
        raise UserError(f"--plan {plan}: no such file; `telemetry preview --name {name} --save-plan {plan}` writes it")
    load_program(found.platform)
    if found.platform == "local":
        check_free_ports(name, found)
        # A part that was killed from outside is drift, which only a refresh sees.
        refresh = state_file(name).exists()
    else:
        check_ready(name, found)
        _check_policies(name, found)
    stack = open_stack(name, found.platform, create)
    began, counted = time.monotonic(), Counted()
    with explained(name, found.platform):
        done = stack.up(
            # With the program at hand each resource is looked at where its turn comes: one pass, one dynamic provider,
            # and a healed part is asked.
            refresh=refresh,
            run_program=refresh,
            diff=diff,
            plan=str(plan) if plan else None,
            suppress_outputs=True,
            show_secrets=False,
            on_event=counted.take if count else None,
            **policy_options(found),
            **display(all_lines=diff),
        )
        return Up(time.monotonic() - began, counted.changes, done.outputs)


@contextmanager
def _continued(name: str) -> Iterator[None]:
    """What somebody who has stopped it may want to know."""
    try:
        yield
    except KeyboardInterrupt:
        note = f"what is made stays: `telemetry up --name {name}` goes on, `telemetry down --name {name}` takes it away"
        error_console.print(note, style="yellow", markup=False, highlight=False, soft_wrap=True)
        raise


def check_ready(name: str, found: Settings) -> None:
    """What the program refuses, before a stack is made in the user's backend."""
    from infra.guard import objections

    if against := objections(found, name):
        raise UserError("this stack is not ready for an `up`:\n" + "\n".join(against))


def _check_policies(name: str, found: Settings) -> None:
    """A preview against the policy pack: by itself an `up` would find what takes the whole stack when all of it is there.
    Shown only when it fails."""
    from infra.comment.recorder import Recorder
    from infra.policies import policy_options, refusal_named

    said: list[str] = []
    seen = Recorder()
    shown = {**display(), "on_output": said.append}
    with working("checking policies"), opened_for_a_look(name, found.platform) as stack:
        try:
            with refusal_named(seen), explained(name, found.platform, preview=True):
                stack.preview(on_event=seen.take, **policy_options(found), **shown)
        except UserError:
            show = display()["on_output"]
            for line in said:
                show(line)
            raise


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
    as_json: Json = False,
) -> None:
    """Shows what `up` would do. Touches nothing."""
    from infra.cli.comment import Preview

    with Preview(name, markdown, log_url, live=refresh) as seen:
        _preview(name, refresh, diff, seen, save_plan)
        if as_json:
            emit({"stack": name, **seen.as_json()})


def _preview(name: str, refresh: bool, diff: bool, seen: Preview, save_plan: Path | None) -> None:
    from infra.automation import load_program
    from infra.policies import policy_options, refusal_named

    found = seen.settings = file_settings(name)
    load_program(found.platform)
    with (
        opened_for_a_look(name, found.platform) as stack,
        refusal_named(seen.recorder),
        explained(name, found.platform, preview=True),
    ):
        stack.preview(
            refresh=refresh,
            run_program=refresh,
            diff=diff,
            plan=str(save_plan) if save_plan else None,
            on_event=seen.take,
            **policy_options(found),
            **display(all_lines=diff),
        )
    seen.pending.show(console, found, diff)
    seen.show_shorter(console)
