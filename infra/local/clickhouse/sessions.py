"""HTTP sessions (session_id): what was SET or USEd in one is repeated before its next statement.

The server keeps a session's context; here each request has an engine session of its own. Repeating a handful
of SETs costs less than keeping hundreds of contexts for clients (clickhouse-connect names a session in every
request) that never use what a session is for. Temporary tables are refused (statement.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from infra.local.clickhouse.errors import ServerError
from infra.local.clickhouse.statement import Statement

DEFAULT_TIMEOUT = 60.0
LONGEST_TIMEOUT = 3600.0
STATEMENTS_LIMIT = 1000


@dataclass
class _Session:
    expires: float
    statements: list[str] = field(default_factory=list)


class Sessions:
    """The sessions that have something to repeat, by user and id."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], _Session] = {}

    def earlier(self, user: str, options: dict[str, str]) -> list[str]:
        """What to run before the request's statement. Raises ServerError when a checked session is gone."""
        now = time.monotonic()
        for key in [key for key, session in self._sessions.items() if session.expires < now]:
            del self._sessions[key]
        if "session_id" not in options:
            return []
        session = self._sessions.get((user, options["session_id"]))
        if session is None:
            if options.get("session_check") == "1":
                raise ServerError.make(372, "SESSION_NOT_FOUND", "Session not found")
            return []
        session.expires = now + _timeout(options)
        return list(session.statements)

    def remember(self, user: str, options: dict[str, str], statement: Statement) -> None:
        """Keeps a SET or USE that was run in a session."""
        if "session_id" not in options or statement.first not in ("SET", "USE"):
            return
        expires = time.monotonic() + _timeout(options)
        session = self._sessions.setdefault((user, options["session_id"]), _Session(expires))
        session.statements = [*session.statements, statement.text.decode()][-STATEMENTS_LIMIT:]


def _timeout(options: dict[str, str]) -> float:
    try:
        seconds = float(options.get("session_timeout", DEFAULT_TIMEOUT))
    except ValueError:
        raise ServerError.make(374, "INVALID_SESSION_TIMEOUT", "Invalid session timeout") from None
    return min(seconds, LONGEST_TIMEOUT)
