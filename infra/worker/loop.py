"""Runs every step of the worker by its interval, each in a thread of its own, so that none can hold up another."""

from __future__ import annotations

import contextlib
import logging
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any

from clickhouse_connect.driver.client import Client

from infra.clickhouse import connect
from infra.worker.config import WorkerConfig
from infra.worker.pulse import Pulse
from infra.worker.results import StepResult, record
from infra.worker.steps import Step, steps, steps_of_a_shard

log = logging.getLogger("infra.worker")
STOP_SECONDS = 1.0
"""What a step may still take to end after SIGTERM; every step may be cut off at any point."""

Connect = Callable[[], AbstractContextManager[Client]]


def run(config: WorkerConfig) -> int:
    """Runs until SIGTERM or SIGINT. Returns the process's exit code."""
    # The libraries' own warnings (every retry of every connection) would bury what the steps say.
    logging.basicConfig(stream=sys.stdout, level=logging.ERROR, format="%(asctime)s %(message)s", force=True)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    log.setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_steps(steps(config), lambda: connect(config.clickhouse, config.clickhouse_access), stop, further_steps(config))
    return 0


def further_steps(config: WorkerConfig) -> dict[str, tuple[float, Step, Connect]]:
    """The steps of each further shard, with its own connection: recompute-2, tidy-2, …"""

    def connection(access: Any) -> Connect:
        return lambda: connect(config.clickhouse, access)

    return {
        f"{name}-{number}": (seconds, step, connection(access))
        for number, access in enumerate(config.further_shards, 2)
        for name, (seconds, step) in steps_of_a_shard(config).items()
    }


def run_steps(
    own: Mapping[str, tuple[float, Step]],
    connection: Connect,
    stop: threading.Event,
    further: Mapping[str, tuple[float, Step, Connect]] = MappingProxyType({}),
) -> None:
    """Runs the steps until `stop` is set; returns within STOP_SECONDS of it."""
    named = {**{name: (*item, connection) for name, item in own.items()}, **further}
    pulse = Pulse(named)
    threads = [
        threading.Thread(target=_repeat, args=(name, seconds, step, way, stop, pulse), name=name, daemon=True)
        for name, (seconds, step, way) in named.items()
    ]
    threads.append(threading.Thread(target=pulse.run, args=(stop,), name="pulse", daemon=True))
    log.info("worker started: %s", ", ".join(f"{name} every {item[0]:g} s" for name, item in named.items()))
    for thread in threads:
        thread.start()
    # A wait without a timeout would keep the main thread from running signal handlers on some platforms.
    while not stop.wait(3600):
        pass
    deadline = time.monotonic() + STOP_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    log.info("worker stopped")


def _repeat(name: str, seconds: float, step: Step, connection: Connect, stop: threading.Event, pulse: Pulse) -> None:
    """Runs one step again and again; after a failure, with a new connection. Says what failed once, and when it is
    over."""
    failed = ""
    while not stop.is_set():
        try:
            with connection() as client:
                while not stop.is_set():
                    began = time.monotonic()
                    failed = _once(name, step, client, failed, pulse)
                    stop.wait(max(0.0, seconds - (time.monotonic() - began)))
                    if failed:
                        break
        except Exception as error:
            # Whatever it is (ClickHouse is down, the address is wrong): it is said once and tried again.
            failed = _say_failure(name, error, failed)
            stop.wait(min(seconds, 5.0))


def _once(name: str, step: Step, client: Client, failed: str, pulse: Pulse) -> str:
    """Runs the step and records what it found. Returns what failed, else ''."""
    try:
        result = step(client)
    except Exception as error:
        failure = _say_failure(name, error, failed)
        # When ClickHouse is what failed, this fails too; the log has it.
        with contextlib.suppress(Exception):
            record(client, _recorded(name), StepResult(False, -1, {"error": str(error)}))
        return failure
    pulse.done(name, result.value)
    if failed:
        log.info("%s: works again", name)
    if result.say:
        log.info("%s: %s", name, result.say)
    if result.record:
        record(client, _recorded(name), result)
    return ""


def _recorded(name: str) -> str:
    """A shard keeps its results itself, under the name that the step has everywhere."""
    return re.sub(r"-\d+$", "", name)


def _say_failure(name: str, error: Exception, before: str) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    # clickhouse-connect names every setting of the request in its address.
    text = re.sub(r" with url: \S+", "", text)[:400]
    # Messages differ in ids and times; the kind of error decides whether it is a new one.
    kind = type(error).__name__
    if kind != before:
        log.info("%s: failed and will be tried again: %s", name, text)
    return kind
