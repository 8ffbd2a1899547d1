"""The cache of tools: built once, published whole, repaired when damaged, shared by runs at the same time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from infra.errors import UserError
from infra.local.toolchain import ensure
from infra.local.toolchain.build import folder_of
from infra.local.toolchain.builds import OTHER_ENGINES, RECIPES, Recipe, Site

BUILD = 'echo built >> "$COUNT"; mkdir -p "$OUT/bin"; echo program > "$OUT/bin/tool"; echo jar > "$OUT/a.jar"'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("AGENT_TELEMETRY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Recipe]:
    """Makes a recipe whose build is a line of shell; every build leaves a line in the file `count`."""
    (tmp_path / "input").write_text("one")

    def make(script: str = BUILD, name: str = "tool", gib: float = 0) -> Recipe:
        def build(site: Site) -> None:
            env = {"PATH": os.environ["PATH"], "OUT": str(site.out), "COUNT": str(tmp_path / "count")}
            site.run("sh", "-c", script, cwd=site.work, env=env)

        return Recipe(name, f"the {name}", "1.0", (tmp_path / "input",), (), gib, 0, "1 s", build)

    return make


def builds(tmp_path: Path) -> int:
    """How often the recipe's build ran."""
    count = tmp_path / "count"
    return len(count.read_text().splitlines()) if count.exists() else 0


def leftovers(root: Path) -> list[str]:
    """What lies in the cache beside finished tools."""
    return [path.name for path in root.glob("tools/*/*") if path.suffix]


def test_a_tool_is_built_once(root: Path, tmp_path: Path, recipe: Callable[..., Recipe]) -> None:
    first = ensure(["tool"], recipes=[recipe()])
    second = ensure(["tool"], recipes=[recipe()])
    assert (first.parts["tool"].folder / "bin" / "tool").read_text() == "program\n"
    assert first == second
    assert builds(tmp_path) == 1
    assert leftovers(root) == []


def test_a_changed_input_builds_beside_the_old_one(root: Path, tmp_path: Path, recipe: Callable[..., Recipe]) -> None:
    old = ensure(["tool"], recipes=[recipe()]).parts["tool"].folder
    (tmp_path / "input").write_text("two")
    new = ensure(["tool"], recipes=[recipe()]).parts["tool"].folder
    assert new != old
    assert old.exists() and new.exists()


@pytest.mark.parametrize("damage", ["shorter", "same size", "gone", "manifest"])
def test_a_damaged_tool_is_built_again_and_says_so(
    root: Path, tmp_path: Path, recipe: Callable[..., Recipe], damage: str
) -> None:
    part = ensure(["tool"], recipes=[recipe()]).parts["tool"]
    match damage:
        case "shorter":
            (part.folder / "a.jar").write_text("")
        case "same size":
            (part.folder / "a.jar").write_text("raj\n")
        case "gone":
            (part.folder / "bin" / "tool").unlink()
        case "manifest":
            (part.folder / ".manifest.json").write_text("{")
    console = Console(record=True, file=(tmp_path / "out").open("w"))
    again = ensure(["tool"], console, recipes=[recipe()]).parts["tool"]
    assert again == part
    assert (part.folder / "a.jar").read_text() == "jar\n"
    assert builds(tmp_path) == 2
    assert "damaged" in console.export_text()
    assert leftovers(root) == []


def test_only_verify_finds_damage_under_the_old_size_and_time(
    root: Path, tmp_path: Path, recipe: Callable[..., Recipe]
) -> None:
    jar = ensure(["tool"], recipes=[recipe()]).parts["tool"].folder / "a.jar"
    times = jar.stat()
    jar.write_text("raj\n")
    os.utime(jar, ns=(times.st_atime_ns, times.st_mtime_ns))
    ensure(["tool"], recipes=[recipe()])
    assert builds(tmp_path) == 1
    ensure(["tool"], verify=True, recipes=[recipe()])
    assert builds(tmp_path) == 2
    assert jar.read_text() == "jar\n"


def test_a_copied_cache_with_new_times_is_used(root: Path, tmp_path: Path, recipe: Callable[..., Recipe]) -> None:
    folder = ensure(["tool"], recipes=[recipe()]).parts["tool"].folder
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    ensure(["tool"], recipes=[recipe()])
    assert builds(tmp_path) == 1


def test_a_failed_build_shows_its_last_lines_and_its_log_and_leaves_nothing(
    root: Path, recipe: Callable[..., Recipe]
) -> None:
    with pytest.raises(UserError, match="no network here") as caught:
        ensure(["tool"], recipes=[recipe("echo no network here; exit 3")])
    (log,) = root.glob("logs/*.log")
    assert str(log) in str(caught.value)
    assert list(root.glob("tools/*/*")) == []


