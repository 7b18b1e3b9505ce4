from __future__ import annotations

from server.components import create_component
from server.context import TenantContext
from server.incidents import IncidentDraft, create_incident
from server.store import audit


async def test_every_write_notes_who_did_what(acme: TenantContext) -> None:
    api = await create_component(acme, "API")
    incident = await create_incident(acme, IncidentDraft(title="Down", components={api.id: None}))

    async with acme.read() as db:
        entries = await audit.of_tenant(db, acme.id, limit=2)

    assert [(entry["actor"], entry["action"], entry["subject"], entry["at"]) for entry in entries] == [
        ("tester", "incident.create", incident.id, acme.now()), ("tester", "component.create", api.id, acme.now()),
    ]  # fmt: skip
