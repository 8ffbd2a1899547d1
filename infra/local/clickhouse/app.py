"""The ASGI application: routes, signing in, one worker thread a statement, answers as the server words them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from infra.local.clickhouse import restrictions
from infra.local.clickhouse.compression import compressor
from infra.local.clickhouse.engine import Engine, Job, Summary
from infra.local.clickhouse.errors import ServerError
from infra.local.clickhouse.request import Request, read_request, url_fields
from infra.local.clickhouse.running import Running
from infra.local.clickhouse.sessions import Sessions
from infra.local.clickhouse.users import User, authenticate, credentials
from infra.tenant_views import TENANT_DATABASE

CONTENT_TYPES = {
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
}


@dataclass
class Front:
    """What the requests share."""

    engine: Engine
    users: Mapping[str, User]
    spool: Path
    statements: int
    """How many statements may run at once; more are refused, as max_concurrent_queries does."""

    def __post_init__(self) -> None:
        self.sessions = Sessions()
        self.running: set[Running] = set()
        self.threads = ThreadPoolExecutor(self.statements, "statement")
        # Apart from the statements' threads: a cancellation must not wait behind what it cancels.
        self.cancelling = ThreadPoolExecutor(4, "cancel")

    def stop(self) -> None:
        """Cancels what still runs, waits for it, and closes the engine."""
        for running in list(self.running):
            running.cancel()
        self.threads.shutdown(wait=True, cancel_futures=True)
        self.cancelling.shutdown(wait=True)
        self.engine.close()

    def job(self, http: HttpRequest, fields: Mapping[str, str], request: Request) -> tuple[Job, str]:
        """The statement as the signed-in user may run it. Raises ServerError."""
        user = authenticate(self.users, *credentials(http.headers, fields), http.client.host if http.client else "")
        database = request.options.get("database") or http.headers.get("x-clickhouse-database", "")
        if user.fenced:
            database = database or TENANT_DATABASE
        settings = dict(request.settings)
        readonly = int(settings.pop("readonly", "0") or 0) or (2 if http.method in ("GET", "HEAD") else 0)
        settings.pop("enable_http_compression", None)
        if user.name != "default":
            restrictions.check(user, database, request.statement, self.engine.table_functions)
        fmt = http.headers.get("x-clickhouse-format") or request.options.get("default_format") or "TabSeparated"
        job = Job(
            statement=request.statement,
            query_id=request.query_id,
            user=user.name,
            database=database,
            settings=settings,
            before=self.sessions.earlier(user.name, request.options),
            readonly=readonly,
            parameters=request.parameters,
            format=request.statement.format if request.data_file is None and request.statement.format else fmt,
            data_file=request.data_file,
            revision=int(request.options.get("client_protocol_version") or 0),
            buffered=request.flag("wait_end_of_query"),
        )
        return job, user.name


class Query:
    """The endpoint of statements: POST body, or `query` in the URL with an INSERT's data as the body."""

    def __init__(self, front: Front):
        self._front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        fields = url_fields(scope["query_string"])
        headers = {"X-ClickHouse-Server-Display-Name": "chdb", "X-ClickHouse-Timezone": self._front.engine.timezone}
        request: Request | None = None
        try:
            if http.method == "GET" and "query" not in fields:
                await PlainTextResponse("Ok.\n")(scope, receive, send)
                return
            request = await read_request(fields, http.headers, http.stream(), self._front.spool)
            headers["X-ClickHouse-Query-Id"] = request.query_id
            job, user = self._front.job(http, {**fields, **request.options}, request)
            await self._answer(http, request, job, user, headers, send)
        except ServerError as error:
            await self._refuse(error, headers)(scope, receive, send)
        except ClientDisconnect:
            pass
        finally:
            if request:
                request.close()

    def _refuse(self, error: ServerError, headers: dict[str, str]) -> Response:
        headers = headers | {"X-ClickHouse-Exception-Code": str(error.code)}
        if error.code == 516:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        body = error.body(self._front.engine.version)
        return Response(body, error.status, headers, media_type="text/plain; charset=UTF-8")

    async def _answer(
        self, http: HttpRequest, request: Request, job: Job, user: str, headers: dict[str, str], send: Send
    ) -> None:
        front = self._front
        if len(front.running) >= front.statements:
            message = f"Too many simultaneous queries. Maximum: {front.statements}"
            raise ServerError.make(202, "TOO_MANY_SIMULTANEOUS_QUERIES", message)
        squeeze = (
            compressor(http.headers.get("accept-encoding", "")) if request.flag("enable_http_compression") else None
        )
        running = Running(front.engine, job, front.cancelling, squeeze[1] if squeeze else None)
        front.running.add(running)
        watcher = asyncio.create_task(_cancel_on_disconnect(http, running))
        try:
            running.start(front.threads)
            events = running.events()
            first = await anext(events)
            if isinstance(first, ServerError):
                raise first
            tag = secrets.token_hex(8)
            headers |= {"X-ClickHouse-Format": job.format, "X-ClickHouse-Exception-Tag": tag}
            headers["Content-Type"] = CONTENT_TYPES.get(job.format.lower(), "application/octet-stream")
            if squeeze:
                headers["Content-Encoding"] = squeeze[0]
            await self._send(http, first, events, headers, tag, front.users[user].fenced, send)
            if running.summary:
                front.sessions.remember(user, request.options, request.statement)
        finally:
            watcher.cancel()
            running.abandon()
            front.running.discard(running)

    async def _send(
        self,
        http: HttpRequest,
        first: bytes | Summary,
        events: AsyncIterator[bytes | Summary | ServerError],
        headers: dict[str, str],
        tag: str,
        fenced: bool,
        send: Send,
    ) -> None:
        """Headers and body. The first piece waits for the second event: most answers are one piece and a summary."""
        pieces = [first] if isinstance(first, bytes) else []
        second = await anext(events, None) if pieces else first
        if isinstance(second, Summary):
            # All is here: length and summary can be told.
            body = b"".join(pieces)
            async for last in events:
                body += last if isinstance(last, bytes) else b""
            # How much was read tells how much others have.
            headers["X-ClickHouse-Summary"] = _summary(replace(second, read_rows=0, read_bytes=0) if fenced else second)
            await Response(b"" if http.method == "HEAD" else body, 200, headers)(http.scope, http.receive, send)
            return
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        await send({"type": "http.response.body", "body": pieces[0], "more_body": True})
        event = second
        while event is not None:
            if isinstance(event, bytes):
                await send({"type": "http.response.body", "body": event, "more_body": True})
            elif isinstance(event, ServerError):
                await send({"type": "http.response.body", "body": _late(event, tag, self._front), "more_body": True})
                # Leaving the body unfinished tells every client that the result is not whole.
                raise ConnectionAbortedError(str(event))
            event = await anext(events, None)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _late(error: ServerError, tag: str, front: Front) -> bytes:
    """The exception after part of the result has gone out, in the form that clients look for."""
    text = error.body(front.engine.version)
    return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag.encode(), text, len(text), tag.encode())


def _summary(summary: Summary) -> str:
    values = {
        "read_rows": summary.read_rows,
        "read_bytes": summary.read_bytes,
        "written_rows": summary.written_rows,
        "written_bytes": 0,
        "total_rows_to_read": summary.read_rows,
        "result_rows": summary.result_rows,
        "result_bytes": summary.result_bytes,
        "elapsed_ns": summary.elapsed_ns,
    }
    return json.dumps({name: str(value) for name, value in values.items()})


async def _cancel_on_disconnect(http: HttpRequest, running: Running) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass
    running.cancel()


def application(front: Front) -> Starlette:
    """/, /ping, /replicas_status. The front is stopped when the server is."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        # Here the loop still turns: statements that end now hand their last words to it.
        await asyncio.to_thread(front.stop)

    async def ok(_: HttpRequest) -> Response:
        return PlainTextResponse("Ok.\n")

    query = Query(front)
    return Starlette(
        routes=[
            Route("/ping", ok),
            Route("/replicas_status", ok),
            Route("/query", query),
            Route("/", query),
        ],
        lifespan=lifespan,
    )
