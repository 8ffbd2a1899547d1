"""What an `up` on this machine enters before anything is made, by the real engine."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.automation import state_file
from infra.ephemeral import here
from infra.ephemeral.account import Known
from infra.ephemeral.record import Record
from infra.ephemeral.standing import at_work, standing
from infra.local.toolchain import ensure
from infra.paths import ROOT

pytestmark = pytest.mark.timeout(300)
NOW = datetime.now(UTC).replace(microsecond=0)
RECORD = Record(NOW + timedelta(hours=8), NOW, "me", "c0ffee", "local", "", ())


def test_it_is_taken_back_unless_a_command_has_it_in_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (tmp_path / "infra").mkdir()
    monkeypatch.setattr("infra.automation.ROOT", tmp_path)
    monkeypatch.setattr("infra.paths.STACKS", tmp_path / ".telemetry")
    tools = ensure(["pulumi"])
    assert here.take_back_here("two", tools), "it never was entered"
    workspace = here.mark_here("two", RECORD, tools)
    assert here.find_here("two", tools) == Known("two", RECORD, 0)
    with pytest.raises(KeyboardInterrupt), at_work(workspace, "two", "up", others=False):
        known = here.find_here("two", tools)
        assert known and known.busy()
        assert standing(known, here.history_here("two", tools), NOW) == "coming up"
        raise KeyboardInterrupt
    assert here.find_here("two", tools) == Known("two", RECORD, 0)
    locks = state_file("two").parents[2] / "locks" / "organization" / "agent-telemetry" / "two"
    locks.mkdir(parents=True, exist_ok=True)
    lock = locks / "5b1b2c1e-0000-4000-8000-000000000000.json"
    lock.write_text(
        json.dumps({"pid": os.getpid(), "username": "me", "hostname": "elsewhere", "timestamp": NOW.isoformat()})
    )
    assert not here.take_back_here("two", tools) and state_file("two").exists()
    lock.unlink()
    assert here.take_back_here("two", tools)
    assert not (tmp_path / ".telemetry" / "two").exists()
