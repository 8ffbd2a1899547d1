"""A local stack's parts, for people in words and for programs in figures."""

from __future__ import annotations

import os
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from infra.cli.parts import parts_here
from infra.local.layout import PARTS
from infra.local.supervisor import Control

RUNS = {"statename": "RUNNING", "pid": os.getpid(), "now": 1_000, "start": 940}
DOWN = {"statename": "FATAL", "pid": 0, "now": 1_000, "start": 990}


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack whose parts run, but for the worker."""
    monkeypatch.setattr(Control, "alive", lambda _: True)
    monkeypatch.setattr(Control, "processes", lambda _: {**dict.fromkeys(PARTS, RUNS), "worker": DOWN})


@pytest.mark.usefixtures("up")
def test_figures_are_numbers_and_what_is_not_there_is_null() -> None:
    found = parts_here("mine")
    collector, worker = (row for row in found.rows if row["part"] in ("collector", "worker"))
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
    assert said[len(PARTS)].split() == ["worker", "FATAL"]


@pytest.mark.usefixtures("up")
def test_a_part_that_an_up_has_not_come_to_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Control, "processes", lambda _: {"kafka": RUNS, "collector": RUNS})
    found = parts_here("mine")
    assert [row["part"] for row in found.rows] == sorted(PARTS)
    assert found.down == ["clickhouse", "dashboards", "worker"]
    assert {row["state"] for row in found.rows if row["part"] in found.down} == {"MISSING"}
