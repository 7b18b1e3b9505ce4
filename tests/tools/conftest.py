"""Herald's whole ASGI application on a loopback port, keys for two tenants, and real MCP clients."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.types import CallToolResult, TextContent

from server.asgi import Herald
from server.context import App, TenantContext
from server.keys import create_key
from server.models import Scope
from tests.served import connected

ERAS = ["2025-11-25", "2026-07-28"]
MODE = {"2025-11-25": "legacy", "2026-07-28": "2026-07-28"}


@dataclass(frozen=True)
class Endpoint:
    """A server that answers, and what is needed to call it."""

    url: str
    tenant: TenantContext
    stranger: TenantContext
    http: httpx2.AsyncClient

    async def key(self, *scopes: Scope, tenant: TenantContext | None = None) -> str:
        _, secret = await create_key(tenant or self.tenant, "test", scopes)
        return secret

    def client(self, key: str, era: str = "2026-07-28") -> AbstractAsyncContextManager[Client]:
        return connected(self.url, key, MODE[era])

    @asynccontextmanager
    async def caller(
        self, *scopes: Scope, tenant: TenantContext | None = None, era: str = "2026-07-28"
    ) -> AsyncIterator[Client]:
        """A client with a new key of these scopes."""
        async with self.client(await self.key(*scopes, tenant=tenant), era) as client:
            yield client

    async def post(self, content: bytes | str, key: str | None = None, **headers: str) -> httpx2.Response:
        """What a client sends that is not one of the SDK's."""
        sent = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        return await self.http.post(f"{self.url}/mcp", content=content, headers=sent | headers)


@pytest.fixture
async def endpoint(app: App, acme: TenantContext, globex: TenantContext) -> AsyncIterator[Endpoint]:
    """Both tenants' server. The tenant is acme, the stranger globex."""
    async with serving(app) as url, httpx2.AsyncClient(timeout=30) as http:
        yield Endpoint(url, acme, globex, http)


@asynccontextmanager
async def serving(app: App, port: int = 0) -> AsyncIterator[str]:
    """Herald on that loopback port, or any free one, for as long as the block lasts."""
    async with served(Herald(app), port) as url:
        yield url


@asynccontextmanager
async def served(application: Any, port: int = 0, **options: Any) -> AsyncIterator[str]:
    """An ASGI application on that loopback port, or any free one, for as long as the block lasts."""
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, timeout_graceful_shutdown=2, **options))
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", port))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with asyncio.timeout(30):
                while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def answer(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """What the tool returned; fails if it refused."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    structured: dict[str, Any] = result.structured_content
    return structured


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    """What the tool said when it refused; fails if it did not."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    assert result.structured_content is None
    return text_of(result)


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


def last_message(response: httpx2.Response) -> Any:
    """The JSON-RPC message of an answer that comes as JSON or as the last event of a stream."""
    return json.loads(response.text.strip().splitlines()[-1].removeprefix("data: "))
