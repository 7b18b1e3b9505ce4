"""Resources, prompts and completions: what there is to read, to follow and to start from, for whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import INVALID_PARAMS, CompletionArgument, PromptReference, TextContent, TextResourceContents

from server.components import create_component
from server.config import Settings
from server.context import TenantContext
from server.incidents import IncidentDraft, UpdateDraft, create_incident, post_update
from server.inference import Inference
from server.models import Incident, Scope
from server.opening import open_app
from tests.conftest import Clock, real_matcher
from tests.tools.conftest import Endpoint, answer
from tools.following import MAX_STREAMS


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """How rows are read is tested with the tools."""
    return sqlite_url


@pytest.fixture
async def incident(endpoint: Endpoint) -> Incident:
    api = await create_component(endpoint.tenant, "API")
    return await create_incident(
        endpoint.tenant,
        IncidentDraft(title="API answers 500", message="We look into it.", components={api.id: None}),
    )


@pytest.fixture
async def agent(endpoint: Endpoint) -> AsyncIterator[Client]:
    async with endpoint.caller(Scope.AGENT) as client:
        yield client


async def test_the_summary_and_each_active_incident_can_be_read(agent: Client, incident: Incident) -> None:
    listed = [resource.uri for resource in (await agent.list_resources()).resources]

    summary = await read(agent, "status://acme/summary")
    one = await read(agent, f"status://acme/incidents/{incident.id}")

    assert listed == ["status://acme/summary", f"status://acme/incidents/{incident.id}"]
    assert summary["overall"] == "degraded"
    assert [active["title"] for active in summary["active"]] == ["API answers 500"]
    assert one == await answer(agent, "incident_get", incident_id=incident.id)


@pytest.mark.parametrize(
    "uri", ["status://acme/summary", "status://nobody/summary", "status://acme/incidents/inc_1"]
)
async def test_another_tenants_resource_is_as_one_that_does_not_exist(endpoint: Endpoint, uri: str) -> None:
    async with endpoint.caller(Scope.AGENT, tenant=endpoint.stranger) as stranger:
        with pytest.raises(MCPError) as refused:
            await stranger.read_resource(uri)

    assert refused.value.error.code == INVALID_PARAMS
    assert refused.value.error.message == "there is no such resource; resources/list shows those that exist"


async def test_a_key_that_may_not_read_is_offered_no_resources_and_no_prompts(
    endpoint: Endpoint, incident: Incident
) -> None:
    async with endpoint.caller(Scope.SIDEKICK) as client:
        assert (await client.list_resources()).resources == []
        assert (await client.list_prompts()).prompts == []
        with pytest.raises(MCPError):
            await client.read_resource(f"status://acme/incidents/{incident.id}")


async def test_a_follower_hears_of_a_post_in_this_process(
    endpoint: Endpoint, agent: Client, incident: Incident
) -> None:
    async with agent.listen(resource_subscriptions=[f"status://acme/incidents/{incident.id}"]) as changes:
        await post_update(endpoint.tenant, UpdateDraft(incident_id=incident.id, message="Found it."))

        assert await first_of(changes) == f"status://acme/incidents/{incident.id}"


async def test_a_follower_hears_of_a_post_in_another_process(
    agent: Client, settings: Settings, clock: Clock, endpoint: Endpoint
) -> None:
    async with agent.listen(resource_subscriptions=["status://acme/summary"]) as changes:
        async with open_app(settings, clock=clock, inference=Inference(real_matcher)) as other:
            elsewhere = TenantContext(other, endpoint.tenant.id, endpoint.tenant.actor)
            await create_incident(elsewhere, IncidentDraft(title="API answers 500"))

        assert await first_of(changes) == "status://acme/summary"


async def test_nobody_follows_another_tenants_resources(endpoint: Endpoint, agent: Client) -> None:
    with pytest.raises(MCPError) as refused:
        async with agent.listen(resource_subscriptions=["status://globex/summary"]):
            pass

    assert refused.value.error.code == INVALID_PARAMS


async def test_one_tenant_cannot_take_the_streams_of_the_others(
    endpoint: Endpoint,
) -> None:
    many = httpx2.Limits(max_connections=MAX_STREAMS + 5)
    headers = {"Authorization": f"Bearer {await endpoint.key(Scope.AGENT)}"}
    async with (
        httpx2.AsyncClient(headers=headers, limits=many, timeout=30) as http,
        Client(streamable_http_client(f"{endpoint.url}/mcp", http_client=http)) as greedy,
        endpoint.caller(Scope.AGENT, tenant=endpoint.stranger) as stranger,
        AsyncExitStack() as streams,
    ):
        for _ in range(MAX_STREAMS):
            await streams.enter_async_context(greedy.listen(resource_subscriptions=["status://acme/summary"]))

        with pytest.raises(MCPError, match="100 streams are open for this tenant already: close one"):
            async with greedy.listen(resource_subscriptions=["status://acme/summary"]):
                pass
        async with stranger.listen(resource_subscriptions=["status://globex/summary"]) as honoured:
            assert honoured.honored.resource_subscriptions == ["status://globex/summary"]


async def test_prompts_are_offered_by_scope(endpoint: Endpoint) -> None:
    offered = {}
    for scope in (Scope.AGENT, Scope.OPERATOR):
        async with endpoint.caller(scope) as client:
            offered[scope] = [prompt.name for prompt in (await client.list_prompts()).prompts]

    assert offered == {
        Scope.AGENT: ["customer_reply"],
        Scope.OPERATOR: ["post_incident", "incident_update", "customer_reply"],
    }


async def test_a_forbidden_and_an_unknown_prompt_are_refused_alike(agent: Client) -> None:
    for name in ("post_incident", "no_such_prompt"):
        with pytest.raises(MCPError) as refused:
            await agent.get_prompt(name, {"what": "API down"})
        assert (refused.value.error.code, refused.value.error.message) == (
            INVALID_PARAMS,
            f"Unknown prompt: {name}",
        )


async def test_a_reply_is_drafted_from_the_record_alone(agent: Client, incident: Incident) -> None:
    drafted = await agent.get_prompt("customer_reply", {"message": "your API answers with error 500"})

    (message,) = drafted.messages
    assert isinstance(message.content, TextContent)
    assert "API answers 500" in message.content.text
    assert "update: We look into it." in message.content.text
    assert "no time by which it is over" in message.content.text


async def test_a_prompt_for_an_incident_that_does_not_exist_says_so(endpoint: Endpoint) -> None:
    async with endpoint.caller(Scope.OPERATOR) as operator:
        with pytest.raises(MCPError) as refused:
            await operator.get_prompt("incident_update", {"incident_id": "inc_none"})

    assert refused.value.error.code == INVALID_PARAMS
    assert refused.value.error.message.startswith("there is no incident 'inc_none'; take an id from")


async def test_incidents_complete_by_id_and_title_and_components_by_name(
    endpoint: Endpoint, incident: Incident
) -> None:
    async with endpoint.caller(Scope.OPERATOR) as operator:
        by_title = await complete(operator, "incident_update", "incident_id", "answers")
        by_id = await complete(operator, "incident_update", "incident_id", incident.id[:8])
        components = await complete(operator, "post_incident", "component", "a")
    async with endpoint.caller(Scope.OPERATOR, tenant=endpoint.stranger) as stranger:
        foreign = await complete(stranger, "incident_update", "incident_id", "")

    assert (by_title, by_id, components, foreign) == ([incident.id], [incident.id], ["API"], [])


async def read(client: Client, uri: str) -> Any:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def first_of(changes: Any) -> str:
    async with asyncio.timeout(10):
        async for change in changes:
            return str(change.uri)
    raise AssertionError("the stream ended")


async def complete(client: Client, prompt: str, argument: str, typed: str) -> list[str]:
    reference = PromptReference(type="ref/prompt", name=prompt)
    found = await client.complete(reference, CompletionArgument(name=argument, value=typed).model_dump())
    return found.completion.values
