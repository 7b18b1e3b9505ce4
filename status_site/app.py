"""The site as one Litestar app: its routes, its headers, and how a refusal reads over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from litestar import Litestar, MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.static_files import create_static_files_router

from server.context import App
from server.errors import Conflict, HeraldError, Invalid, NotFound, Refused, Unavailable
from status_site import health, page
from status_site.render import render

STATIC = Path(__file__).parent / "static"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

STATUS_OF = {NotFound: 404, Invalid: 400, Refused: 403, Conflict: 409, Unavailable: 503}

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_site(app: App, lifespan: Sequence[Lifespan] = ()) -> Litestar:
    return Litestar(
        [
            health.healthz,
            health.readyz,
            page.status_page,
            page.incident_page,
            create_static_files_router(path="/static", directories=[STATIC], cache_control=None),
        ],
        state=State({"app": app}),
        lifespan=list(lifespan),
        exception_handlers={HeraldError: _refusal, HTTPException: _http_error},
        response_headers=HEADERS,
        openapi_config=None,
    )


def _refusal(_request: Request[object, object, State], error: HeraldError) -> Response[bytes]:
    response = _error_page(STATUS_OF.get(type(error), 500), str(error))
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return response


def _http_error(_request: Request[object, object, State], error: HTTPException) -> Response[bytes]:
    return _error_page(error.status_code, error.detail)


def _error_page(status: int, text: str) -> Response[bytes]:
    body = render("error.html", status=status, text=text)
    return Response(body, status_code=status, media_type=MediaType.HTML, headers={"Cache-Control": "no-store"})
