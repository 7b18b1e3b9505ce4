"""The site: published pages from memory, and behind them one Litestar app with its routes and refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import cast

from litestar import Litestar, MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from starlette.types import ASGIApp

from server import texts
from server.context import App
from server.errors import HeraldError
from server.rates import RateLimit
from status_site import demo_mail, domains, health, panel, reports, sidekick, subscribe
from status_site.branding_api import ROUTER as BRANDING_ROUTER
from status_site.documents import SECURITY_HEADERS
from status_site.publishing import Published
from status_site.refusals import error_document, headers_of, status_of
from status_site.streams import Streams

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_site(app: App, lifespan: Sequence[Lifespan] = (), streams: Streams | None = None) -> Published:
    streams = streams or Streams()
    app.snapshots.watch(streams.replaced)
    rates = RateLimit(app.settings.requests_per_minute, app.clock)
    framework = Litestar(
        [
            health.healthz,
            health.readyz,
            domains.tls_ask,
            BRANDING_ROUTER,
            *subscribe.HANDLERS,
            demo_mail.mailbox,
            demo_mail.mail,
            sidekick.ROUTER,
            reports.ROUTER,
            *panel.HANDLERS,
        ],
        state=State({"app": app, "streams": streams, "rates": rates}),
        lifespan=list(lifespan),
        exception_handlers={HeraldError: _refusal, HTTPException: _http_error},
        response_headers=SECURITY_HEADERS,
        logging_config=None,  # the shell has set it up
        openapi_config=sidekick.openapi(),
        include_in_schema=False,
        cors_config=sidekick.cors(app.settings),
    )
    return Published(app, cast(ASGIApp, framework))  # the same protocol, spelt otherwise


def _refusal(request: Request[object, object, State], error: HeraldError) -> Response[bytes]:
    return _error_page(request, status_of(error), str(error), headers_of(error))


def _http_error(request: Request[object, object, State], error: HTTPException) -> Response[bytes]:
    return _error_page(request, error.status_code, error.detail, {})


def _error_page(
    request: Request[object, object, State], status: int, text: str, headers: dict[str, str]
) -> Response[bytes]:
    language = texts.choose(request.headers.get("accept-language", ""))
    document = error_document(status, text, language)
    return Response(
        document.body,
        status_code=status,
        media_type=MediaType.HTML,  # Litestar adds the charset
        headers={
            **SECURITY_HEADERS,
            "Cache-Control": document.cache_control,
            "Content-Language": language,
            **headers,
        },
    )
