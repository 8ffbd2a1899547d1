"""Every `telemetry …` that the documents tell people to type exists, with its options; links within the documents lead
somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from infra.cli import app
from infra.paths import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "examples" / "README.md"])
CALL = re.compile(r"(?<![\w/.-])(?:\.venv/bin/)?telemetry ((?:[a-z]+\b|--).*)")
GROUP = typer.main.get_command(app)


def told(path: Path) -> Iterator[str]:
    """What follows `telemetry` in a document's code: in backquotes, or on an indented or fenced line."""
    fenced = False
    text = path.read_text()
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if (fenced or line.startswith("    ")) and (found := CALL.match(line.strip().removeprefix("$ "))):
            yield found[1].partition(" #")[0]
    for code in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if found := CALL.match(" ".join(code.split())):
            yield found[1]


def problem(call: str) -> str:
    """What is wrong with a call; '' when nothing is."""
    try:
        words = shlex.split(call.rstrip("…").strip())
    except ValueError:
        words = call.split()
    command: Any = GROUP
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if command is GROUP:
        return "" if words[:1] == ["--help"] else f"there is no command {words[0]}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", word)]
    return ", ".join(f"no option {word}" for word in unknown if word not in {*known, "--help"})


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_exist(path: Path) -> None:
    wrong = {call: said for call in told(path) if (said := problem(call))}
    assert not wrong


def test_wrong_ones_are_found() -> None:
    assert problem("frobnicate --all") and problem("status --watchh") and not problem("tenants add acme --days 3")


def test_the_runbooks_are_read() -> None:
    calls = list(told(ROOT / "docs" / "operations.md"))
    for verb in ("status", "doctor", "alerts", "audit", "backfill", "unlock", "pin", "query", "up", "preview"):
        assert any(call.startswith(verb) for call in calls), verb


def anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        file, _, section = target.partition("#")
        if file.startswith(("http:", "https:", "mailto:")):
            continue
        found = (path.parent / file).resolve() if file else path
        if not found.exists():
            wrong.append(target)
        elif section and found.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            if section not in map(anchor, headings):
                wrong.append(target)
    assert not wrong
