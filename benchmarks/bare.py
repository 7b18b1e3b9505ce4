"""What `benchmarks.mcp` compares with: a trivial tool on the bare SDK, and a bare Litestar POST.

The tool verifies a bearer token by its digest, as Herald does, and returns a result of a given size in the form
that costs the SDK least: one compact text with the same content structured.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sys
from typing import Annotated, Any, cast

import uvicorn
from litestar import Litestar, get, post
from mcp.server import MCPServer
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.types import CallToolResult, TextContent
from pydantic import AnyHttpUrl, BaseModel
from starlette.requests import Request
from starlette.responses import Response

TOKENS = {hashlib.sha256(b"token").hexdigest(): "acme"}


class Answer(BaseModel):
    text: str


class Query(BaseModel):
    query: str


class Verifier:
    async def verify_token(self, token: str) -> AccessToken | None:
        tenant = TOKENS.get(hashlib.sha256(token.encode()).hexdigest())
        return (tenant and AccessToken(token="", client_id=tenant, scopes=[], claims={"tenant": tenant})) or None


def bare_tool(size: int) -> Any:
    server = MCPServer(
        "bare",
        token_verifier=Verifier(),
        auth=AuthSettings(
            issuer_url=AnyHttpUrl("http://localhost"), resource_server_url=None, required_scopes=None
        ),
    )
    filling = "x" * (size - len('{"text":""}'))

    @server.tool()
    async def check(query: str) -> Annotated[CallToolResult, Answer]:
        """Answer with a text of a fixed size."""
        structured = Answer(text=filling).model_dump(mode="json")
        text = json.dumps(structured, separators=(",", ":"))
        return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)

    @server.custom_route("/readyz", methods=["GET"])  # type: ignore[untyped-decorator]
    async def readyz(_request: Request) -> Response:
        return Response("ok")

    return server.streamable_http_app(stateless_http=True, json_response=False)


def litestar_post(size: int) -> Litestar:
    filling = "x" * size

    @post("/check", status_code=200)
    async def check(data: Query) -> Answer:
        return Answer(text=filling)

    @get("/readyz")
    async def readyz() -> str:
        return "ok"

    return Litestar([check, readyz], openapi_config=None)


def main(kind: str, port: str, size: str) -> None:
    app = bare_tool(int(size)) if kind == "mcp" else litestar_post(int(size))
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # otherwise Nagle's algorithm stays on
    listening.bind(("127.0.0.1", int(port)))
    config = uvicorn.Config(cast(Any, app), log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(*sys.argv[1:])
