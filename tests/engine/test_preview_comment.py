"""`telemetry preview --markdown` and `telemetry comment` on a real engine: what a pull request of a local stack shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.comment.markdown import marker
from tests.stack import Stack, local_stack

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack that is never brought up."""
    with local_stack(up=False) as made:
        yield made


def test_a_new_stack_is_told_with_its_migrations(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "preview.md"
    stack.telemetry("preview", "--markdown", str(file), "--log-url", "https://ci.example.com/1")
    text = file.read_text()
    assert text.startswith(f"{marker(stack.name)}\n### :white_check_mark: `{stack.name}`: ")
    assert "pending migrations**" in text and "<code>0001_spans_raw</code>: metadata only" in text
    assert "CREATE TABLE IF NOT EXISTS telemetry.spans_raw" in text
    assert " created, 0 unchanged" in text
    assert "- `kafka` (local.Kafka)" in text
    assert "[The whole log](https://ci.example.com/1)" in text
    assert "Cost:" not in text, "this machine costs nothing"
    assert not stack.folder.exists()


def test_a_preview_that_is_refused_is_told_as_well(stack: Stack, tmp_path: Path) -> None:
    file, settings = tmp_path / "preview.md", stack.file.read_text()
    stack.file.write_text(settings + "  agent-telemetry:kafkaPartitions: 0\n")
    try:
        done = stack.telemetry("preview", "--markdown", str(file), check=False)
    finally:
        stack.file.write_text(settings)
    assert done.returncode == 1 and "What was done is kept" not in done.stderr
    assert f"### :x: `{stack.name}`: the preview failed" in file.read_text()
    assert "kafkaPartitions" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "token", "said"),
    [
        (("{file}", "--pr", "7"), "", "GITHUB_TOKEN is not set"),
        (("{file}", "--pr", "7", "--repository", "o"), "t", "owner/name is expected"),
        (("{file}.gone", "--pr", "7", "--repository", "o/r"), "t", "telemetry preview --name {name} --markdown"),
        (("{file}", "--pr", "7", "--repository", "o/r"), "t", "is not the preview of {name}"),
    ],
)
def test_what_a_comment_needs_is_named(
    stack: Stack, tmp_path: Path, arguments: tuple[str, ...], token: str, said: str
) -> None:
    file = tmp_path / "preview.md"
    file.write_text("something else")
    environment = {**stack.process_options["env"], "GITHUB_TOKEN": token, "GITHUB_REPOSITORY": ""}
    told = [argument.format(file=file) for argument in arguments]
    done = stack.telemetry("comment", *told, check=False, env=environment)
    assert done.returncode == 1 and said.format(name=stack.name) in " ".join(done.stderr.split())
