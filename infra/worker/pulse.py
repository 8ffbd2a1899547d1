"""The worker's pulse: log lines of which CloudWatch makes metrics, for alarms that hear when the worker does nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from infra import emf

SECONDS = 60.0
HEARTBEAT, SINCE_DONE, FIGURE = "WorkerHeartbeat", "StepSecondsSinceDone", "StepFigure"
"""Metrics. The first has the dimension Part, the others Step."""


class Pulse:
    """Hears from each step that it was done, and says each minute how long ago that is."""

    def __init__(self, steps: Iterable[str]) -> None:
        # A worker that never gets a step done must not look well: the time counts from its start.
        self._done = {step: (time.monotonic(), 0.0) for step in steps}
        self._lock = threading.Lock()

    def done(self, step: str, figure: float) -> None:
        """The step ended without an error; `figure`: its result's value (infra.worker.results)."""
        with self._lock:
            self._done[step] = (time.monotonic(), figure)

    def lines(self) -> list[str]:
        """What is said each minute."""
        now = time.monotonic()
        with self._lock:
            known = dict(self._done)
        said = [
            emf.line({SINCE_DONE: round(now - when, 1), FIGURE: figure}, {"Step": step})
            for step, (when, figure) in known.items()
        ]
        return [emf.line({HEARTBEAT: 1}, {"Part": "worker"}), *said]

    def run(self, stop: threading.Event, seconds: float = SECONDS) -> None:
        """Says it again and again until `stop`, where somebody reads it."""
        while emf.wanted():
            for line in self.lines():
                print(line, flush=True)
            if stop.wait(seconds):
                return
