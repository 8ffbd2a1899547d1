"""environment.sh makes .venv only when its inputs changed, and starts over after a kill (with a recording uv)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.paths import ROOT

SCRIPT = "infra/local/toolchain/environment.sh"
UV = """#!/bin/sh
[ "$1" = --version ] && exit 0
echo "$*" >> "$(dirname "$0")/calls"
case "$*" in
    venv*) mkdir -p .venv/bin && cp /bin/true .venv/bin/python && cp /bin/true .venv/bin/telemetry ;;
    *"$(cat "$(dirname "$0")/fails" 2>/dev/null || echo nothing)"*) exit 1 ;;
esac
"""


class Clone:
    """A tree with just the files that the script reads, and a PATH with a recording uv."""

    def __init__(self, folder: Path):
        self.root = folder / "a clone"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in (SCRIPT, "configs/versions.yaml", "pyproject.toml"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        (self.root / "requirements.lock").write_text("one\n")
        self.program("uv", UV)
        self.program("python3.12", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')

    def program(self, name: str, text: str) -> None:
        """Puts a script on PATH."""
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        """One run of the script."""
        env = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.root.parent)}
        return subprocess.run([str(self.root / SCRIPT)], env=env, capture_output=True, text=True)

    def calls(self) -> list[str]:
        """uv's commands since the last look."""
        path = self.bin / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [" ".join(word for word in line.split()[:2] if word != "--quiet") for line in lines]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_it_is_made_once_and_updated_when_the_lock_changes(clone: Clone) -> None:
    assert clone.run().returncode == 0
    assert clone.calls() == ["venv", "pip sync", "pip install"]
    again = clone.run()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert clone.calls() == []
    (clone.root / "requirements.lock").write_text("two\n")
    clone.run()
    assert clone.calls() == ["pip sync", "pip install"]


def test_a_run_that_broke_off_is_started_over(clone: Clone) -> None:
    clone.run()
    clone.calls()
    (clone.root / "requirements.lock").write_text("two\n")
    (clone.bin / "fails").write_text("pip install")
    broken = clone.run()
    assert broken.returncode == 1
    assert "uv pip install failed" in broken.stderr
    clone.calls()
    (clone.bin / "fails").unlink()
    assert clone.run().returncode == 0
    assert clone.calls() == ["venv", "pip sync", "pip install"]


def test_a_clone_that_was_moved_makes_its_own(clone: Clone) -> None:
    clone.run()
    clone.calls()
    clone.root = clone.root.rename(clone.root.with_name("moved"))
    clone.run()
    assert clone.calls() == ["venv", "pip sync", "pip install"]


def test_without_a_new_enough_python_it_says_what_was_found(clone: Clone) -> None:
    for name in ("python3.11", "python3.12", "python3.13", "python3", "python"):
        clone.program(name, "#!/bin/sh\necho 3.9\n")
    done = clone.run()
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed; python3.12 is 3.9; python3.13 is 3.9" in done.stderr
    assert clone.calls() == []
