"""Ways to break a running part: killed, frozen, gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from infra.local.supervisor import Control
from tests.faults.load import BACK_SECONDS
from tests.pipeline.live import Pipeline


def kill(pipeline: Pipeline, part: str) -> int:
    """Kills the part and every process of it, as the kernel's out-of-memory killer would. Returns its old pid."""
    process = psutil.Process(pipeline.pid(part))
    for item in [*process.children(recursive=True), process]:
        os.kill(item.pid, signal.SIGKILL)
    return process.pid


def until_back(pipeline: Pipeline, part: str, before: int) -> None:
    """Waits until supervisor has the part running in place of the process `before`."""

    def back() -> bool:
        info = Control(pipeline.stack.run).processes()[part]
        return info["statename"] == "RUNNING" and info["pid"] != before

    pipeline.until(back, f"{part} runs again", BACK_SECONDS)


@contextmanager
def frozen(pipeline: Pipeline, part: str) -> Iterator[None]:
    """The part hangs for the length of the block: its ports are open, it answers nothing."""
    pid = pipeline.pid(part)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it was killed in the meantime
            os.kill(pid, signal.SIGCONT)
