"""A stack's name is refused by every command before it becomes the name of a file or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from infra.cli import app
from infra.errors import UserError
from infra.paths import stack_folder
from infra.settings.names import name_problems


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, bool]]:
    """Every command that takes a stack's name, and whether as an option."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        for parameter in command.params:
            if parameter.name == "name":
                yield " ".join((*path, name)), parameter.param_type_name == "option"


TAKEN = list(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", ["..", "../x", "a/b", ".hidden", "-x", "", "x" * 101])
def test_what_is_no_name_is_refused(name: str) -> None:
    for platform in ("local", "aws"):
        assert name_problems(name, platform), platform


@pytest.mark.parametrize(("command", "option"), TAKEN)
def test_each_command_refuses_another_folder_s_name(command: str, option: bool) -> None:
    given = ["--name", ".."] if option else [".."]
    # What else a command has to be given stands behind it, and is not looked at.
    with pytest.raises(UserError, match=r"'\.\.' is no stack's name"):
        CliRunner().invoke(app, [*command.split(), *given, "x", "x"], catch_exceptions=False)


def test_all_of_them_are_found() -> None:
    found = {command for command, _ in TAKEN}
    assert {"up", "down", "status", "retention apply", "ephemeral down", "budgets"} <= found and len(found) > 25


@pytest.mark.parametrize("command", [("status",), ("logs",), ("tenants", "list"), ("tenants", "revoke", "acme")])
def test_a_stack_that_nobody_has_made_is_told_as_such(command: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"there is no Pulumi\.nosuch\.yaml: the stack nosuch does not exist yet"):
        CliRunner().invoke(app, [*command, "--name", "nosuch"], catch_exceptions=False)
    assert not stack_folder("nosuch").exists()
