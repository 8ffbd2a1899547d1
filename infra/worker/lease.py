"""Which of several workers does what must not be done twice for nothing: the one that has held the lease longest.

ClickHouse has no locks. A worker says that it is there, waits until whoever came at the same moment can be seen too, and
then looks; from then on the order of arrival decides. Two may hold it for a moment when one was paused for long: what is
done under a lease has to bear that.
"""

from __future__ import annotations

import secrets
import threading
import time

from clickhouse_connect.driver.client import Client

from infra.replicas import catch_up
from infra.worker import statements

BEAT_SECONDS = 4.0
EXPIRY_SECONDS = 12.0
"""A worker that has not been heard of for this long is gone."""
SETTLE_SECONDS = 0.5


class Lease:
    """One lease as one worker sees it; may be asked from several threads, each with its own client."""

    def __init__(self, name: str, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        self._name, self._expiry = name, expiry_seconds
        self._holder = secrets.token_hex(8)
        self._taken_ms = 0
        self._beat = -float("inf")
        self._held = False
        self._lock = threading.Lock()

    def held(self, client: Client) -> bool:
        """Whether this worker has it now. Says so again when it is time."""
        with self._lock:
            since = time.monotonic() - self._beat
            if since < min(BEAT_SECONDS, self._expiry / 3):
                return self._held
            if since > self._expiry:
                # For the others it was gone: it comes anew, behind whoever has taken over.
                self._taken_ms = statements.server_ms(client)
                self._say(client)
                time.sleep(SETTLE_SECONDS)
            else:
                self._say(client)
            catch_up(client, ["worker_leases"])
            expiry_ms = int(self._expiry * 1000)
            known = statements.rows(client, "worker/lease", lease=self._name, expiry_ms=expiry_ms)
            self._held = bool(known) and known[0][0] == self._holder
            return self._held

    def _say(self, client: Client) -> None:
        # Taken before the insert: the time that others count from is the row's, never earlier.
        began = time.monotonic()
        values = {"lease": self._name, "holder": self._holder, "taken_ms": self._taken_ms}
        statements.run(client, "worker/lease_beat", **values)
        self._beat = began
