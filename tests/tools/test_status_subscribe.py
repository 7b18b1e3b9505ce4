"""`status_subscribe` as an agent's host calls it."""

from __future__ import annotations

import sqlalchemy as sa

from server.incidents import IncidentDraft, create_incident
from server.keys import create_key
from server.models import Scope
from server.store.schema import subscribers
from tests.tools.conftest import Endpoint, answer, refusal

ANNA = "anna@example.com"


async def test_an_agent_asks_passes_the_answer_on_and_learns_what_to_say(endpoint: Endpoint) -> None:
    await create_incident(endpoint.tenant, IncidentDraft(title="Card payments are declined", notify=False))
    _, key = await create_key(endpoint.tenant, "bot", [Scope.AGENT], attests_addresses=True)
    async with endpoint.client(key) as client:
        checked = await answer(client, "status_check", query="my card payment was declined", language="de")
        match = checked["matches"][0]
        asked = {"incident_id": match["id"], "offer_id": match["offer"]["offer_id"], "email": ANNA}

        doubtful = await answer(client, "status_subscribe", reply="ok danke", **asked)
        agreed = await answer(client, "status_subscribe", reply="ja, gerne", **asked)
        again = await answer(client, "status_subscribe", reply="ja, gerne", **asked)

    assert (doubtful["status"], doubtful["verdict"]) == ("ask_again", "unclear")
    assert doubtful["say"] == "Nur um sicherzugehen: Soll ich Ihnen die Neuigkeiten per E-Mail schicken?"
    assert (agreed["status"], agreed["address"]) == ("subscribed", ANNA)
    assert agreed["say"] == f"Erledigt: Die Neuigkeiten dazu gehen an {ANNA}."
    assert again["status"] == "subscribed"
    async with endpoint.tenant.read() as db:
        assert (await db.execute(sa.select(subscribers.c.address))).scalars().all() == [ANNA]


async def test_the_channel_that_a_customer_wants_instead_is_named(endpoint: Endpoint) -> None:
    incident = await create_incident(endpoint.tenant, IncidentDraft(title="Search fails", notify=False))
    async with endpoint.caller(Scope.AGENT) as client:
        declined = await answer(
            client,
            "status_subscribe",
            incident_id=incident.id,
            email=ANNA,
            offer="Would you like me to e-mail you once it is fixed?",
            reply="no thanks, text me instead",
        )

    assert (declined["status"], declined["channel"]) == ("declined", "sms")
    assert await people(endpoint) == []


async def test_only_agents_have_the_tool_and_only_for_their_own_tenant(endpoint: Endpoint) -> None:
    incident = await create_incident(endpoint.tenant, IncidentDraft(title="Search fails", notify=False))
    async with endpoint.caller(Scope.OPERATOR) as client:
        assert "status_subscribe" not in {tool.name for tool in (await client.list_tools()).tools}
    async with endpoint.caller(Scope.AGENT, tenant=endpoint.stranger) as client:
        told = await refusal(
            client, "status_subscribe", incident_id=incident.id, email=ANNA, reply="please email me"
        )

    assert "there is no incident" in told
    assert await people(endpoint) == []


async def people(endpoint: Endpoint) -> list[str]:
    async with endpoint.tenant.read() as db:
        return list((await db.execute(sa.select(subscribers.c.address))).scalars())
