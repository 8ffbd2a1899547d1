"""`telemetry ephemeral`: what it refuses before anything is made, and whose pull request it asks GitHub about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from infra.cli import app
from infra.cli.ephemeral_agents import write_env_file
from infra.cli.ephemeral_end import closed_on_github
from infra.cli.ephemeral_up import of_the_same, taken_back
from infra.config import PROJECT
from infra.ephemeral import here
from infra.ephemeral.account import Known
from infra.ephemeral.comment import down, up
from infra.ephemeral.record import Record
from infra.errors import UserError
from infra.settings import PORTS
from tests.engine.aws_engine import committed, example_values
from tests.github_stub import github

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
RECORD = Record(NOW, NOW, "o/r/pull/7", "c0ffee", "aws", "dev", ("network", "kafka"))


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a stack file for dev, and nobody's backend or passphrase."""
    for module in (
        "infra.config",
        "infra.backend",
        "infra.ephemeral.template",
        "infra.ephemeral.here",
        "infra.cli.ephemeral_up",
    ):
        monkeypatch.setattr(f"{module}.ROOT", tmp_path)
    for name in ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("infra.paths.STACKS", tmp_path / ".telemetry")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    (tmp_path / "Pulumi.yaml").write_text("name: agent-telemetry\n")
    lending(tmp_path, committed("dev") | {"collectorZoneId": "Z0123"})
    return tmp_path


def lending(tree: Path, settings: Mapping[str, object]) -> None:
    content = {"config": {f"{PROJECT}:{key}": value for key, value in settings.items()}}
    (tree / "Pulumi.dev.yaml").write_text(yaml.safe_dump(content))


def refused(*words: str) -> str:
    done = CliRunner().invoke(app, ["ephemeral", *words])
    assert isinstance(done.exception, UserError), f"{done.stdout}\n{done.exception!r}"
    return str(done.exception)


def test_without_a_backend_nothing_is_written(tree: Path) -> None:
    assert "no backend is chosen for the stack pr-7" in refused("up", "pr-7")
    assert "no backend is chosen for ephemeral stacks on AWS" in refused("fetch", "pr-7")
    assert not list(tree.glob("Pulumi.pr-*.yaml"))


def test_without_anything_that_encrypts_nothing_is_written(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    assert "nothing encrypts the secrets of the stack pr-7" in refused("up", "pr-7")
    assert not list(tree.glob("Pulumi.pr-*.yaml"))


def test_example_values_of_the_lending_stack_are_refused(tree: Path) -> None:
    lending(tree, example_values("dev") | {"collectorZoneId": "Z0123"})
    said = refused("up", "pr-7")
    assert "awsAccount: still an example value" in said and "collectorDomain" in said
    assert not list(tree.glob("Pulumi.pr-*.yaml"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "pr-7", "--ttl", "0h"), "ends at once"),
        (("up", "pr-7", "--ttl", "999h"), "the most is 72h"),
        (("up", "pr-7", "--local", "--own", "all"), "--own: a stack on this machine has all of its own"),
        (("up", "dev"), "dev is here to stay"),
        (("up", "pr.7"), "small letters and digits"),
        (
            ("up", "pr-7", "--env-file", "/nowhere/agents.env"),
            "--env-file /nowhere/agents.env: there is no folder /nowhere",
        ),
        (("up", "pr-7", "--env-file", "/"), "--env-file /: a folder"),
        (("up", "pr-7", "--markdown", "/nowhere/said.md"), "--markdown /nowhere/said.md: there is no folder"),
        (("reap", "--closed", "seven"), "numbers of pull requests are expected"),
    ],
)
def test_bad_words_are_refused_before_anything(words: tuple[str, ...], said: str, tree: Path) -> None:
    assert said in refused(*words)
    assert not list(tree.glob("Pulumi.pr*.yaml"))


@pytest.mark.parametrize(
    ("is_on", "words", "said"), [("local", (), "say --local"), ("aws", ("--local",), "leave --local out")]
)
def test_one_of_the_name_on_the_other_platform_keeps_its_file(
    is_on: str, words: tuple[str, ...], said: str, tree: Path
) -> None:
    file = tree / "Pulumi.pr-7.yaml"
    file.write_text(f"config: {{{PROJECT}:platform: {is_on}, {PROJECT}:expiresAt: '2026-11-30T12:00:00Z'}}\n")
    before = file.read_text()
    told = refused("up", "pr-7", *words)
    assert f"the ephemeral stack pr-7 is on {is_on}, not" in told and said in told
    assert file.read_text() == before


def test_an_up_that_is_refused_is_told_to_the_pull_request_as_well(tree: Path) -> None:
    refused("up", "pr-7", "--ttl", "0h", "--markdown", str(tree / "said.md"))
    assert "`pr-7` is not up" in (tree / "said.md").read_text() and "ends at once" in (tree / "said.md").read_text()


