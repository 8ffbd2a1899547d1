"""The migration files: sql/migrations/NNNN_name.sql read, checked and rendered. Touches no database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta

from infra.errors import UserError
from infra.paths import SQL
from infra.postdeploy.statements import split
from infra.templates import render

FOLDER = SQL / "migrations"
KINDS = {
    "metadata": "changes definitions only",
    "rewrite": "rewrites stored rows",
    "delete": "deletes stored rows",
}
_NAME = re.compile(r"(\d{4})_([a-z0-9]+(?:_[a-z0-9]+)*)\.sql")
_KIND = re.compile(r"^-- kind:\s*(.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class MigrationFile:
    """One file, not rendered yet."""

    number: int
    name: str
    """The file's stem, e.g. 0001_spans_raw: also the Pulumi resource's name."""
    kind: str
    checksum: str
    """sha256 of the file as it stands in git: independent of settings."""
    path: Path

    def rendered(self, values: Mapping[str, Any]) -> Migration:
        """The migration with its placeholders filled. Raises UserError."""
        try:
            sql = render(self.path, values)
        except jinja2.TemplateError as error:
            raise UserError(f"{self.path.name}: {error.message or error}") from None
        return Migration(self.number, self.name, self.kind, self.checksum, sql)


@dataclass(frozen=True)
class Migration:
    """One migration as it will be run."""

    number: int
    name: str
    kind: str
    checksum: str
    sql: str

    def statements(self) -> list[str]:
        """Its statements in order. Raises UserError when it has none or a quote stays open."""
        try:
            found = split(self.sql)
        except ValueError as error:
            raise UserError(f"{self.name}.sql: {error}") from None
        if not found:
            raise UserError(f"{self.name}.sql has no statement; remove the file or write one")
        return found


def migration_files(folder: Path = FOLDER) -> list[MigrationFile]:
    """Every migration in order. Raises UserError: a bad name, a gap, a number twice, no kind or an unknown one, a file that
    is not whole by itself."""
    files: list[MigrationFile] = []
    for path in sorted(folder.iterdir()):
        named = _NAME.fullmatch(path.name)
        if named is None:
            raise UserError(f"{path.name} in {folder.name}/ is no migration: name it NNNN_lower_case_name.sql")
        number = int(named[1])
        if files and files[-1].number == number:
            raise UserError(f"{files[-1].path.name} and {path.name} have the same number; give the newer one the next")
        expected = files[-1].number + 1 if files else 1
        if number != expected:
            raise UserError(f"{path.name}: {expected:04} is missing before it; restore that file or renumber this one")
        _whole(path)
        files.append(MigrationFile(number, path.stem, _kind(path), sha256(path.read_bytes()).hexdigest(), path))
    return files


def _whole(path: Path) -> None:
    """Raises UserError when the file takes anything from another one: its checksum would not show an edit there."""
    try:
        tree = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).parse(path.read_text())
    except jinja2.TemplateError as error:
        raise UserError(f"{path.name}: {error.message or error}") from None
    for name in jinja2.meta.find_referenced_templates(tree):
        raise UserError(
            f"{path.name} imports or includes {name or 'a file'}: an edit there would change what this migration means, "
            "and its checksum would not show it; write that text into the migration itself (a macro of its own will do)"
        )


def _kind(path: Path) -> str:
    kinds = _KIND.findall(path.read_text())
    choice = ", ".join(f"{kind} ({meaning})" for kind, meaning in KINDS.items())
    if len(kinds) != 1:
        found = "has no line" if not kinds else f"has {len(kinds)} lines"
        raise UserError(f"{path.name} {found} `-- kind: …`; write exactly one below the header comment: {choice}")
    if kinds[0] not in KINDS:
        raise UserError(f"{path.name}: kind {kinds[0]!r} is unknown; write one of {choice}")
    return kinds[0]
