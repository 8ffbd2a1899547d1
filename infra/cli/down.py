"""`telemetry down`: everything that a stack made is removed, its data included."""

from __future__ import annotations

import shutil

import typer

from infra.cli.console import Json, Name, emit, say
from infra.cli.engine import Counted, display, engine, explained, open_stack
from infra.cli.local import SHIPPED, end_left_behind, stack_platform
from infra.config import PROJECT, file_settings, stack_file
from infra.errors import UserError
from infra.paths import ROOT, stack_folder
from infra.settings import Settings


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command()(down)


def down(name: Name = "local", as_json: Json = False) -> None:
    """Stops and removes everything that this stack created, its data included."""
    counted = Counted()
    if stack_platform(name) == "local":
        was_up = _down_here(name, counted)
    else:
        was_up = _down_on_aws(name, file_settings(name), counted)
    if as_json:
        emit({"stack": name, "was_up": was_up, "changes": counted.changes})


def _down_here(name: str, counted: Counted) -> bool:
    from infra.automation import remove_stack, state_file

    folder = stack_folder(name)
    if not state_file(name).exists():
        end_left_behind(name)
        shutil.rmtree(folder, ignore_errors=True)
        say(f"{name}: nothing was up")
        return False
    stack = open_stack(name, "local")
    with explained(name, "local"):
        stack.destroy(show_secrets=False, on_event=counted.take, **display())
    remove_stack(stack, name)
    end_left_behind(name)
    shutil.rmtree(folder, ignore_errors=True)
    if name not in SHIPPED:
        (ROOT / stack_file(name)).unlink(missing_ok=True)
    say(f"{name}: everything is stopped and removed")
    return True


def _down_on_aws(name: str, found: Settings, counted: Counted) -> bool:
    if found.protect:
        from infra.policies import is_prod

        rules = ", exempt it from the rules protected, KMS.3 and ELB.6 (docs/policy.md)"
        exempt = rules if is_prod(found.env, False) else ""
        raise UserError(
            f"{stack_file(name)}: protect is true, so this stack's data may not be deleted. To delete it all the same, set "
            f"{PROJECT}:protect: false{exempt}, run `telemetry up --name {name}` (which lifts the protection), then this again"
        )
    from infra.automation import remove_stack
    from infra.backend import check_backend, find_stack

    check_backend(name)
    stack = find_stack(name, engine(found.platform))
    if stack is None:
        say(f"{name}: nothing was up")
        return False
    with explained(name, found.platform):
        # What is protected is refused here: the destroy itself would first delete everything else.
        stack.preview_destroy(show_secrets=False, **display())
        stack.destroy(show_secrets=False, on_event=counted.take, **display())
    remove_stack(stack, name)
    say(f"{name}: everything is removed")
    return True
