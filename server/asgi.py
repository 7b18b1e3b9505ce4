"""The whole product on one port: the paths of MCP, and everything else is the site. Part of the shell."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any, cast

import uvicorn
from litestar import Litestar
from starlette.types import Receive, Scope, Send

from server.context import App
from server.errors import Refused
from server.opening import background_work
from status_site.app import create_site
from status_site.streams import Streams
from tools.http import Endpoints

log = logging.getLogger(__name__)

GRACEFUL_SECONDS = 2


class Herald:
    """The ASGI application. The paths of MCP go straight to it, lifespan and the rest to the site."""

    def __init__(self, app: App) -> None:
        self.mcp = Endpoints(app)
        self._panels = Streams()

        @asynccontextmanager
        async def running(_site: Litestar) -> AsyncIterator[None]:
            async with background_work(app, sends_mail=app.settings.worker), self.mcp.running():
                yield

        self._site = create_site(app, lifespan=[running], streams=self._panels)

    def end_streams(self) -> None:
        """End what would otherwise stay open for hours."""
        self.mcp.end_streams()
        self._panels.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.mcp.serves(scope["path"]):
            await self.mcp(scope, receive, send)
        else:
            await self._site(scope, receive, send)


class Server(uvicorn.Server):
    """uvicorn that ends open streams in their own way, and itself within seconds."""

    def __init__(self, config: uvicorn.Config, herald: Herald) -> None:
        super().__init__(config)
        self._herald = herald

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._herald.end_streams()
        super().handle_exit(sig, frame)


async def serve(app: App, announce: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, then end within three seconds.

    `announce` is called once nothing can go wrong any more. Raises Refused if the address cannot be listened on.
    """
    herald = Herald(app)
    listening = _listen(app.settings.host, app.settings.port)
    announce()
    config = uvicorn.Config(
        cast(Any, herald),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        server_header=False,
    )
    await Server(config, herald).serve(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it an answer can wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        hint = "--port" if error.errno == errno.EADDRINUSE else "--host or --port"
        raise Refused(f"cannot listen on {host}:{port} ({error.strerror}): choose another {hint}") from error
    return listening
