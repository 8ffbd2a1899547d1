"""The rules of tests/conftest.py, on a small suite: what begins, what stays on one worker, what a skip is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.paths import ROOT
from tests.conftest import LONGEST

FEW = "def test_one(): pass\n"
MANY = "import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test_many(n): pass\n"
SKIPPED = "import pytest\n@pytest.fixture\ndef tool(): pytest.skip('no such tool')\ndef test_it(tool): pass\n"


def suite(folder: Path, files: dict[str, str], *options: str, ci: str = "", root: Path | None = None) -> str:
    """What pytest says of a suite of these files with our configuration."""
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "tests")
    for name, text in files.items():
        path = folder / "tests" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CI", "PYTEST"))}
    command = [sys.executable, "-m", "pytest", "-v", *options]
    environment |= ({"CI": ci} if ci else {}) | ({"PYTEST_DEBUG_TEMPROOT": str(root)} if root else {})
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120).stdout


def test_the_longest_begin_and_files_with_many_tests_come_last(tmp_path: Path) -> None:
    files = {
        "unit/test_b.py": MANY,
        "engine/test_a.py": FEW,
        "engine/test_local_stack.py": FEW,
        "faults/test_c.py": FEW,
    }
    said = suite(tmp_path, files, "-n", "1")
    done = re.findall(r"PASSED tests/(\S+?)::", said)
    expected = ["engine/test_local_stack.py", "engine/test_a.py", "faults/test_c.py", "unit/test_b.py"]
    assert list(dict.fromkeys(done)) == expected, said
    assert "12 passed" in said


def test_one_file_is_one_worker_s(tmp_path: Path) -> None:
    said = suite(tmp_path, {f"unit/test_{name}.py": MANY for name in "abc"}, "-n", "2")
    workers = {
        file: set(re.findall(rf"\[(gw\d)\].* PASSED tests/unit/{file}::", said)) for file in ("test_a.py", "test_b.py")
    }
    assert all(len(found) == 1 for found in workers.values()), said


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_a_skip_is_a_failure_where_ci_is_set(ci: str, outcome: str, tmp_path: Path) -> None:
    said = suite(tmp_path, {"unit/test_a.py": SKIPPED}, ci=ci)
    assert outcome in said.splitlines()[-1], said
    assert "no such tool" in said


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_green_run_leaves_no_file_and_no_free_number(workers: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    files = {"unit/test_a.py": "def test_it(tmp_path): (tmp_path / 'file').touch()\n"}
    said = suite(tmp_path, files, "-n", workers, root=root)
    assert "1 passed" in said, said
    (folder,) = root.glob("pytest-of-*/pytest-[0-9]*")
    assert list(folder.iterdir()) == []


def test_the_list_names_files_that_exist() -> None:
    there = {path.name for folder in ("engine", "faults") for path in (ROOT / "tests" / folder).glob("test_*.py")}
    assert set(LONGEST) <= there
