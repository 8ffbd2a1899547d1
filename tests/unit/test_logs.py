"""`telemetry logs`: how much of each part's log it begins with."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import app


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stack with one part that has logged three lines."""
    monkeypatch.setattr("infra.cli.watch.run_folder", lambda _: tmp_path)
    (tmp_path / "worker.log").write_text("one\ntwo\nthree\n")


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize(
    ("tail", "shown"),
    [("0", []), ("2", ["two", "three"]), ("3", ["one", "two", "three"]), ("9", ["one", "two", "three"])],
)
def test_tail(tail: str, shown: list[str]) -> None:
    done = CliRunner().invoke(app, ["logs", "--no-follow", "--tail", tail])
    assert done.exit_code == 0 and done.stdout.splitlines() == [f"worker | {line}" for line in shown]


@pytest.mark.usefixtures("logged")
def test_fewer_than_none_is_refused() -> None:
    assert CliRunner().invoke(app, ["logs", "--no-follow", "--tail", "-1"]).exit_code == 2
