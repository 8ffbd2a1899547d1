""".ci/run: gets the browser that tests need where it can, and runs the tests in any case."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from infra.paths import ROOT

INSTALLED = ["apt-get -qq update", "apt-get -qq -y --no-install-recommends install chromium"]
TESTS = "make test, CI=true"


def ran(folder: Path, programs: tuple[str, ...], user: int = 0, apt_ends: int = 0) -> list[str]:
    """The programs that the script started, on a machine that has these and no others."""
    (folder / ".ci").mkdir()
    (folder / "bin").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci")
    log = folder / "log"
    texts = {
        "apt-get": f'echo "apt-get $*" >> {log}; exit {apt_ends}',
        "make": f'echo "make $*, CI=$CI" >> {log}',
        "id": f"echo {user}",
    }
    for name in ("make", "id", *programs):
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{texts.get(name, 'exit 1')}\n")
        (folder / "bin" / name).chmod(0o755)
    dirname = shutil.which("dirname")
    assert dirname
    (folder / "bin" / "dirname").symlink_to(dirname)
    command = ["/bin/sh", str(folder / ".ci" / "run")]
    done = subprocess.run(command, env={"PATH": str(folder / "bin")}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ("could not be installed" in done.stderr) is bool(apt_ends)
    return log.read_text().splitlines()


def test_a_missing_browser_is_installed_first(tmp_path: Path) -> None:
    assert ran(tmp_path, ("apt-get",)) == [*INSTALLED, TESTS]


@pytest.mark.parametrize("browser", ["chromium", "chromium-browser", "google-chrome"])
def test_one_that_is_there_is_taken(browser: str, tmp_path: Path) -> None:
    assert ran(tmp_path, ("apt-get", browser)) == [TESTS]


def test_only_root_on_a_machine_with_apt_installs_anything(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "other").mkdir()
    assert ran(tmp_path / "user", ("apt-get",), user=1000) == [TESTS]
    assert ran(tmp_path / "other", ()) == [TESTS]


def test_without_a_network_the_tests_run_all_the_same(tmp_path: Path) -> None:
    assert ran(tmp_path, ("apt-get",), apt_ends=100) == [INSTALLED[0], TESTS]
