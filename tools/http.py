"""What of MCP is served over HTTP: the endpoint for keys, and the endpoints that tenants opened to anybody."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope, Send

from server.context import Actor, App
from server.errors import NotFound, Unavailable
from server.keys import Holder
from server.models import Scope as KeyScope
from tools.desk import Guest, received
from tools.server import PATH, create_http_server, create_public_server

PUBLIC_PATH = re.compile(r"/s/([a-z0-9-]{1,63})/mcp")
GUEST = Actor(id="guest", name="guest", scopes=frozenset({KeyScope.AGENT}))


class Endpoints:
    """An ASGI application for the paths that it `serves`; its sessions live as long as `running`."""

    def __init__(self, app: App) -> None:
        self._app = app
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
        return path == PATH or PUBLIC_PATH.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":  # a GET would open a stream that never ends and never says anything
            await _answer(send, 405, "", (b"allow", b"POST"))
            return
        try:
            if scope["path"] == PATH:
                await self._keys(scope, receive, send)
            else:
                await self._serve_guest(scope, receive, send)
        except Unavailable as error:  # the key or the tenant could not be looked up
            await _answer(send, 503, str(error), (b"retry-after", b"1"))

    async def _serve_guest(self, scope: Scope, receive: Receive, send: Send) -> None:
        holder = await self._open_tenant(scope["path"])
        if holder is None:
            await _answer(send, 404, "There is no MCP endpoint here.")
            return
        client = scope.get("client")
        with received(Guest(holder, client[0] if client else "")):
            await self._public({**scope, "path": PATH, "raw_path": PATH.encode()}, receive, send)

    async def _open_tenant(self, path: str) -> Holder | None:
        """Whom the path's tenant lets in; None if there is no such tenant, or it has not opened its endpoint."""
        match = PUBLIC_PATH.fullmatch(path)
        try:
            snapshot = await self._app.snapshots.by_slug(match[1] if match else "")
        except NotFound:
            return None
        return Holder(snapshot.tenant.id, GUEST) if snapshot.tenant.settings.public_mcp else None


async def _answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    body = text.encode()
    sent = [
        (b"content-length", str(len(body)).encode()),
        (b"content-type", b"text/plain; charset=utf-8"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
