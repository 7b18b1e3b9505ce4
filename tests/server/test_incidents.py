from __future__ import annotations

from server.components import create_component, list_components
from server.context import TenantContext
from server.incidents import IncidentDraft, UpdateDraft, create_incident, post_update
from server.models import ComponentState, Severity, Status
from tests.conftest import Clock


async def test_a_tagged_component_leaves_operational_and_returns_by_itself_when_resolved(
    acme: TenantContext, clock: Clock
) -> None:
    api = await create_component(acme, "API")
    clock.advance(minutes=1)
    incident = await create_incident(
        acme, IncidentDraft(title="API returns 500", severity=Severity.MAJOR, components={api.id: None})
    )

    during = (await list_components(acme))[0].state
    clock.advance(minutes=1)
    resolved = await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))

    assert during is ComponentState.PARTIAL_OUTAGE
    assert (await list_components(acme))[0].state is ComponentState.OPERATIONAL
    assert resolved.resolved_at == clock.now
