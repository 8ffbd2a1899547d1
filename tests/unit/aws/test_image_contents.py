"""The worker's image holds every module that its programs import, lazily or not, and what the SQL and configs are."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from infra.aws.image_layer import LOCK, contents, locked_requirements, our_files
from infra.paths import ROOT

PROGRAMS = ["infra.worker.__main__", "infra.aws.keylist_sync", "infra.aws.job", "infra.aws.clickhouse.backup"]
"""What containers run, and with it what their configuration names as text."""
BY_NAME = ["infra.aws.access"]


def file_of(module: str) -> Path | None:
    path = ROOT / Path(*module.split("."))
    found = [path.with_suffix(".py"), path / "__init__.py"]
    return next((file for file in found if file.is_file()), None)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every import but the ones for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imports(node)


def reachable() -> tuple[set[Path], set[str]]:
    """Our files that the programs come to, and the foreign modules that these import."""
    files: set[Path] = set()
    foreign: set[str] = set()
    waiting = [*PROGRAMS, *BY_NAME]
    assert all(file_of(program) for program in waiting)
    while waiting:
        module = waiting.pop()
        if module.split(".")[0] != "infra":
            foreign.add(module.split(".")[0])
            continue
        waiting += [".".join(module.split(".")[:count]) for count in range(1, module.count(".") + 1)]
        file = file_of(module)
        if file and file not in files:
            files.add(file)
            waiting += imports(ast.parse(file.read_text()))
    return files, foreign - set(sys.stdlib_module_names)


def test_every_import_of_the_images_programs_is_in_the_image() -> None:
    files, foreign = reachable()
    assert files <= set(our_files()), sorted(files - set(our_files()))
    locked = locked_requirements(LOCK.read_text(), contents()["packages"])
    held = {re.sub(r"[-_.]+", "-", name) for name in re.findall(r"^([a-z0-9._-]+?)(?:\[.*\])?==", locked, re.M)}
    owners = packages_distributions()
    missing = {
        module
        for module in foreign
        if not any(re.sub(r"[-_.]+", "-", owner.lower()) in held for owner in owners.get(module, []))
    }
    assert not missing


def test_what_only_other_machines_need_is_not_in_it() -> None:
    locked = locked_requirements(LOCK.read_text(), contents()["packages"])
    held = set(re.findall(r"^([a-z0-9._-]+)", locked, re.M))
    assert not held & {
        "chdb-core",
        "supervisor",
        "starlette",
        "pytest",
        "ruff",
        "pyright",
        "pulumi-aws",
        "pyarrow",
        "moto",
    }
    assert {"botocore", "urllib3", "grpcio", "protobuf"} <= held
