"""A statement that runs on a thread of its own while the event loop passes its result on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError, ThreadPoolExecutor

from infra.local.clickhouse.compression import Compressor
from infra.local.clickhouse.engine import Engine, Job, Summary
from infra.local.clickhouse.errors import ServerError

PIECES_AHEAD = 4
"""Pieces that the engine may be ahead of a slow client: what a result costs in memory at most."""
SPLIT_BYTES = 1 << 20
PLANNING_SECONDS = 0.5


class Running:
    """One run of a job. Made on the event loop; `events` yields pieces, then the summary or the error."""

    def __init__(self, engine: Engine, job: Job, cancelling: ThreadPoolExecutor, squeeze: Compressor | None):
        self._engine = engine
        self._job = job
        self._cancelling = cancelling
        self._squeeze = squeeze
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | Summary | ServerError | None] = asyncio.Queue(PIECES_AHEAD)
        self._abandoned = False
        self._ended = threading.Event()
        self._begun = time.monotonic()
        self.summary: Summary | None = None

    def start(self, threads: ThreadPoolExecutor) -> None:
        """Hands the job to a thread."""
        threads.submit(self._run)

    async def events(self) -> AsyncIterator[bytes | Summary | ServerError]:
        """What the run yields, in order."""
        while (event := await self._queue.get()) is not None:
            yield event

    def cancel(self) -> None:
        """The client has gone: ends a statement that only reads; one that writes is finished."""
        if not self._ended.is_set() and self._job.statement.reads_only:
            self._abandoned = True
            self._drain()
            with contextlib.suppress(RuntimeError):  # the pool is closed: the engine is being stopped
                self._cancelling.submit(self._kill)

    def abandon(self) -> None:
        """Nobody reads the events any longer."""
        if not self._ended.is_set():
            self.cancel()
            self._abandoned = True
            self._drain()

    def _drain(self) -> None:
        # A thread that waits for room in the queue must be let go, or it would hold its session for ever.
        while not self._queue.empty():
            self._queue.get_nowait()

    def _kill(self) -> None:
        # A kill that comes while the statement is being planned is lost, and the engine takes no second one.
        if self._ended.wait(max(0.0, self._begun + PLANNING_SECONDS - time.monotonic())):
            return
        with contextlib.suppress(ServerError):
            self._engine.cancel(self._job.query_id)

    def _put(self, event: bytes | Summary | ServerError | None) -> None:
        if self._abandoned:
            return
        with contextlib.suppress(CancelledError, RuntimeError):
            asyncio.run_coroutine_threadsafe(self._queue.put(event), self._loop).result()

    def _run(self) -> None:
        pieces = self._engine.run(self._job)
        try:
            for piece in pieces:
                if self._abandoned:
                    return
                if isinstance(piece, Summary):
                    if self._squeeze and (rest := self._squeeze.flush()):
                        self._put(rest)
                    self.summary = piece
                    self._put(piece)
                else:
                    for at in range(0, len(piece), SPLIT_BYTES):
                        part = piece[at : at + SPLIT_BYTES]
                        part = self._squeeze.compress(part) if self._squeeze else part
                        if part:
                            self._put(part)
        except ServerError as error:
            self._put(error)
        except Exception as error:  # the client must get an answer whatever breaks here
            self._put(ServerError.make(1002, "UNKNOWN_EXCEPTION", repr(error)))
            raise
        finally:
            pieces.close()
            self._ended.set()
            self._put(None)
