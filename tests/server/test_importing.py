"""The history of a Statuspage in Herald: with its own times, once however often it is imported, and in silence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from server.components import create_component, list_components
from server.context import TenantContext
from server.errors import Invalid, Refused
from server.history import verify
from server.importing import fetch_documents, import_page
from server.incidents import list_incidents
from server.maintenance import list_maintenance
from server.models import ComponentState, IncidentKind, Scope, Severity, Status
from server.statuspage import ReadPage, read_page
from server.store import fanouts
from tests.conftest import Clock, actor
from tests.server.test_fetching import answering

Json = dict[str, Any]


def component(name: str, status: str = "operational", **more: Any) -> Json:
    key = name.lower().replace(" ", "")
    return {"id": key, "name": name, "status": status, "created_at": "2024-05-01T10:00:00.000+02:00",
            "updated_at": "2026-03-14T10:00:00Z", "position": 1, "group": False, **more}  # fmt: skip


def update(key: str, status: str, at: str, body: str = "", **more: Any) -> Json:
    return {
        "id": key,
        "status": status,
        "body": body,
        "created_at": at,
        "display_at": at,
        "updated_at": at,
        **more,
    }


def resolved_incident() -> Json:
    moved = [{"code": "api", "name": "API", "old_status": "operational", "new_status": "major_outage"}]
    return {
        "id": "kctbh9vrtdwd", "name": "API is down", "status": "resolved", "impact": "critical",
        "created_at": "2026-03-10T08:00:00Z", "resolved_at": "2026-03-10T09:00:00Z", "shortlink": "https://stspg.io/x",
        "components": [component("API")],
        "incident_updates": [
            update("u3", "resolved", "2026-03-10T09:00:00Z", "Over."),
            update("u2", "monitoring", "2026-03-10T08:30:00Z", "A fix is out."),
            update("u1", "investigating", "2026-03-10T08:00:00Z", "We are looking.", affected_components=moved),
        ],
    }  # fmt: skip


def planned_maintenance() -> Json:
    return {
        "id": "w1b", "name": "Database upgrade", "status": "scheduled", "impact": "maintenance",
        "created_at": "2026-03-12T08:00:00Z", "scheduled_for": "2026-03-20T02:00:00Z",
        "scheduled_until": "2026-03-20T04:00:00Z", "components": [component("API")],
        "incident_updates": [update("m1", "scheduled", "2026-03-12T08:00:00Z", "Planned.")],
    }  # fmt: skip


def document(**parts: Any) -> bytes:
    everything = {
        "page": {"id": "p", "name": "Acme"},
        "components": [
            component("Platform", group=True),
            component("API", group_id="platform"),
            component("Mail"),
        ],
        "incidents": [resolved_incident()],
        "scheduled_maintenances": [planned_maintenance()],
    }
    return json.dumps(everything | parts).encode()


def page(**parts: Any) -> ReadPage:
    return read_page([document(**parts)])


async def test_everything_is_taken_over_with_its_own_times(acme: TenantContext) -> None:
    added = await import_page(acme, page())

    assert (added.components, added.incidents, added.maintenances, added.updates, added.known) == (2, 1, 1, 4, 0)
    assert {(one.group, one.name) for one in await list_components(acme)} == {
        ("Platform", "API"), ("Core Services", "Mail"),
    }  # fmt: skip
    incident = next(one for one in (await list_incidents(acme)).incidents if one.kind is IncidentKind.INCIDENT)
    assert (incident.title, incident.status, incident.severity) == (
        "API is down",
        Status.RESOLVED,
        Severity.CRITICAL,
    )
    assert incident.started_at == incident.created_at == datetime(2026, 3, 10, 8, tzinfo=UTC)
    assert incident.resolved_at == datetime(2026, 3, 10, 9, tzinfo=UTC)
    assert [(one.name, one.impact) for one in incident.affected] == [("API", ComponentState.MAJOR_OUTAGE)]
    assert [(one.content.status, one.content.message) for one in incident.updates] == [
        (Status.INVESTIGATING, "We are looking."),
        (Status.MONITORING, "A fix is out."),
        (Status.RESOLVED, "Over."),
    ]  # fmt: skip
    (planned,) = (await list_maintenance(acme)).open
    assert (planned.starts_at, planned.ends_at) == (
        datetime(2026, 3, 20, 2, tzinfo=UTC), datetime(2026, 3, 20, 4, tzinfo=UTC),
    )  # fmt: skip


async def test_a_second_import_changes_nothing_and_a_later_one_adds_what_is_new(acme: TenantContext) -> None:
    await import_page(acme, page())
    before = (await list_incidents(acme)).incidents

    again = await import_page(acme, page())

    assert again.is_empty
    assert again.known == 2
    assert (await list_incidents(acme)).incidents == before

    grown = resolved_incident()
    grown["incident_updates"].append(update("u4", "postmortem", "2026-03-11T09:00:00Z", "What happened."))
    later = await import_page(acme, page(incidents=[grown]))

    assert (later.incidents, later.updates) == (0, 1)
    last = next(one for one in (await list_incidents(acme)).incidents if one.kind is IncidentKind.INCIDENT).latest
    assert (last.content.message, last.content.status) == ("What happened.", Status.RESOLVED)
    assert await verify(acme) == []


async def test_a_dry_run_says_the_same_and_adds_nothing(acme: TenantContext) -> None:
    tried = await import_page(acme, page(), dry_run=True)

    assert await list_components(acme) == []
    assert (await list_incidents(acme)).incidents == ()
    assert tried == await import_page(acme, page())


async def test_the_hash_chains_hold_and_nobody_is_told(acme: TenantContext) -> None:
    await import_page(acme, page())

    assert await verify(acme) == []
    async with acme.write() as db:
        assert await fanouts.lock_next(db) is None


async def test_the_bars_know_the_outage_and_not_what_was_before_the_component(
    acme: TenantContext, clock: Clock
) -> None:
    await import_page(acme, page())

    snapshot = await acme.app.snapshots.get(acme.id)
    api = next(one for one in snapshot.components if one.name == "API")

    assert api.state is ComponentState.OPERATIONAL
    assert [(change.at, change.state) for change in snapshot.shown_states[api.id]] == [
        (datetime(2024, 5, 1, 8, tzinfo=UTC), ComponentState.OPERATIONAL),
        (datetime(2026, 3, 10, 8, tzinfo=UTC), ComponentState.MAJOR_OUTAGE),
        (datetime(2026, 3, 10, 9, tzinfo=UTC), ComponentState.OPERATIONAL),
    ]


async def test_a_state_that_no_incident_explains_is_the_components_own(acme: TenantContext) -> None:
    await import_page(acme, page(components=[component("Mail", "degraded_performance")], incidents=[]))

    (mail,) = await list_components(acme)

    assert (mail.state, mail.own_state) == (ComponentState.DEGRADED, ComponentState.DEGRADED)


async def test_a_component_of_the_same_name_and_group_is_the_same(acme: TenantContext) -> None:
    await create_component(acme, "API", group="Platform")

    added = await import_page(acme, page())

    assert [one.name for one in await list_components(acme)].count("API") == 1
    assert added.components == 2  # known from now on, though one was here


async def test_each_tenant_imports_for_itself(acme: TenantContext, globex: TenantContext) -> None:
    await import_page(acme, page())
    assert (await list_incidents(globex)).incidents == ()

    assert not (await import_page(globex, page())).is_empty


async def test_only_an_owner_imports(acme: TenantContext) -> None:
    operator = TenantContext(acme.app, acme.id, actor(Scope.OPERATOR))

    with pytest.raises(Refused):
        await import_page(operator, page())


async def test_a_page_is_fetched_document_by_document(acme: TenantContext) -> None:
    with answering(200, document()) as url:
        documents = await fetch_documents(url.removesuffix("/api/v2/summary.json"), allow_private=True)

    assert len(documents) == 3
    assert (await import_page(acme, read_page(documents))).incidents == 1


def broken(**change: Any) -> bytes:
    return document(incidents=[resolved_incident() | change])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"<html>", "this is no JSON"),
        (b"[]", "no Statuspage document"),
        (b'{"status": {}}', "no Statuspage document"),
        (b'{"incidents": {}}', "incidents: give a list"),
        (b'{"incidents": [7]}', r"incidents\[0\]: an object with an id"),
        (broken(created_at="yesterday"), r"incidents\[0\]\.created_at"),
        (broken(created_at="2026-03-10T08:00:00"), r"incidents\[0\]\.created_at.*timezone"),
        (broken(name=None), r"incidents\[0\]\.name"),
    ],
)
def test_a_document_that_is_malformed_is_refused_with_its_place(given: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        read_page([given])


@pytest.mark.parametrize(
    ("incident", "said"),
    [
        ({"incident_updates": [update("u1", "on fire", "2026-03-10T08:00:00Z")]}, "no status 'on fire'"),
        ({"incident_updates": [update("u1", "scheduled", "2026-03-10T08:00:00Z")]}, "not one of this incident's"),
        ({"incident_updates": [update("u1", "resolved", "2036-03-10T08:00:00Z")]}, "lies in the future"),
    ],
)
async def test_what_cannot_be_taken_over_is_named_and_nothing_is(
    acme: TenantContext, incident: Json, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        await import_page(acme, read_page([broken(**incident)]))

    assert await list_components(acme) == []


async def test_text_is_taken_as_text_and_made_to_fit(acme: TenantContext) -> None:
    incident = resolved_incident() | {"name": "<b>API</b>\n" + "x" * 300 + "\u202e", "incident_updates": []}

    await import_page(acme, page(incidents=[incident], scheduled_maintenances=[]))

    (found,) = (await list_incidents(acme)).incidents
    assert found.title.startswith("<b>API</b> xxx")
    assert len(found.title) == 200
    assert found.title.endswith("…")
