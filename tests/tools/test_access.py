"""What is offered to whom: read-only servers, groups of tools, headers that only narrow, rates, and guests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from server.components import create_component
from server.config import Settings
from server.context import App
from server.domains import add_domain, check_domain
from server.errors import Invalid
from server.incidents import IncidentDraft, create_incident
from server.models import Scope
from server.rates import RateLimit
from server.tenants import edit_settings
from tests.conftest import Clock
from tests.tools.conftest import Endpoint, answer, last_message, serving
from tools.access import offered

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Nothing here depends on the kind of database."""
    return sqlite_url


@pytest.fixture
async def operator_key(endpoint: Endpoint) -> str:
    return await endpoint.key(Scope.OPERATOR)


async def test_headers_narrow_what_is_offered_and_what_can_be_called(
    endpoint: Endpoint, operator_key: str
) -> None:
    reading = await names(endpoint, operator_key, **{"X-MCP-Readonly": "true"})
    components = await names(endpoint, operator_key, **{"X-MCP-Toolsets": "components, unknown"})
    refused = await endpoint.post(
        json.dumps(LIST | {"method": "tools/call", "params": {"name": "incident_create", "arguments": {}}}),
        operator_key,
        **{"X-MCP-Readonly": "true"},
    )

    assert reading == {
        "incident_get", "incident_list", "incident_list_revisions", "incident_preview", "component_list",
        "incident_check_title", "incident_report", "delivery_report", "maintenance_list",
    }  # fmt: skip
    assert components == {
        "component_list", "component_create", "component_update", "component_reorder", "component_delete",
        "component_set_state",
    }  # fmt: skip
    assert last_message(refused)["error"]["message"] == "Unknown tool: incident_create"


async def test_headers_cannot_widen_what_the_server_or_the_key_allows(
    app: App, endpoint: Endpoint, operator_key: str
) -> None:
    narrow = replace(app, settings=Settings(read_only=True, toolsets=("incidents",)))
    async with serving(narrow) as url:
        there = replace(endpoint, url=url)
        wide = {"X-MCP-Readonly": "false", "X-MCP-Toolsets": "incidents,components,keys"}
        seen = await names(there, operator_key, **wide)

    assert seen == {
        "incident_get", "incident_list", "incident_list_revisions", "incident_preview", "incident_check_title"
    }  # fmt: skip


def test_an_unknown_toolset_is_refused_with_those_there_are() -> None:
    with pytest.raises(Invalid, match="unknown toolset 'incident'; the toolsets are status, incidents,"):
        offered(False, ["incident"])


def test_a_rate_limit_fills_again_with_time_and_counts_each_caller_alone(clock: Clock) -> None:
    limit = RateLimit(60, clock)

    first = [limit.wait_seconds("a") for _ in range(61)]
    other = limit.wait_seconds("b")
    clock.advance(seconds=2)
    later = [limit.wait_seconds("a") for _ in range(3)]

    assert first == [0] * 60 + [1]
    assert other == 0
    assert later == [0, 0, 1]


async def test_too_many_requests_of_one_key_are_told_when_to_come_again(
    app: App, endpoint: Endpoint, operator_key: str
) -> None:
    async with serving(replace(app, settings=Settings(requests_per_minute=6))) as url:
        there = replace(endpoint, url=url)
        answers = [last_message(await there.post(json.dumps(LIST), operator_key)) for _ in range(7)]
        other = last_message(await there.post(json.dumps(LIST), await endpoint.key(Scope.OPERATOR)))

    assert all("result" in told for told in (*answers[:6], other))
    assert answers[6]["error"] == {
        "code": -32029,
        "message": "Too many requests: 6 a minute are allowed. Try again in 10 s.",
        "data": {"retryAfterSeconds": 10},
    }


