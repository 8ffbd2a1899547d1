"""The stack's parts as processes: what CPU time and memory each one takes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra.local.supervisor import Control, daemon_pid

SUPERVISOR = "supervisor"
SAMPLE_SECONDS = 0.5


def pids(run: Path) -> dict[str, int]:
    """Running part to its pid, supervisord included."""
    found = {name: info["pid"] for name, info in Control(run).processes().items() if info["statename"] == "RUNNING"}
    own = daemon_pid(run)
    return found | ({SUPERVISOR: own} if own else {})


def _family(part: str, pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        # supervisord's children are the other parts.
        return [process] if part == SUPERVISOR else [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def cpu_seconds(run: Path) -> dict[str, float]:
    """CPU time, user and system, that each part has taken since it started."""
    totals: dict[str, float] = {}
    for part, pid in pids(run).items():
        for process in _family(part, pid):
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            totals[part] = totals.get(part, 0.0) + times.user + times.system
    return totals


def cpu_between(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """CPU seconds of each part between two calls of `cpu_seconds`."""
    return {part: round(after[part] - before.get(part, 0.0), 2) for part in sorted(after)}


def memory(run: Path) -> dict[str, int]:
    """Resident bytes of each part."""
    totals: dict[str, int] = {}
    for part, pid in pids(run).items():
        for process in _family(part, pid):
            try:
                totals[part] = totals.get(part, 0) + process.memory_info().rss
            except psutil.Error:
                continue
    return totals


@dataclass
class MemorySamples:
    """Resident bytes over some time."""

    seen: dict[str, list[int]] = field(default_factory=dict)

    def take(self, run: Path) -> None:
        """Adds a sample of now."""
        for part, size in memory(run).items():
            self.seen.setdefault(part, []).append(size)

    def highest(self) -> dict[str, int]:
        """Each part's peak."""
        return {part: max(sizes) for part, sizes in sorted(self.seen.items())}


@contextmanager
def sampled_memory(run: Path) -> Iterator[MemorySamples]:
    """Samples the memory while the block runs."""
    samples, stop = MemorySamples(), threading.Event()

    def work() -> None:
        samples.take(run)
        while not stop.wait(SAMPLE_SECONDS):
            samples.take(run)

    thread = threading.Thread(target=work, name="memory", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


@contextmanager
def stopped(run: Path, part: str) -> Iterator[None]:
    """The part does not run during the block."""
    _supervisorctl(run, "stop", part)
    try:
        yield
    finally:
        _supervisorctl(run, "start", part)


def _supervisorctl(run: Path, *command: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(run / "supervisord.conf"), *command],
        check=True,
        capture_output=True,
        timeout=90,
    )