def test_a_repeated_up_keeps_who_made_it_and_when() -> None:
    again = Record(NOW.replace(hour=20), NOW.replace(hour=13), "somebody", "beef", "aws", "dev", ("network", "kafka"))
    found = of_the_same(Known("pr-7", RECORD, 9), again)
    assert (found.made, found.owner, found.expires, found.commit) == (NOW, "o/r/pull/7", again.expires, "beef")
    assert of_the_same(None, again) == again
    assert of_the_same(Known("pr-7", None, 0), again) == again, "what a killed command left before the first resource"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (Known("pr-7", None, 9), "a stack pr-7 that is not ephemeral, with 9 resources"),
        (Known("pr-7", Record(NOW, NOW, "me", "", "aws", "", ()), 9), "shares parts of nobody, not dev (made by me)"),
        (
            Known("pr-7", Record(NOW, NOW, "me", "", "aws", "dev", ("network",)), 9),
            "shares network, not network, kafka",
        ),
        (Known("pr-7", Record(NOW, NOW, "me", "", "local", "", ()), 9), "is on local, not aws"),
    ],
)
def test_another_stack_of_the_name_is_refused(there: Known, said: str) -> None:
    with pytest.raises(UserError) as told:
        of_the_same(there, RECORD)
    assert said in str(told.value)


def test_the_error_of_what_nothing_came_of_comes_first_and_what_stays_is_named(tree: Path) -> None:
    file = tree / "Pulumi.pr-7.yaml"

    def stays() -> bool:
        raise UserError("AccessDenied")

    def ups(take_back: Callable[[], bool], known: Known | None = None, error: BaseException | None = None) -> str:
        with pytest.raises(UserError) as told, taken_back("pr-7", known, take_back):
            file.write_text("mine")
            raise error or UserError("policies refuse this")
        return str(told.value)

    assert ups(lambda: True) == "policies refuse this" and not file.exists()
    first, second = ups(stays).splitlines()
    assert first == "policies refuse this" and second.startswith(
        "pr-7 stays entered, with nothing in it (AccessDenied)"
    )
    file.write_text("yours")
    assert ups(lambda: True) == "policies refuse this" and file.read_text() == "yours", "as it was before"
    assert ups(stays, Known("pr-7", RECORD, 0)) == "policies refuse this" and file.read_text() == "mine", "it was there"
    with pytest.raises(KeyboardInterrupt), taken_back("pr-7", None, stays):
        raise KeyboardInterrupt


def test_github_is_asked_about_this_repository_s_pull_requests_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Known("pr-7", RECORD, 9)
    with github(closed={7}) as (api, _, calls):
        assert not closed_on_github(7, known, "o/r", api), "without a token nobody is asked"
        monkeypatch.setenv("GITHUB_TOKEN", "token")
        assert not closed_on_github(7, known, "other/r", api), "its number 7 is another one"
        assert calls == []
        assert closed_on_github(7, known, "o/r", api)
        assert calls == ["GET /repos/o/r/pulls/7"]
    with github() as (api, _, _):
        assert not closed_on_github(7, known, "o/r", api)
    with github(status=403) as (api, _, _), pytest.raises(UserError, match="to look: read"):
        closed_on_github(7, known, "o/r", api)


def test_its_comment_stands_beside_the_preview_s_and_is_edited(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "token")
    file = tree / "said.md"
    words = ["comment", str(file), "--name", "pr-7", "--pr", "7", "--repository", "o/r"]
    with github() as (api, comments, _):
        for text in (down("pr-7"), up("pr-7", RECORD, {"otlpHttp": "https://otlp"}), down("pr-7")):
            file.write_text(text)
            done = CliRunner().invoke(app, [*words, "--api", api])
            assert done.exit_code == 0, done.exception
            assert len(comments) == (0 if text == down("pr-7") and not comments else 1)
        assert "is taken down" in comments[0]["body"]


def test_without_tokens_the_agents_file_names_the_tenant(tree: Path, tmp_path: Path) -> None:
    (tree / "Pulumi.two.yaml").write_text(f"config: {{{PROJECT}:platform: local}}\n")
    path = tmp_path / "agents.env"
    said = write_env_file(path, "two", "http://127.0.0.1:20018", NOW)
    assert said == {"envFile": str(path), "tenant": "two"}
    assert "OTEL_RESOURCE_ATTRIBUTES=tenant.id=two" in path.read_text().splitlines()
    assert path.stat().st_mode & 0o077 == 0


def test_a_free_range_of_ports_is_found_and_kept(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    # Elsewhere: from the usual one on, another test's stacks come and go.
    monkeypatch.setattr(here, "FIRST_PORT", 2000)
    first = here.port_base("one", is_up=False)
    (tree / "Pulumi.one.yaml").write_text(f"config:\n  {PROJECT}:portBase: {first}\n")
    assert here.port_base("one", is_up=True) == first
    second = here.port_base("two", is_up=False)
    assert second > first, "one's, although nothing listens there now"
    with socket.socket() as held:
        held.bind(("127.0.0.1", second + PORTS["kafkaPort"][1]))
        assert here.port_base("two", is_up=False) not in (first, second)
        (tree / "Pulumi.two.yaml").write_text(f"config:\n  {PROJECT}:portBase: {second}\n")
        assert here.port_base("two", is_up=True) == second, "who holds it may be the stack itself"
        assert here.port_base("two", is_up=False) not in (first, second), "of a stack that is no more"


def test_two_at_once_get_ports_of_their_own(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "STACKS", tree / ".telemetry")
    order: list[str] = []

    def take(name: str) -> int:
        with here.ports_held():
            order.append(f"{name} looks")
            base = here.port_base(name, is_up=False)
            (tree / f"Pulumi.{name}.yaml").write_text(f"config:\n  {PROJECT}:portBase: {base}\n")
            order.append(f"{name} has written")
        return base

    with ThreadPoolExecutor() as pool:
        bases = list(pool.map(take, ("one", "two", "three", "four")))
    assert len(set(bases)) == 4
    assert all(
        second == f"{first.split()[0]} has written" for first, second in zip(order[::2], order[1::2], strict=True)
    )