async def test_nobody_is_let_in_without_a_key_where_a_tenant_opened_nothing(endpoint: Endpoint) -> None:
    closed = await guest_post(endpoint, "acme")
    unknown = await guest_post(endpoint, "nobody")

    assert (closed.status_code, closed.text) == (unknown.status_code, unknown.text)
    assert closed.status_code == 404


@pytest.fixture
async def opened(endpoint: Endpoint) -> Endpoint:
    await edit_settings(endpoint.tenant, {"public_mcp": True})
    return endpoint


@pytest.fixture
async def guest(opened: Endpoint) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(timeout=30) as http,
        Client(streamable_http_client(f"{opened.url}/s/acme/mcp", http_client=http)) as client,
    ):
        yield client


async def test_a_guest_reads_what_the_page_shows_and_nothing_else(opened: Endpoint, guest: Client) -> None:
    await create_component(opened.tenant, "API")
    ours = await create_incident(opened.tenant, IncidentDraft(title="API answers 500 to every request"))
    theirs = await create_incident(opened.stranger, IncidentDraft(title="Secret"))

    tools = {tool.name for tool in (await guest.list_tools()).tools}
    found = await answer(guest, "status_check", query="your API gives me error 500")

    assert tools == {"status_check", "incident_get", "component_list"}
    assert [match["id"] for match in found["matches"]] == [ours.id]
    assert (await guest.call_tool("incident_get", {"incident_id": theirs.id})).is_error
    with pytest.raises(MCPError, match="Unknown tool: incident_create"):
        await guest.call_tool("incident_create", {"title": "Mine"})


async def test_an_operators_key_opens_no_more_at_a_guests_endpoint(opened: Endpoint, operator_key: str) -> None:
    response = await guest_post(opened, "acme", Authorization=f"Bearer {operator_key}")

    assert {tool["name"] for tool in last_message(response)["result"]["tools"]} == {
        "status_check",
        "incident_get",
        "component_list",
    }


async def test_guests_are_limited_by_address(app: App, opened: Endpoint) -> None:
    async with serving(replace(app, settings=Settings(public_requests_per_minute=2))) as url:
        there = replace(opened, url=url)
        answers = [last_message(await guest_post(there, "acme")) for _ in range(3)]

    assert [("result" in told) for told in answers] == [True, True, False]


async def test_an_endpoint_that_is_closed_again_answers_no_more(opened: Endpoint) -> None:
    before = await guest_post(opened, "acme")
    await edit_settings(opened.tenant, {"public_mcp": False})

    assert (before.status_code, (await guest_post(opened, "acme")).status_code) == (200, 404)


async def test_guests_are_let_in_under_the_tenants_own_host_name_and_to_no_other_tenant(opened: Endpoint) -> None:
    await edit_settings(opened.stranger, {"public_mcp": True})
    domain = await add_domain(opened.tenant, "status.acme.example")

    async def proof(_name: str, kind: str) -> list[str]:
        return [domain.token] if kind == "TXT" else []

    await check_domain(opened.tenant, domain.host, proof)
    sent = {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "Host": domain.host,
    }

    own, by_path, foreign = [
        await opened.http.post(f"{opened.url}{path}", content=json.dumps(LIST), headers=sent)
        for path in ("/mcp", "/s/acme/mcp", "/s/globex/mcp")
    ]

    assert {tool["name"] for tool in last_message(own)["result"]["tools"]} == {
        "status_check",
        "incident_get",
        "component_list",
    }
    assert (by_path.status_code, foreign.status_code) == (200, 404)


async def names(endpoint: Endpoint, key: str, **headers: str) -> set[str]:
    response = await endpoint.post(json.dumps(LIST), key, **headers)
    return {tool["name"] for tool in last_message(response)["result"]["tools"]}


async def guest_post(endpoint: Endpoint, slug: str, **headers: str) -> httpx2.Response:
    sent = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"} | headers
    return await endpoint.http.post(f"{endpoint.url}/s/{slug}/mcp", content=json.dumps(LIST), headers=sent)
