"""The report tool says what the report says, in a size that a model can read."""

from __future__ import annotations

from server.incidents import IncidentDraft, create_incident
from server.models import Scope
from tests.tools.conftest import Endpoint, answer


async def test_what_agents_answered_is_in_the_report(endpoint: Endpoint) -> None:
    draft = IncidentDraft(title="Card payments fail", message="We look.")
    incident = await create_incident(endpoint.tenant, draft)
    async with endpoint.caller(Scope.AGENT, Scope.OPERATOR) as client:
        await answer(client, "status_check", query="my card payment keeps failing", conversation_id="c1")
        await endpoint.tenant.app.recorder.flush()

        report = await answer(client, "incident_report", incident_id=incident.id)

    assert (report["agent_answers"], report["agent_conversations"]) == (1, 1)
    assert report["agent_conversations_kept"] == 1
    assert report["first_contact_after_seconds"] == 0
    assert "precision" not in report
    assert report["tickets_avoided"]["high"] <= 1
    assert len(report["hours"]) == 1
