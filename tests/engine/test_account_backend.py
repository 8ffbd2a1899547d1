"""A stack in a backend of the user's own, by the real engine: what a preview leaves, what outputs show, what is kept."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest

from infra import backend
from infra.automation import remove_stack
from infra.local.toolchain import Toolchain, ensure
from infra.paths import ROOT

CANARY = "s3cr3t-canary"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Toolchain:
    """The engine, on a backend and with a Pulumi home of this test's own."""
    tools = ensure(["pulumi"])
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", (tmp_path / "state").as_uri())
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "a passphrase of one's own")
    monkeypatch.delenv("PULUMI_ACCESS_TOKEN", raising=False)
    return tools


@pytest.fixture
def stack_file() -> Iterator[Path]:
    path = ROOT / f"Pulumi.test-{os.getpid()}-{secrets.token_hex(3)}.yaml"
    path.write_text("# a comment of mine\nconfig:\n  agent-telemetry:platform: aws\n")
    yield path
    path.unlink(missing_ok=True)


def program() -> None:
    """Outputs alone: what AWS would be asked for is not this test's subject."""
    pulumi.export("plain", "seen")
    pulumi.export("hidden", pulumi.Output.secret(CANARY))
    pulumi.export("mixed", {"hidden": pulumi.Output.secret(CANARY), "plain": "seen"})


def test_a_stack_lives_in_the_user_s_backend_and_shows_no_secret(
    engine: Toolchain, stack_file: Path, tmp_path: Path
) -> None:
    name, before = stack_file.suffixes[0].removeprefix("."), stack_file.read_text()
    said: list[str] = []

    # A preview of what is not there yet leaves backend and stack file as they were.
    assert backend.find_stack(name, engine, program) is None
    with backend.forgotten_afterwards(name, engine, program) as stack:
        assert stack.preview(on_output=said.append).change_summary == {"create": 1}
    assert stack_file.read_text() == before
    assert backend.find_stack(name, engine, program) is None

    stack = backend.find_stack(name, engine, program, create=True)
    assert stack
    stack.up(show_secrets=False, on_output=said.append)
    masked = {"plain": "seen", "hidden": backend.SECRET, "mixed": {"hidden": backend.SECRET, "plain": "seen"}}
    assert backend.outputs(name, engine) == masked
    assert {key: output.secret for key, output in stack.outputs().items()}["hidden"]
    written = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*.json*"))
    assert '"plain"' in written and CANARY not in written + "".join(said)
    # The user's own `pulumi` goes on working on whatever it was working on.
    selected = [json.loads(path.read_text()) for path in (tmp_path / "home").rglob("workspaces/*.json")]
    assert not [item for item in selected if item.get("stack")]

    stack.destroy(show_secrets=False)
    remove_stack(stack, name)
    assert backend.find_stack(name, engine, program) is None
    assert stack_file.read_text().startswith(before)
