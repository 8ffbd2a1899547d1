"""Builds missing tools, two at a time: each under its lock, beside its final place, logged, cancellable."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from infra.errors import UserError
from infra.local.toolchain.builds import RECIPE, Recipe
from infra.local.toolchain.cache import (
    check,
    full_disk,
    key_of,
    locked,
    publish,
    storage_error,
    sweep,
    write_manifest,
)
from infra.local.toolchain.progress import Progress

AT_ONCE = 2
LINES_SHOWN = 20
LOGS_KEPT = 5


class Cancelled(Exception):
    """Another build failed, or the user pressed Ctrl-C."""


class Failed(Exception):
    """A build's command ended with an error; the log says which."""


def folder_of(recipe: Recipe, root: Path) -> Path:
    """The tool's place in the cache; the key changes with everything that it is made from."""
    return root / "tools" / recipe.name / key_of(recipe.inputs, RECIPE, recipe.name, recipe.version)


@dataclass
class BuildSite:
    """One running build: folders, log, and the way to run its commands."""

    out: Path
    work: Path
    log: IO[bytes]
    lock: int
    stop: threading.Event
    commands: list[str] = field(default_factory=list)

    def run(self, *command: str | Path, cwd: Path, env: dict[str, str]) -> None:
        """Runs a command into the log. Raises Failed or Cancelled; no process of it is left then."""
        self.log.write(f"$ {' '.join(map(str, command))}\n".encode())
        self.log.flush()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            process_group=0,
            pass_fds=(self.lock,),
        )
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    code = process.wait(timeout=0.2)
                    break
                if self.stop.is_set():
                    raise Cancelled
        finally:
            _end(process)
        if code:
            raise Failed(f"`{Path(str(command[0])).name}` ended with exit code {code}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a command with everything that it started."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, kind)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            return


def build_one(recipe: Recipe, root: Path, stop: threading.Event, say: Callable[[str], None]) -> None:
    """Builds one tool into the cache, unless another process has meanwhile. Raises UserError or Cancelled."""
    folder = folder_of(recipe, root)
    log_path = root / "logs" / f"{recipe.name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"

    def busy() -> None:
        say("waiting for another run that is building it")
        if stop.wait(0.2):
            raise Cancelled

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with locked(root / "locks" / f"{recipe.name}.lock", busy) as lock:
            if check(folder, full=True).content:
                return
            say("building")
            sweep(folder)
            building = folder.with_name(f"{folder.name}.building")
            try:
                (building / "out").mkdir(parents=True)
                (building / "work").mkdir()
                with log_path.open("ab") as log:
                    recipe.build(BuildSite(building / "out", building / "work", log, lock, stop))
                write_manifest(building / "out")
                publish(building / "out", folder)
            finally:
                shutil.rmtree(building, ignore_errors=True)
            _prune_logs(log_path.parent, recipe.name)
    except Failed as error:
        raise _failure(recipe, root, log_path, error) from None
    except OSError as error:
        raise storage_error(error, root) from error


def _failure(recipe: Recipe, root: Path, log: Path, error: Failed) -> UserError:
    lines = log.read_text(errors="replace").splitlines()
    if any("no space left on device" in line.lower() or "quota exceeded" in line.lower() for line in lines):
        return full_disk(root)
    tail = "\n".join(f"    {line}" for line in lines[-LINES_SHOWN:])
    return UserError(
        f"Building {recipe.title} failed: {error}. The end of {log}:\n{tail}\n"
        "Run it again once the cause is gone: what Go and Maven have fetched and compiled is kept."
    )


def _prune_logs(folder: Path, tool: str) -> None:
    for old in sorted(folder.glob(f"{tool}-*.log"))[:-LOGS_KEPT]:
        old.unlink(missing_ok=True)


def build_all(recipes: Sequence[Recipe], root: Path, progress: Progress) -> None:
    """Builds `recipes`, two at a time. The first error cancels the rest; Ctrl-C cancels all."""
    stop = threading.Event()

    def one(recipe: Recipe) -> None:
        if stop.is_set():
            raise Cancelled
        with progress.task(recipe) as say:
            build_one(recipe, root, stop, say)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="toolchain") as pool, progress:
        futures: list[Future[None]] = [pool.submit(one, recipe) for recipe in recipes]
        try:
            pending = set(futures)
            while pending and not any(future.done() and future.exception() for future in futures):
                _, pending = wait(pending, timeout=1, return_when=FIRST_EXCEPTION)
                progress.tick()
        finally:
            stop.set()
            wait(futures)
    errors = [error for future in futures if (error := future.exception())]
    real = [error for error in errors if not isinstance(error, Cancelled)]
    if len(real) > 1 and all(isinstance(error, UserError) for error in real):
        raise UserError("\n".join(dict.fromkeys(str(error) for error in real)))
    if real:
        raise real[0]
