"""Traffic for the benchmarks: at a steady rate, as fast as it is acknowledged, or straight into the topic."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from confluent_kafka import KafkaException, Producer

from examples.agents.send import HttpDoor, Request, Sender, Totals, deliver
from infra.endpoints import KafkaAddress
from tests.bench.replay import Replay

PATIENCE = 30.0
"""Seconds for which a refused request is sent again."""


@dataclass
class Steady:
    """What a steady load came to."""

    totals: Totals = field(default_factory=Totals)
    seconds: float = 0.0
    answer_seconds: list[float] = field(default_factory=list)
    late_seconds: float = 0.0
    """How far the generator fell behind its own schedule at worst: above a second the rate was not what it says."""

    @property
    def rate(self) -> float:
        """Acknowledged spans a second."""
        return self.totals.acknowledged / self.seconds


class SteadyLoad:
    """Sends the replay at `rate` spans a second over `connections` from `start` until `stop`."""

    def __init__(self, url: str, replay: Replay, rate: float, connections: int = 6) -> None:
        self.result = Steady()
        self._url, self._replay, self._rate = url, replay, rate
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._due = self._began = 0.0
        self._threads = [
            threading.Thread(target=self._work, name=f"load-{index}", daemon=True) for index in range(connections)
        ]

    def start(self) -> None:
        """Begins to send."""
        self._due = self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> Steady:
        """Ends the load; returns when each request has its answer."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.result.seconds = time.monotonic() - self._began
        return self.result

    def _next(self) -> Request:
        """The next request, when it is due."""
        with self._lock:
            late = time.monotonic() - self._due
            self.result.late_seconds = max(self.result.late_seconds, late)
            if late < 0:
                self._stop.wait(-late)
            request = self._replay.take()
            self._due += request.count / self._rate
        return request

    def _work(self) -> None:
        door = HttpDoor(self._url)
        while not self._stop.is_set():
            request = self._next()
            began = time.monotonic()
            answer = deliver(door, request, PATIENCE)
            self.result.answer_seconds.append(time.monotonic() - began)
            self.result.totals.add(request, answer)
        door.close()


def flood(url: str, requests: Iterable[Request], seconds: float, connections: int = 8) -> Totals:
    """Sends as fast as the answers come, for about `seconds`; returns when each request has its answer."""
    sender = Sender([HttpDoor(url) for _ in range(connections)], PATIENCE)
    deadline = time.monotonic() + seconds
    for request in requests:
        if time.monotonic() > deadline:
            break
        sender.put(request)
    return sender.close()


def produce(address: KafkaAddress, topic: str, partitions: int, requests: Iterable[Request]) -> int:
    """Writes the requests into the topic as the collector does: one a message, zstd, no key, round robin.

    Returns the number of spans. Raises KafkaException when a message was not taken.
    """
    producer = Producer(
        {
            "bootstrap.servers": address.bootstrap_servers,
            "security.protocol": address.security_protocol,
            "compression.type": "zstd",
            "acks": "all",
            "linger.ms": 0,
            "message.max.bytes": 16 * 2**20,
        }
    )
    spans = 0
    problems: list[str] = []

    def delivered(error: object, _message: object) -> None:
        if error is not None:
            problems.append(str(error))

    for number, request in enumerate(requests):
        while True:
            try:
                producer.produce(topic, request.body, partition=number % partitions, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        spans += request.count
        producer.poll(0)
    left = producer.flush(60)
    if left or problems:
        raise KafkaException(f"{left + len(problems)} messages were not written: {problems[:1]}")
    return spans
