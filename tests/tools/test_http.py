"""The MCP endpoint as anyone on the network finds it: who is let in, what is refused, and how a call ends."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.context import App
from server.keys import list_keys, revoke_key
from server.models import Scope
from tests.tools.conftest import ERAS, Endpoint, answer, last_message

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "component_list", "arguments": {}}}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Nothing here depends on the kind of database."""
    return sqlite_url


async def test_without_a_key_or_with_a_wrong_one_nothing_is_told(endpoint: Endpoint) -> None:
    for key in (None, "herald_wrong", "x y"):
        response = await endpoint.post(json.dumps(CALL), key)

        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert "resource_metadata" not in response.headers["www-authenticate"]


async def test_a_revoked_key_stops_working_within_a_second(endpoint: Endpoint) -> None:
    secret = await endpoint.key(Scope.AGENT)
    async with endpoint.client(secret) as client:
        await answer(client, "component_list")
        (key,) = await list_keys(endpoint.tenant)

        await revoke_key(endpoint.tenant, key.id)
        await asyncio.sleep(1)  # the promise is about real time: the key may be remembered for less than this

        assert (await endpoint.post(json.dumps(CALL), secret)).status_code == 401


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS"])
async def test_only_post_is_answered(endpoint: Endpoint, method: str) -> None:
    response = await endpoint.http.request(method, f"{endpoint.url}/mcp")

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_foreign_host_and_a_foreign_origin_are_turned_away(endpoint: Endpoint) -> None:
    key = await endpoint.key(Scope.AGENT)

    host = await endpoint.post(json.dumps(CALL), key, Host="evil.example")
    origin = await endpoint.post(json.dumps(CALL), key, Origin="https://evil.example")
    same = await endpoint.post(json.dumps(CALL), key, Origin="http://localhost:3000")

    assert (host.status_code, origin.status_code, same.status_code) == (421, 403, 200)


async def test_a_body_above_256_kilobytes_is_refused(endpoint: Endpoint) -> None:
    key = await endpoint.key(Scope.AGENT)
    fits, too_large = (json.dumps(CALL | {"padding": "x" * size}) for size in (200_000, 262_144))

    assert (await endpoint.post(fits, key)).status_code == 200
    assert (await endpoint.post(too_large, key)).status_code == 413


@pytest.fixture
def no_logs() -> Iterator[None]:
    """pytest keeps every log record of a test, which would look like a leak."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.usefixtures("no_logs")
async def test_ten_thousand_malformed_requests_leave_no_error_no_leak_and_no_memory(endpoint: Endpoint) -> None:
    key = await endpoint.key(Scope.AGENT, Scope.OPERATOR)
    dice = random.Random(20260314)
    used = []

    for number in range(10_000):
        response = await endpoint.post(malformed(dice), key, **dice.choice(HEADERS))

        assert response.status_code < 500, response.text
        assert "Traceback" not in response.text
        assert "/site-packages/" not in response.text
        if number % 2_000 == 1_999:
            used.append(resident_megabytes())

    assert used[-1] - used[0] < 25, used


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_hangs_up_cancels_its_call(
    endpoint: Endpoint, app: App, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def wait_for_ever(_tenant_id: str) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    key = await endpoint.key(Scope.AGENT)
    monkeypatch.setattr(app.snapshots, "get", wait_for_ever)
    call = asyncio.create_task(endpoint.post(json.dumps(status_check(era)), key, **headers(era, "status_check")))
    async with asyncio.timeout(10):
        await began.wait()
    call.cancel()

    async with asyncio.timeout(10):
        await cancelled.wait()


async def test_tenants_that_call_at_the_same_time_on_one_connection_pool_keep_apart(endpoint: Endpoint) -> None:
    keys = {
        tenant.id: await endpoint.key(Scope.OPERATOR, tenant=tenant)
        for tenant in (endpoint.tenant, endpoint.stranger)
    }

    async def create(tenant_id: str, number: int) -> tuple[str, Any]:
        arguments = {"title": f"{tenant_id} {number}"}
        call = CALL | {"params": {"name": "incident_create", "arguments": arguments}}
        response = await endpoint.post(json.dumps(call), keys[tenant_id])
        return tenant_id, last_message(response)["result"]["structuredContent"]

    created = await asyncio.gather(*(create(tenant, number) for number in range(10) for tenant in keys))

    assert all(incident["title"].startswith(tenant_id) for tenant_id, incident in created)
    for tenant in (endpoint.tenant, endpoint.stranger):
        async with endpoint.client(keys[tenant.id]) as client:
            listed = (await answer(client, "incident_list", limit=50))["incidents"]
        assert {incident["title"].split()[0] for incident in listed} == {tenant.id}


async def test_the_tool_list_may_be_cached_only_by_the_caller(endpoint: Endpoint) -> None:
    async with endpoint.caller(Scope.AGENT) as client:
        listed = await client.list_tools()

    assert listed.cache_scope == "private"
    assert listed.ttl_ms == 60_000


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def status_check(era: str) -> dict[str, Any]:
    params: dict[str, Any] = {"name": "status_check", "arguments": {"query": "login"}}
    if era == "2026-07-28":
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": era,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return CALL | {"params": params}


def headers(era: str, tool: str) -> dict[str, str]:
    modern = {"Mcp-Method": "tools/call", "Mcp-Name": tool} if era == "2026-07-28" else {}
    return {"MCP-Protocol-Version": era} | modern


HEADERS: list[dict[str, str]] = [
    {},
    {"MCP-Protocol-Version": "2025-11-25"},
    {"MCP-Protocol-Version": "2026-07-28"},
    {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "status_check"},
    {"MCP-Protocol-Version": "1999-01-01"},
    {"Content-Type": "text/plain"},
    {"Accept": "text/html"},
]


def malformed(dice: random.Random) -> bytes:
    """Broken bytes, broken JSON, broken JSON-RPC, or a call with arguments that no tool has."""
    whole = json.dumps(status_check(dice.choice(ERAS))).encode()
    kind = dice.randrange(6)
    if kind == 0:
        return dice.randbytes(dice.randrange(200))
    if kind == 1:
        return whole[: dice.randrange(len(whole))]
    if kind == 2:
        at = dice.randrange(len(whole))
        return whole[:at] + dice.randbytes(1) + whole[at + 1 :]
    if kind == 3:
        return json.dumps([CALL] * dice.randrange(4)).encode()
    if kind == 4:
        return json.dumps(CALL | {dice.choice(list(CALL)): dice.choice(ODD)}).encode()
    arguments = {dice.choice(["query", "title", "incident_id", "limit", "x"]): dice.choice(ODD)}
    name = dice.choice(["status_check", "incident_create", "incident_get", "component_list", "none"])
    return json.dumps(CALL | {"params": {"name": name, "arguments": arguments}}).encode()


ODD: list[Any] = [None, [], {}, -1, 1e308, "", "\x00", "\ud800", "x" * 50_000, [[[]]], {"": {"": ""}}, True]
