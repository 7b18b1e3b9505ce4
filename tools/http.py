"""What of MCP is served over HTTP: the endpoint for keys and tokens, those opened to anybody, the card."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from server.context import Actor, App
from server.errors import NotFound, Unavailable
from server.keys import Holder
from server.models import Scope as KeyScope
from tools.admission import Admission
from tools.card import Document, documents
from tools.desk import Caller, received
from tools.oauth import NotAdmitted, challenge
from tools.server import PATH, create_http_server, create_public_server

PUBLIC_PATH = re.compile(r"/s/([a-z0-9-]{1,63})/mcp")
GUEST = Actor(id="guest", name="guest", scopes=frozenset({KeyScope.AGENT}))


class Endpoints:
    """An ASGI application for the paths that it `serves`; its sessions live as long as `running`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._own_hosts = {urlsplit(app.settings.base_url).hostname, *app.settings.allowed_hosts}
        self._admission = Admission(app)
        self._documents = documents(app.settings)
        self._server, self._keys = create_http_server(app)
        self._public_server, self._public = create_public_server(app)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._server.session_manager.run(), self._public_server.session_manager.run():
            yield

    def end_streams(self) -> None:
        self._server.end_streams()
        self._public_server.end_streams()

    def serves(self, path: str) -> bool:
        return path == PATH or path in self._documents or PUBLIC_PATH.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in self._documents:
            await _serve(self._documents[scope["path"]], scope, send)
            return
        if scope["method"] != "POST":  # a GET would open a stream that never ends and never says anything
            await _answer(send, 405, "", (b"allow", b"POST"))
            return
        try:
            slug = await self._slug_for_guests(scope)
            if slug is None:
                await self._serve_holder(scope, receive, send)
            else:
                await self._serve_guest(slug, scope, receive, send)
        except Unavailable as error:  # the key, the token's signature or the tenant could not be looked up
            await _answer(send, 503, str(error), (b"retry-after", str(math.ceil(error.retry_after)).encode()))

    async def _slug_for_guests(self, scope: Scope) -> str | None:
        """The tenant whose endpoint for guests this is, by its path or by a host name of the tenant's own.

        Under such a name there is nothing of another tenant: its path leads nowhere.
        """
        host = Headers(scope=scope).get("host", "").lower().partition(":")[0]
        owner = None if host in self._own_hosts else await self._app.hosts.owner(host)
        match = PUBLIC_PATH.fullmatch(scope["path"])
        if match is None:
            return owner
        return match[1] if owner in (None, match[1]) else ""

    async def _serve_holder(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            holder = await self._admission.holder(scope)
        except NotAdmitted as refused:
            await self._turn_away(send, refused)
            return
        if holder is None:
            await self._turn_away(send, None)
            return
        with received(Caller(holder, counted_as=holder.actor.id)):
            await self._keys(scope, receive, send)

    async def _turn_away(self, send: Send, refused: NotAdmitted | None) -> None:
        text = "Send an API key or an access token: `Authorization: Bearer …`" if refused is None else str(refused)
        status = 403 if refused is not None and refused.code == "insufficient_scope" else 401
        header = challenge(self._app.settings, refused).encode()
        await _answer(send, status, text, (b"www-authenticate", header))

    async def _serve_guest(self, slug: str, scope: Scope, receive: Receive, send: Send) -> None:
        holder = await self._open_tenant(slug)
        if holder is None:
            await _answer(send, 404, "There is no MCP endpoint here.")
            return
        client = scope.get("client")
        with received(Caller(holder, counted_as=client[0] if client else "")):
            await self._public({**scope, "path": PATH, "raw_path": PATH.encode()}, receive, send)

    async def _open_tenant(self, slug: str) -> Holder | None:
        """Whom the tenant lets in; None if there is no such tenant, or it has not opened its endpoint."""
        try:
            snapshot = await self._app.snapshots.by_slug(slug)
        except NotFound:
            return None
        return Holder(snapshot.tenant.id, GUEST) if snapshot.tenant.settings.public_mcp else None


async def _serve(document: Document, scope: Scope, send: Send) -> None:
    """The document to anybody, also to a script of another site: it says nothing that is not public."""
    headers = [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", b"GET"),
        (b"access-control-allow-headers", b"Content-Type, If-None-Match"),
        (b"access-control-expose-headers", b"ETag"),
        (b"cache-control", b"public, max-age=3600"),
        (b"etag", document.etag.encode()),
        (b"content-type", document.media_type.encode()),
    ]
    method = scope["method"]
    if method not in ("GET", "HEAD", "OPTIONS"):
        await _answer(send, 405, "", (b"allow", b"GET, HEAD, OPTIONS"))
        return
    unchanged = document.etag in Headers(scope=scope).get("if-none-match", "")
    status = 204 if method == "OPTIONS" else 304 if unchanged else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": document.body if status == 200 and method == "GET" else b""})


async def _answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    body = text.encode()
    sent = [
        (b"content-length", str(len(body)).encode()),
        (b"content-type", b"text/plain; charset=utf-8"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
