"""A local stack's parts, for people in words and for programs in figures."""

from __future__ import annotations

import os
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from infra.cli.parts import parts_here
from infra.local.supervisor import Control

RUNS = {"statename": "RUNNING", "pid": os.getpid(), "now": 1_000, "start": 940}
DOWN = {"statename": "FATAL", "pid": 0, "now": 1_000, "start": 990}


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack whose collector runs and whose worker does not."""
    monkeypatch.setattr(Control, "alive", lambda _: True)
    monkeypatch.setattr(Control, "processes", lambda _: {"collector": RUNS, "worker": DOWN})


@pytest.mark.usefixtures("up")
def test_figures_are_numbers_and_what_is_not_there_is_null() -> None:
    found = parts_here("mine")
    collector, worker = found.rows
    memory: Any = collector.pop("memory_bytes")
    assert isinstance(memory, int) and memory > 2**20
    assert collector == {"part": "collector", "state": "RUNNING", "pid": os.getpid(), "up_seconds": 60}
    assert worker == {"part": "worker", "state": "FATAL", "pid": None, "up_seconds": None, "memory_bytes": None}
    assert found.down == ["worker"]


@pytest.mark.usefixtures("up")
def test_the_table_says_them_in_words() -> None:
    with StringIO() as text:
        Console(file=text, width=80).print(parts_here("mine").table())
        said = text.getvalue().splitlines()
    assert "60 s" in said[1] and said[1].rstrip().endswith("MiB")
    assert said[2].split() == ["worker", "FATAL"]
