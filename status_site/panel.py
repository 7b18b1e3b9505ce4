"""The Sidekick's panel for other sites' frames, and the demo's support inbox around it (the demo only)."""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State

from server import panels, texts
from server.context import App, TenantContext
from server.demo import SIDEKICK_KEY
from server.errors import NotFound
from server.panels import PanelToken, TokenRequest
from status_site.documents import POLICY, SECURITY_HEADERS
from status_site.reader import Reader
from status_site.render import render

HttpRequest = Request[Any, Any, State]


@get("/sidekick/panel")
async def panel(request: HttpRequest) -> Response[bytes]:
    """The same page for everybody: it holds nothing until its host hands it a token."""
    app: App = request.app.state.app
    ancestors = " ".join(("'self'", *app.settings.panel_origins))
    policy = {"Content-Security-Policy": POLICY.format(ancestors=ancestors)}
    return _page("panel.html", policy)


@get("/demo/inbox")
async def inbox(request: HttpRequest) -> Response[bytes]:
    """A support desk to try the Sidekick in. Raises NotFound but in the demo."""
    _demo(request)
    policy = POLICY.format(ancestors="'none'") + "; frame-src 'self'"
    return _page("inbox.html", {"Content-Security-Policy": policy})


@post("/demo/token", status_code=200)
async def demo_token(request: HttpRequest) -> PanelToken:
    """What a support desk's own server does: it holds the key, and hands its agents' browsers tokens."""
    app = _demo(request)
    holder = await app.keyring.holder(SIDEKICK_KEY)
    if holder is None:
        raise NotFound("there is no such page")
    return panels.mint(TenantContext(app, holder.tenant_id, holder.actor), TokenRequest(agent="Demo agent"))


def _demo(request: HttpRequest) -> App:
    app: App = request.app.state.app
    if not app.keyring.is_demo:
        raise NotFound("there is no such page")
    return app


def _page(template: str, policy: dict[str, str]) -> Response[bytes]:
    body = render(template, Reader(texts.ENGLISH, base=""))
    headers = SECURITY_HEADERS | policy | {"Cache-Control": "no-store"}
    return Response(body, media_type=MediaType.HTML, headers=headers)


HANDLERS = (panel, inbox, demo_token)