def test_a_failed_build_ends_the_other_one(root: Path, recipe: Callable[..., Recipe]) -> None:
    slow = recipe("sleep 300", "slow")
    start = time.monotonic()
    with pytest.raises(UserError, match="Building the broken failed"):
        ensure(["slow", "broken"], recipes=[slow, recipe("exit 1", "broken")])
    assert time.monotonic() - start < 30
    assert list(root.glob("tools/*/*")) == []


def full(site: Site) -> None:
    """A build that writes to a full device itself rather than by a command."""
    (site.out / "half").write_text("half")
    with Path("/dev/full").open("w") as device:
        device.write("x")


@pytest.mark.parametrize("who", ["a command", "the build itself"])
def test_a_disk_that_fills_up_during_a_build_is_named_and_the_next_run_continues(
    root: Path, recipe: Callable[..., Recipe], who: str
) -> None:
    broken = recipe('echo half > "$OUT/half"; dd if=/dev/zero of=/dev/full')
    if who == "the build itself":
        broken = replace(broken, build=full)
    with pytest.raises(UserError, match=r"The disk is full.*Free some space, or set AGENT_TELEMETRY_CACHE"):
        ensure(["tool"], recipes=[broken])
    assert list(root.glob("tools/*/*")) == []
    assert (ensure(["tool"], recipes=[recipe()]).parts["tool"].folder / "bin" / "tool").exists()


def test_too_little_room_is_refused_before_the_build(root: Path, tmp_path: Path, recipe: Callable[..., Recipe]) -> None:
    with pytest.raises(UserError, match=r"needs about 10000000\.0 GiB .* AGENT_TELEMETRY_CACHE"):
        ensure(["tool"], recipes=[recipe(gib=1e7)])
    assert builds(tmp_path) == 0


def test_a_cache_that_can_not_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Callable[..., Recipe]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AGENT_TELEMETRY_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"can't be written.*AGENT_TELEMETRY_CACHE"):
        ensure(["tool"], recipes=[recipe()])


RUN = """
import sys
from pathlib import Path
from infra.local.toolchain import ensure
from infra.local.toolchain.builds import Recipe

folder = Path(sys.argv[1])

def build(site):
    site.run("sh", "-c", sys.argv[2], cwd=folder, env={"PATH": "/usr/bin:/bin", "OUT": str(site.out)})

print(ensure(["tool"], recipes=[Recipe("tool", "the tool", "1", (folder / "input",), (), 0, 0, "1 s", build)]).parts)
"""


def run(tmp_path: Path, script: str) -> subprocess.Popen[str]:
    """`ensure` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUN), str(tmp_path), script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job, as a test run may be one, ignores SIGINT, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_two_runs_at_once_build_once(root: Path, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("")
    script = "echo built >> count; sleep 1; echo x > $OUT/x"
    processes = [run(tmp_path, script), run(tmp_path, script)]
    outputs = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(outputs) == 1
    assert builds(tmp_path) == 1


def test_after_a_kill_the_next_run_waits_for_what_still_builds_and_builds_again(root: Path, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("")
    os.mkfifo(tmp_path / "started")
    os.mkfifo(tmp_path / "finish")
    killed = run(tmp_path, "echo half > $OUT/x; echo > started; cat finish; echo killed >> count")
    (tmp_path / "started").read_text()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not [path for path in root.glob("tools/tool/*") if not path.suffix], "half a tool was published"
    following = run(tmp_path, "echo built >> count; echo whole > $OUT/x")
    assert following.stderr is not None
    assert "waiting for another run" in following.stderr.readline()
    (tmp_path / "finish").write_text("")
    following.communicate(timeout=60)
    assert following.returncode == 0
    assert (tmp_path / "count").read_text().split() == ["killed", "built"]
    (folder,) = root.glob("tools/tool/*")
    assert (folder / "x").read_text() == "whole\n"


def test_ctrl_c_ends_the_build_and_leaves_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("")
    os.mkfifo(tmp_path / "started")
    process = run(tmp_path, "echo $$ > started; sleep 300")
    pid = int((tmp_path / "started").read_text())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert list(root.glob("tools/*/*")) == []


NAMED = ("kafka", "pulumi", "collector", "crane", "session-manager-plugin")


def test_the_shipped_recipes_are_keyed_by_files_that_exist(root: Path) -> None:
    folders = {folder_of(recipe, root) for recipe in RECIPES}
    assert len(folders) == len(RECIPES) == len(NAMED) + len(OTHER_ENGINES)


def test_each_shipped_input_changes_the_key(root: Path, tmp_path: Path) -> None:
    for recipe in RECIPES:
        for path in recipe.inputs:
            copy = tmp_path / recipe.name / path.name
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(path, copy)
            copy.write_bytes(copy.read_bytes() + b"\n")
            inputs = tuple(copy if other == path else other for other in recipe.inputs)
            changed = Recipe(**{**vars(recipe), "inputs": inputs})
            assert folder_of(changed, root) != folder_of(recipe, root), path
