"""The engine in this process: one session a request, so that no setting or database leaks into another."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chdb

from infra.local.clickhouse.errors import ServerError
from infra.local.clickhouse.native import REVISION, reframe
from infra.local.clickhouse.statement import Statement
from infra.templates import sql_string

STREAMED_FORMATS = frozenset(
    [
        "native",
        "rowbinary",
        "tabseparated",
        "tsv",
        "tabseparatedraw",
        "tsvraw",
        "csv",
        "jsoneachrow",
        "ndjson",
        "jsonlines",
        "jsoncompacteachrow",
        "tskv",
        "values",
    ]
)
"""Formats without head or foot: the engine encodes every block on its own, and only these can be joined."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


@dataclass(frozen=True)
class Job:
    """A statement as one user runs it."""

    statement: Statement
    query_id: str
    user: str = "default"
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()
    """SET and USE statements of the request's session."""
    readonly: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)
    format: str = "TabSeparated"
    data_file: str | None = None
    revision: int = 0
    """client_protocol_version: how Native frames its blocks."""
    buffered: bool = False
    """Answer only when the whole result is there (wait_end_of_query)."""


@dataclass(frozen=True)
class Summary:
    """What a finished statement has done."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_ns: int = 0


class Engine:
    """chdb opened on a data folder. Calls block: one thread a call."""

    def __init__(self, data: Path, config: Path):
        data.mkdir(parents=True, exist_ok=True)
        # Without `file:` chdb does not read the options.
        self._url = f"file:{data.resolve()}?config-file={config.resolve()}"
        # The engine runs for as long as one session is open.
        self._keeper: Any = chdb.connect(self._url)
        self.version, self.timezone = self._text("SELECT version(), timezone()").split("\t")
        self.table_functions = frozenset(self._text("SELECT lower(name) FROM system.table_functions").split("\n"))

    def close(self) -> None:
        """Stops the engine: Kafka consumers, merges."""
        self._keeper.close()

    def ping(self) -> None:
        """Raises when the engine does not answer."""
        with self._session() as session:
            _call(session.query, b"SELECT 1", "Null", params={})

    def cancel(self, query_id: str) -> None:
        """Stops a running statement; nothing happens when it has ended."""
        statement = f"KILL QUERY WHERE endsWith(query, {sql_string(_tag(query_id).decode())}) ASYNC"
        with self._session() as session:
            _call(session.query, statement.encode(), "Null", params={})

    def run(self, job: Job) -> Generator[bytes | Summary, None, None]:
        """The result's pieces, then the summary. Raises ServerError, also half-way."""
        with self._session() as session:
            statement = self._prepare(session, job)
            text = statement.from_file(job.data_file) if job.data_file else statement.text
            text += _tag(job.query_id)
            if job.user != "default":
                text = b"EXECUTE AS " + _identifier(job.user) + b" " + text
            elif statement.is_query and not job.buffered and job.format.lower() in STREAMED_FORMATS:
                for piece in _streamed(session, text, job.format, job.parameters):
                    yield _framed(job, piece) if isinstance(piece, bytes) else piece
                return
            result = _call(session.query, text, job.format, params=dict(job.parameters))
            body = result.bytes()
            if body:
                yield _framed(job, body)
            rows, written = (0, result.rows_read()) if statement.first == "INSERT" else (result.rows_read(), 0)
            yield Summary(
                result.storage_rows_read(),
                result.storage_bytes_read(),
                written,
                rows,
                len(body),
                int(result.elapsed() * 1e9),
            )

    @contextmanager
    def _session(self) -> Iterator[Any]:
        with closing(_call(chdb.connect, self._url)) as connection:
            yield connection._conn

    def _text(self, sql: str) -> str:
        with self._session() as session:
            return _call(session.query, sql, "TabSeparated", params={}).bytes().decode().rstrip("\n")

    def _prepare(self, session: Any, job: Job) -> Statement:
        """Database and settings of the job put in force."""
        statement = job.statement
        if job.database:
            _call(session.query, b"USE " + _identifier(job.database), "Null", params={})
        if job.user != "default":
            # The user's own profile decides what may be set, and it does not see this session's settings.
            statement = statement.without_format()
            if job.settings:
                assignments = _assignments(job.settings)
                prefix = b"EXECUTE AS " + _identifier(job.user)
                _call(session.query, prefix + b" SET " + assignments, "Null", params={})
                if statement.is_query:
                    statement = statement.with_settings(assignments)
            return statement
        for earlier in job.before:
            _call(session.query, earlier.encode(), "Null", params={})
        if job.settings:
            _call(session.query, b"SET " + _assignments(job.settings), "Null", params={})
        if job.readonly:
            _call(session.query, f"SET readonly = {job.readonly}".encode(), "Null", params={})
        return statement


def _framed(job: Job, body: bytes) -> bytes:
    return reframe(body) if job.revision >= REVISION and job.format.lower() == "native" else body


def _streamed(
    session: Any, text: bytes, fmt: str, parameters: Mapping[str, str]
) -> Generator[bytes | Summary, None, None]:
    started = time.monotonic_ns()
    stream = _call(session.send_query, text, fmt, params=dict(parameters))
    read_rows = read_bytes = rows = size = 0
    finished = False
    try:
        while not finished:
            piece = _call(session.streaming_fetch_result, stream)
            finished = piece.rows_read() == 0
            read_rows += piece.storage_rows_read()
            read_bytes += piece.storage_bytes_read()
            rows += piece.rows_read()
            body = piece.bytes()
            size += len(body)
            if body:
                yield body
    except ServerError:
        finished = True
        raise
    finally:
        if not finished:
            session.streaming_cancel_query(stream)
    yield Summary(read_rows, read_bytes, 0, rows, size, time.monotonic_ns() - started)


def _call(function: Any, *arguments: Any, **named: Any) -> Any:
    try:
        return function(*arguments, **named)
    except (RuntimeError, UnicodeDecodeError) as error:
        raise ServerError.from_engine(error) from None


def _assignments(settings: Mapping[str, str]) -> bytes:
    for name in settings:
        if not _NAME.fullmatch(name):
            raise ServerError.make(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'.")
    return ", ".join(f"{name} = {sql_string(value)}" for name, value in settings.items()).encode()


def _identifier(name: str) -> bytes:
    return b"`" + name.encode().replace(b"\\", b"\\\\").replace(b"`", b"\\`") + b"`"


def _tag(query_id: str) -> bytes:
    """A comment at the statement's end: the engine gives ids of its own, and this is how ours is found."""
    return b" /* query_id: " + re.sub(rb"[^\w.-]", b"_", query_id.encode()) + b" */"
