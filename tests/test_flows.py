"""The product's promises end to end: real processes, a real client, the real model, both databases.

Every flow also runs once with the server killed in the middle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from server.components import create_component
from server.config import Settings
from server.keys import create_key
from server.models import Scope
from server.opening import open_app
from server.tenants import TenantDraft, context_of, create_tenant
from tests.served import HERALD, Served, connected, environment, herald, served

pytestmark = pytest.mark.slow

TITLE = "Users cannot sign in and see an error page"
QUESTIONS = {
    "en": "I cannot log in, it always says something went wrong",
    "es": "No puedo iniciar sesión, siempre me sale un error",
    "ja": "ログインできません。エラーが表示されます",
}
UNRELATED = "How do I add a colleague to my account?"

Connect = Callable[[], AbstractAsyncContextManager[Client]]


@dataclass(frozen=True)
class Desk:
    """A server with one tenant, and a key for each side."""

    server: Served
    agent_key: str
    operator_key: str

    def agent(self) -> AbstractAsyncContextManager[Client]:
        return connected(self.server.url, self.agent_key)

    def operator(self) -> AbstractAsyncContextManager[Client]:
        return connected(self.server.url, self.operator_key)


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_app(Settings(database_url=database_url)) as app:
        await create_tenant(app, TenantDraft(slug="acme", name="Acme"))
        acme = await context_of(app, "acme")
        await create_component(acme, "Sign-in")
        _, agent_key = await create_key(acme, "bot", [Scope.AGENT])
        _, operator_key = await create_key(acme, "assistant", [Scope.OPERATOR])
    with served(database_url, tmp_path) as server:
        yield Desk(server, agent_key, operator_key)


async def call(connect: Connect, tool: str, **arguments: Any) -> dict[str, Any]:
    async with connect() as client:
        result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    answer: dict[str, Any] = result.structured_content
    return answer


async def post_incident(connect: Connect) -> str:
    posted = await call(
        connect,
        "incident_create",
        title=TITLE,
        message="Signing in fails for some users. We are looking into it.",
        severity="major",
        components=["Sign-in"],
    )
    incident_id: str = posted["id"]
    return incident_id


async def assert_found(connect: Connect, incident_id: str) -> None:
    for language, question in QUESTIONS.items():
        answer = await call(connect, "status_check", query=question, language=language)
        assert [match["id"] for match in answer["matches"]] == [incident_id], language
    unrelated = await call(connect, "status_check", query=UNRELATED)
    assert unrelated["matches"] == []


async def component_state(connect: Connect) -> str:
    listed = await call(connect, "component_list")
    state: str = listed["components"][0]["state"]
    return state


async def assert_resolved(connect: Connect, server: Served, incident_id: str) -> None:
    incident = await call(connect, "incident_get", incident_id=incident_id)
    answer = await call(connect, "status_check", query=QUESTIONS["en"])

    assert incident["status"] == "resolved"
    assert incident["resolved_at"] == incident["latest_update_at"]
    assert await component_state(connect) == "operational"
    assert answer["matches"] == []
    await wait_until(lambda: TITLE in server.get("/s/acme").split('id="history"')[1])


async def wait_until(holds: Callable[[], bool], seconds: float = 5) -> None:
    """Another process may have posted: its page follows within the next poll."""
    with anyio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110 - another process cannot set an event of ours
            await anyio.sleep(0.05)


async def test_an_incident_is_posted_found_in_three_languages_shown_resolved_and_remembered(desk: Desk) -> None:
    incident_id = await post_incident(desk.operator)

    await assert_found(desk.agent, incident_id)
    assert await component_state(desk.agent) == "partial_outage"
    assert TITLE in desk.server.get("/s/acme")

    await call(desk.operator, "incident_post_update", incident_id=incident_id, status="resolved")

    await assert_resolved(desk.agent, desk.server, incident_id)


async def test_the_same_flow_survives_a_server_that_is_killed_in_the_middle(desk: Desk) -> None:
    incident_id = await post_incident(desk.operator)
    desk.server.kill()
    desk.server.start()

    await assert_found(desk.agent, incident_id)
    await call(desk.operator, "incident_post_update", incident_id=incident_id, status="resolved")
    desk.server.kill()
    desk.server.start()

    await assert_resolved(desk.agent, desk.server, incident_id)
    assert "as it was written" in herald(
        "verify-history", "--tenant", "acme", database_url=desk.server.database_url
    )


async def test_the_same_flow_over_stdio(desk: Desk) -> None:
    """A second process on the same database: what it posts shows on the first one's page."""
    options = StdioServerParameters(
        command=str(HERALD),
        args=["mcp", "--tenant", "acme", "--scopes", "agent,operator"],
        env=environment(desk.server.database_url),
    )
    async with Client(stdio_client(options)) as client:

        @asynccontextmanager
        async def same() -> AsyncIterator[Client]:
            yield client

        incident_id = await post_incident(same)
        await assert_found(same, incident_id)
        assert await component_state(same) == "partial_outage"

        await call(same, "incident_post_update", incident_id=incident_id, status="resolved")

        await assert_resolved(same, desk.server, incident_id)


async def test_a_server_that_is_killed_in_a_stream_of_updates_keeps_every_one_it_acknowledged(desk: Desk) -> None:
    incident_id = await post_incident(desk.operator)
    acknowledged: list[str] = []

    async def post_updates() -> None:
        async with desk.operator() as client:
            for number in range(10_000):
                arguments = {"incident_id": incident_id, "message": f"Update {number}", "notify": False}
                answer = await client.call_tool("incident_post_update", arguments)
                acknowledged.append(answer.structured_content["updates"][-1]["id"])

    async def post_until_killed() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post_updates)
            await wait_until(lambda: len(acknowledged) >= 25, seconds=60)
            desk.server.kill()

    with pytest.raises(ExceptionGroup):  # the connection is gone
        await post_until_killed()
    desk.server.start()

    incident = await call(desk.operator, "incident_get", incident_id=incident_id)
    kept = [update["id"] for update in incident["updates"]]
    assert set(acknowledged) <= set(kept)
    assert len(kept) <= 1 + len(acknowledged) + 1  # the first, and the one that was under way
    told = herald("verify-history", "--tenant", "acme", database_url=desk.server.database_url)
    assert "as it was written" in told
