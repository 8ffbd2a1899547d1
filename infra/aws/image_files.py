"""Which of our files the worker's image holds: what its programs import, and the SQL and configs that these read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import jinja2
import jinja2.meta

from infra.paths import ROOT

DATA = {"SQL": "sql", "CONFIGS": "configs"}
"""infra.paths' names of the folders that hold no code."""
NAME = re.compile(r"[a-z0-9_/.-]{1,80}")


@dataclass
class Found:
    """What a walk came to."""

    files: set[Path] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    """Modules of other packages, by their first name."""


def module_file(root: Path, module: str) -> Path | None:
    """The file of one of our modules; None for a name in a module, and for what is not ours."""
    place = root / Path(*module.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every import, in functions too, but the ones for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imports(node)


def walk(root: Path, programs: Iterable[str]) -> Found:
    """The programs' own files and those of every module that they come to, with the data that these read."""
    found, waiting, trees = Found(), list(programs), dict[Path, ast.Module]()
    while waiting:
        module = waiting.pop()
        if module.split(".")[0] != "infra":
            found.foreign.add(module.split(".")[0])
            continue
        # A module's import runs every package above it.
        waiting += [".".join(module.split(".")[:count]) for count in range(1, module.count(".") + 1)]
        file = module_file(root, module)
        if file and file not in trees:
            trees[file] = ast.parse(file.read_text())
            waiting += imports(trees[file])
    found.files = set(trees) | _data(root, trees.values())
    return found


def _data(root: Path, trees: Iterable[ast.Module]) -> set[Path]:
    """The files of sql/ and configs/ that the code names, whole folders where it makes the name, and what they include."""
    texts, named = set[str](), set[Path]()
    for tree in trees:
        inner = set[ast.expr]()
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                # From the outside in: the left side of a longer path is no path of its own.
                inner.add(node.left)
                named |= set() if node in inner else _named(root, node)
    # Statements are asked for by name: "worker/now" is sql/worker/now.sql, and "worker/" begins a name that is made.
    for text in filter(NAME.fullmatch, texts):
        named.add(root / "sql" / (text if text.endswith("/") else f"{text}.sql"))
    folders = {root / folder for folder in DATA.values()}
    below = [path for path in named if folders & set(path.parents)]
    files = {file for path in below for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()}
    return files | _included(root, files)


def _named(root: Path, node: ast.expr) -> set[Path]:
    """The path that `SQL / "backup" / …` names as far as it is written down; nothing for a bare folder of ours."""
    steps: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        steps.insert(0, node.right)
        node = node.left
    if not isinstance(node, ast.Name) or node.id not in DATA:
        return set()
    path = root / DATA[node.id]
    for step in steps:
        if not isinstance(step, ast.Constant):
            break
        path /= str(step.value)
    return {path}


def _included(root: Path, files: Iterable[Path]) -> set[Path]:
    """What templates import and include, and what these do."""
    found, waiting, environment = set[Path](), list(files), jinja2.Environment()
    while waiting:
        file = waiting.pop()
        text = file.read_text(errors="replace")
        if "{%" not in text:
            continue
        for name in jinja2.meta.find_referenced_templates(environment.parse(text)):
            # As infra.templates looks them up: below the template's own tree, then from the root.
            base = root / file.relative_to(root).parts[0]
            other = next((place / str(name) for place in (base, root) if (place / str(name)).is_file()), None)
            if other and other not in found:
                found.add(other)
                waiting.append(other)
    return found


@cache
def _walked(programs: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(sorted(walk(ROOT, programs).files))


def files_of(programs: Iterable[str]) -> list[Path]:
    """This checkout's files for the programs, sorted; walked once a process."""
    return list(_walked(tuple(programs)))
