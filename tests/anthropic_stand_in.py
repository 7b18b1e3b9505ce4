"""Anthropic's Messages API on a loopback port: checks the shape of each request and fails as it is told to."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

FAILURES = (
    "truncated",
    "refused",
    "limited",
    "overloaded",
    "broken",
    "malformed",
    "wrong shape",
    "hangs",
    "no json",
)


@dataclass
class StandIn:
    """What it answers, and the requests it got. A request of another shape than the API's is a 400."""

    verdict: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What was wrong with requests that were turned away."""
    url: str = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        status, content, headers = await self._answer(scope, json.loads(body))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Any, request: dict[str, Any]) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        headers = [(b"content-type", b"application/json")]
        problem = _problem(scope, request)
        if problem:
            self.problems.append(problem)
            return 400, _error("invalid_request_error", problem), headers
        self.requests.append(request)
        if self.failure == "hangs":
            await asyncio.sleep(30)
        if self.failure == "no json":
            return 200, b"<html>proxy</html>", headers
        status = {"limited": 429, "overloaded": 529, "broken": 500}.get(self.failure or "", 200)
        if status != 200:
            return status, _error("api_error", "not now"), [*headers, (b"retry-after", b"0")]
        text, stop = json.dumps(self.verdict), "end_turn"
        if self.failure == "truncated":
            text, stop = text[:20], "max_tokens"
        if self.failure == "malformed":
            text = "yes, definitely"
        if self.failure == "wrong shape":
            text = json.dumps({**self.verdict, "verdict": "surely"})
        content = [] if self.failure == "refused" else [{"type": "text", "text": text}]
        return 200, _message(content, "refusal" if self.failure == "refused" else stop), headers


@asynccontextmanager
async def anthropic_stand_in() -> AsyncIterator[StandIn]:
    stand_in = StandIn()
    server = uvicorn.Server(uvicorn.Config(stand_in, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        stand_in.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with asyncio.timeout(30):
                while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(0.01)
            yield stand_in
        finally:
            server.should_exit = True
            await running


def _problem(scope: Any, request: dict[str, Any]) -> str | None:
    headers = dict(scope["headers"])
    schema = request.get("output_config", {}).get("format", {})
    checks = {
        "path": scope["path"] == "/v1/messages" and scope["method"] == "POST",
        "key": headers.get(b"authorization") == b"Bearer test-key",
        "version": b"anthropic-version" in headers,
        "model": isinstance(request.get("model"), str),
        "max_tokens": isinstance(request.get("max_tokens"), int),
        "system": isinstance(request.get("system"), str),
        "messages": [message["role"] for message in request.get("messages", [])] == ["user"],
        "format": schema.get("type") == "json_schema" and schema["schema"]["additionalProperties"] is False,
        f"parameters {sorted(request)}": set(request)
        <= {"model", "max_tokens", "system", "messages", "output_config"},
    }
    return next((name for name, holds in checks.items() if not holds), None)


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()


def _message(content: list[dict[str, str]], stop: str) -> bytes:
    whole = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    return json.dumps(whole).encode()
