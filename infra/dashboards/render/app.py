"""The live page: the dashboards under Grafana's addresses, and what their panels ask, as JSON. It only reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.dashboards.render.boards import Boards, for_browser
from infra.dashboards.render.page import STATIC, live_page
from infra.dashboards.render.source import QueryError
from infra.errors import UserError

HOSTS = ["127.0.0.1", "localhost"]
"""Another name in the Host header is a page elsewhere whose name was pointed here (DNS rebinding)."""
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


class _Headers:
    """Puts HEADERS on every answer, and refuses what a page elsewhere asks for."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        request = Request(scope)
        from_elsewhere = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        # A link elsewhere may lead here; a page elsewhere may not make ClickHouse work.
        if from_elsewhere and request.headers.get("sec-fetch-mode") != "navigate":
            await PlainTextResponse("only for this page", 403)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def _params(request: Request) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for key, value in request.query_params.multi_items():
        found.setdefault(key, []).append(value)
    return found


def _now(request: Request) -> datetime:
    """The moment that the browser calls now: all panels of one refresh ask for the same range."""
    at = request.query_params.get("at", "")
    if at.isdigit() and len(at) <= 13:
        return datetime.fromtimestamp(int(at) / 1000, UTC)
    return datetime.now(UTC)


def _explained(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def explained(request: Request) -> Response:
        try:
            return await answer(request)
        except UserError as error:
            return JSONResponse({"error": str(error)}, 400)
        except QueryError as error:
            return JSONResponse({"error": str(error)}, 502)

    return explained


def application(boards: Boards, stack: str) -> Starlette:
    """The page of one stack."""

    async def home(_: Request) -> Response:
        return RedirectResponse(f"/d/{boards.first}", 302)

    async def show(request: Request) -> Response:
        uid = request.path_params["uid"]
        status = 200 if uid in boards.models else 404
        return HTMLResponse(live_page(boards, stack, uid), status)

    async def variables(request: Request) -> Response:
        look = boards.look(request.path_params["uid"], _params(request), _now(request))
        # The options are waited for in a thread: other panels go on being answered.
        return JSONResponse(await asyncio.to_thread(boards.variables, look))

    async def panel(request: Request) -> Response:
        look = boards.look(request.path_params["uid"], _params(request), _now(request))
        number = request.path_params["number"]
        frame = await asyncio.wrap_future(boards.panel(look, number))
        return JSONResponse(boards.answer(look, number, frame))

    async def model(request: Request) -> Response:
        return JSONResponse(for_browser(boards.model(request.path_params["uid"])))

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        boards.close()

    return Starlette(
        routes=[
            Route("/", home),
            Route("/healthz", healthy),
            Route("/d/{uid}", show),
            Route("/d/{uid}/{slug}", show),
            Route("/api/dashboards/{uid}", _explained(model)),
            Route("/api/dashboards/{uid}/variables", _explained(variables)),
            Route("/api/dashboards/{uid}/panels/{number:int}", _explained(panel)),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(_Headers), Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)],
        lifespan=lifespan,
    )
