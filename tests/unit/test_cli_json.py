"""`--json`: on every command that prints a result, one JSON document on stdout and nothing else there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from infra.cli import app
from infra.paths import ROOT

WITHOUT = {
    "logs": "a stream of lines that ends with Ctrl-C",
    "dashboards serve": "runs in the foreground until Ctrl-C",
    "bootstrap explain": "its only result is the error",
}


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by the words that call it; a group too where it does something by itself."""
    for name, command in group.commands.items():
        words = f"{before} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, words)
            if not command.invoke_without_command:
                continue
        yield words, command


COMMANDS = dict(commands(typer.main.get_command(app)))


def options(command: Any) -> list[str]:
    return [option for parameter in command.params for option in parameter.opts]


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_every_command_has_it_or_a_reason(words: str) -> None:
    assert ("--json" in options(COMMANDS[words])) != (words in WITHOUT), WITHOUT.get(words, "it prints a result")


def test_the_exceptions_are_commands() -> None:
    assert WITHOUT.keys() <= COMMANDS.keys()


def test_no_command_has_a_second_way_to_ask_for_json() -> None:
    for words, command in COMMANDS.items():
        for parameter in command.params:
            help_ = str(getattr(parameter, "help", "") or "").lower()
            assert "--json" in parameter.opts or "json" not in help_, f"{words} {parameter.opts}"


def said(*words: str) -> tuple[Any, str]:
    """What a command says on stdout, read as JSON, and on stderr."""
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), done.stderr


def test_what_is_said_on_the_way_is_on_stderr(tmp_path: Path) -> None:
    found, notes = said("dashboards", "build", "--out", str(tmp_path))
    assert len(found) == 6 and all(Path(item["file"]).is_file() and item["title"] for item in found)
    assert notes.count(".json") == 6
    plain = CliRunner().invoke(app, ["dashboards", "build", "--out", str(tmp_path)])
    assert plain.stdout == notes and plain.stderr == "", "without it results are on stdout again"


def test_results_are_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert said("settings")[0]["kafkaPartitions"]["default"] == 6
    monkeypatch.setattr("infra.local.layout.stack_folder", lambda name: tmp_path / name)
    made, note = said("tenants", "add", "acme", "globex")
    assert made["token"].count(".") == 2 and made["tenants"] == ["acme", "globex"] and made["expires"] > made["created"]
    assert made["token"] not in note
    (listed,) = said("tenants", "list")[0]
    assert listed == {key: made[key] for key in ("credential", "tenants", "created", "expires")}
    assert said("tenants", "revoke", "acme")[0] == {"revoked": [made["credential"]]}


def test_an_error_is_json_as_well(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "query", "SELECT 1", "--name", "nobody-s", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] in done.stderr.removeprefix("error: ")
    assert "Pulumi.nobody-s.yaml" in done.stdout


def test_a_statement_with_a_format_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(app, ["query", "SELECT 1 FORMAT TSV", "--json"])
    assert "FORMAT TSV" in str(done.exception) and done.stdout == ""
