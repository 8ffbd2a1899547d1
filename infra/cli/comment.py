"""A preview for a pull request: the text, and the one comment that keeps it."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.console import Json, Name, emit, say, working
from infra.config import file_settings
from infra.errors import UserError

if TYPE_CHECKING:  # slow to import
    from pulumi import automation
    from rich.console import Console

    from infra.comment.effects import Shorter
    from infra.comment.recorder import Change
    from infra.settings import Settings


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    app.command()(comment)
    app.command()(compare)


class Preview:
    """What one preview shows and, where it is asked for, writes as a comment: when it fails as well."""

    def __init__(self, name: str, path: Path | None, log_url: str, live: bool):
        from infra.cli.engine import Counted
        from infra.cli.pending import PendingMigrations
        from infra.comment.recorder import Recorder

        self.pending, self.recorder, self._counted = PendingMigrations(), Recorder(), Counted()
        self.settings: Settings | None = None
        """Once they are known to be right."""
        self._name, self._path, self._log_url = name, path, log_url
        self._live = live
        """Whether live tables may be asked."""

    def take(self, event: automation.EngineEvent) -> None:
        """Looks at one engine event."""
        self.pending.take(event)
        self.recorder.take(event)
        self._counted.take(event)

    def as_json(self) -> dict[str, Any]:
        """What the preview shows: how many resources change how, which, and what that does."""
        from infra.comment.effects import pending_migrations, shorter

        assert self.settings is not None
        return {
            "changes": self._counted.changes,
            "resources": [_resource(change) for change in self.recorder.changes],
            "migrations": [
                dataclasses.asdict(item) for item in pending_migrations(self.pending.pending, self.settings)
            ],
            "effects": self.pending.effects,
            "grafana": [
                {"does": item.sign, "kind": item.kind, "title": item.title} for item in self.pending.dashboards
            ],
            "shorter_retention": [dataclasses.asdict(item) for item in shorter(self.recorder.changes)],
            "policies": [dataclasses.asdict(item) for item in self.recorder.findings],
        }

    def show_shorter(self, console: Console) -> None:
        """Prints what would keep its rows for less time."""
        from infra.comment.effects import shorter

        for item in shorter(self.recorder.changes):
            said = f"{item.what} keeps its rows for {item.after} instead of {item.before}: older ones are deleted"
            console.print(said, style="bold", highlight=False)

    def __enter__(self) -> Preview:
        return self

    def __exit__(self, _type: type | None, error: BaseException | None, _traceback: object) -> None:
        """Raises UserError when the file can't be written."""
        if self._path is None or not (error is None or isinstance(error, UserError)):
            return
        write(self._path, self._text(str(error) if error else ""))

    def _text(self, failure: str) -> str:
        from infra.comment.dashboards import lines
        from infra.comment.effects import shorter
        from infra.comment.markdown import Comment

        found = shorter(self.recorder.changes)
        expiring = _expiring(self._name, found) if self._live and found and not failure else {}
        if failure and not self.recorder.errors and not self.recorder.refused():
            self.recorder.errors.append(failure)
        notes = lines(self.pending.dashboards)
        return Comment(
            self._name,
            self.recorder,
            self.settings,
            self.pending.effects,
            notes,
            expiring,
            bool(failure),
            self._log_url,
        ).text()


def _resource(change: Change) -> dict[str, Any]:
    return {"type": change.type, "name": change.name, "does": change.op, "properties": change.properties}


def write(path: Path, text: str) -> None:
    """Raises UserError when the file can't be written."""
    try:
        path.write_text(text)
    except OSError as error:
        raise UserError(f"--markdown {path}: {error.strerror}") from None


def _expiring(name: str, found: list[Shorter]) -> dict[str, str]:
    from infra.cli.reach import clickhouse
    from infra.comment.effects import expiring

    with clickhouse(name) as client:
        return expiring(client, found)


def comment(
    file: Annotated[
        Path, typer.Argument(help="What `telemetry preview --markdown` or `ephemeral up --markdown` wrote.")
    ],
    pull_request: Annotated[int, typer.Option("--pr", min=1, help="The pull request's number.")],
    name: Name = "local",
    repository: Annotated[str, typer.Option(envvar="GITHUB_REPOSITORY", help="owner/name")] = "",
    api: Annotated[str, typer.Option(envvar="GITHUB_API_URL", help="GitHub's API.")] = "https://api.github.com",
    as_json: Json = False,
) -> None:
    """Keeps one comment a stack and kind on a pull request: makes it, edits it in place, is silent when nothing changes."""
    from infra.comment.github import PullRequest
    from infra.comment.markdown import is_silent, marker
    from infra.ephemeral.comment import marker as ephemeral_marker

    token = os.environ.get("GITHUB_TOKEN", "")
    if not token:
        raise UserError("GITHUB_TOKEN is not set: in a workflow, `env: GITHUB_TOKEN: ${{ github.token }}`")
    if repository.count("/") != 1:
        raise UserError(f"--repository {repository!r}: owner/name is expected (GITHUB_REPOSITORY has it in a workflow)")
    try:
        text = file.read_text()
    except OSError as error:
        raise UserError(
            f"{file}: {error.strerror}; `telemetry preview --name {name} --markdown {file}` writes it"
        ) from None
    kind = next((line for line in (marker(name), ephemeral_marker(name)) if text.startswith(line)), None)
    if kind is None:
        raise UserError(f"{file} is not the preview of {name}: it begins with {text.splitlines()[:1]}")
    done = PullRequest(repository, pull_request, token, api).keep_one(kind, text, is_silent(text))
    if as_json:
        emit({"repository": repository, "pull_request": pull_request, "done": done})
    else:
        say(f"{repository}#{pull_request}: {done}")


def compare(
    base: Annotated[Path, typer.Argument(help="A checkout of what to compare with: `git worktree add ../base main`.")],
    name: Name = "dev",
    markdown: Annotated[Path | None, typer.Option(help="Write it to this file instead of printing it.")] = None,
    log_url: Annotated[str, typer.Option(help="Where it says that the whole log is.")] = "",
    as_json: Json = False,
) -> None:
    """Shows what this tree declares for a stack against what another one does: without an engine, a state or credentials."""
    from infra.comment.dashboards import lines
    from infra.comment.declared import compared, grafana_changes, of_tree
    from infra.comment.judged import judged
    from infra.comment.markdown import Comment
    from infra.paths import ROOT

    if not (base / "infra" / "pipeline.py").is_file():
        raise UserError(f"{base} is no checkout of this repository: it has no infra/pipeline.py")
    settings = file_settings(name)
    with working("running both trees' programs"), ThreadPoolExecutor() as both:
        before, after = both.map(lambda tree: of_tree(tree, name), (base, ROOT))
    found = compared(before, after)
    if settings.platform == "aws":
        found.findings += judged(after)
    notes = lines(grafana_changes(found))
    said = Comment(
        name,
        found,
        settings,
        notes=notes,
        log_url=log_url,
        against="the base branch; not with what is deployed",
    ).text()
    if markdown is not None:
        write(markdown, said)
    if as_json:
        policies = [dataclasses.asdict(item) for item in found.findings]
        resources = [_resource(change) for change in found.changes]
        emit({"stack": name, "resources": resources, "notes": notes, "policies": policies})
    elif markdown is None:
        print(said)
