"""The schedule: which tenant starts which workflow when. Seeded: the same arguments give the same spans."""

from __future__ import annotations

import bisect
import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from examples.agents import world
from examples.agents.program import SECOND, AgentRun, Session
from examples.agents.telemetry import RecordedEvent, RecordedSpan, Recorder, Telemetry

SPANS_PER_RUN = 8.1
"""What a run has on average: only used to plan how many runs fill a window."""

DAY = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Run:
    """What one run reported, in the order in which its spans start."""

    spans: list[RecordedSpan]
    events: list[RecordedEvent]


_TENANTS = list(accumulate(world.tenant_weights()))
_WORKFLOWS = list(accumulate(workflow.weight for workflow in world.WORKFLOWS))


def draw_session(rng: random.Random) -> Session:
    """Who comes next: a tenant, a workflow, a user and one of the user's sessions."""
    tenant = world.TENANTS[bisect.bisect(_TENANTS, rng.random() * _TENANTS[-1])]
    workflow = world.WORKFLOWS[bisect.bisect(_WORKFLOWS, rng.random() * _WORKFLOWS[-1])]
    user = int(rng.paretovariate(1.1)) % (400 if tenant in world.LARGE_TENANTS else 40)
    return Session(tenant, f"{tenant}-user-{user}", f"{tenant}-{user}-{rng.randrange(5)}", workflow)


def play(telemetry: Telemetry, rng: random.Random, session: Session, start: int) -> int:
    """Plays one run that starts at `start` (ns since 1970); the end of its last span."""
    run = AgentRun(telemetry, rng, session, start)
    run.execute()
    return run.now


def record(seed: int, number: int, start: int, ids: str = "") -> Run:
    """Run `number` of `seed` as plain data. The same arguments give the same run, wherever it is made.

    `ids`: with another text the same run gets other trace and span ids.
    """
    rng = random.Random(f"{seed}/{number}")
    recorder = Recorder(random.Random(f"{seed}/{number}/{ids}"))
    play(recorder, rng, draw_session(rng), start)
    return Run(recorder.spans, recorder.events)


def _daytime(fraction: float, start: int, end: int) -> int:
    """The time at `fraction` of a window: fewer runs at night, for windows of more than half a day."""
    at = start + int(fraction * (end - start))
    if end - start < DAY // 2:
        return at
    at += int(0.1 * DAY * math.sin(2 * math.pi * (at % DAY) / DAY))
    # What the shift moves out of the window is folded back at its edge.
    return 2 * end - at if at > end else 2 * start - at if at < start else at


def generate(seed: int, spans: int, start: datetime, end: datetime, ids: str = "") -> Iterator[Run]:
    """Exactly `spans` spans, in runs that lie between `start` and `end` (a run that is longer begins earlier).

    Runs come oldest first; the last ones lie anywhere in the window, because how many runs it takes is known
    only afterwards. Of the very last run the spans above the number are left out.
    """
    first, last = int(start.timestamp() * 1e6) * 1000, int(end.timestamp() * 1e6) * 1000
    planned = max(1, int(0.97 * spans / SPANS_PER_RUN))
    arrivals = random.Random(f"{seed}/arrivals")
    left = spans
    for number in itertools.count():
        fraction = (number + arrivals.random()) / planned if number < planned else arrivals.random()
        at = _daytime(fraction, first, last)
        run = record(seed, number, at, ids)
        if (beyond := max(span.end_time for span in run.spans) - last) > 0:
            run = record(seed, number, at - beyond, ids)
        if len(run.spans) >= left:
            yield Run(run.spans[:left], run.events)
            return
        left -= len(run.spans)
        yield run
