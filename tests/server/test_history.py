from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from server.components import create_component
from server.context import TenantContext
from server.history import GENESIS, Problem, problems_of, verify
from server.incidents import (
    IncidentDraft,
    UpdateDraft,
    UpdateEdit,
    create_incident,
    edit_update,
    post_update,
)
from server.models import Incident, Severity, Status
from server.store import incidents as rows
from server.store.schema import (
    fanouts,
    incident_components,
    incident_history,
    incident_update_revisions,
    incident_updates,
    incidents,
)
from tests.conftest import Clock


@pytest.fixture
async def incident(acme: TenantContext, clock: Clock) -> Incident:
    """Three updates, of which the second was edited twice: five links."""
    api = await create_component(acme, "API")
    incident = await create_incident(
        acme, IncidentDraft(title="Down", message="We look", severity=Severity.MAJOR, components={api.id: None})
    )
    clock.advance(minutes=5)
    incident = await post_update(
        acme, UpdateDraft(incident_id=incident.id, message="Fuond", status=Status.IDENTIFIED)
    )
    for message in ("Found", "Found: the database"):
        clock.advance(minutes=1)
        await edit_update(
            acme, UpdateEdit(incident_id=incident.id, update_id=incident.updates[1].id, message=message)
        )
    clock.advance(minutes=5)
    return await post_update(acme, UpdateDraft(incident_id=incident.id, message="Over", status=Status.RESOLVED))


async def tamper(acme: TenantContext, *statements: sa.Executable) -> None:
    """What someone with the database's password could do."""
    async with acme.write() as db:
        for statement in statements:
            await db.execute(statement)


async def found(acme: TenantContext) -> list[tuple[int | None, str]]:
    return [(problem.position, problem.what) for problem in await verify(acme)]


async def test_an_untouched_history_verifies_and_its_head_is_its_last_link(
    acme: TenantContext, incident: Incident
) -> None:
    async with acme.read() as db:
        links = await rows.links(db, acme.id, incident.id)

    assert await verify(acme) == []
    assert [(link.position, link.version) for link in links] == [(1, 1), (2, 1), (3, 2), (4, 3), (5, 1)]
    assert incident.history_head == links[-1].hash
    assert len({GENESIS, *(link.hash for link in links)}) == 6


async def test_the_same_words_at_another_place_have_another_link(acme: TenantContext, clock: Clock) -> None:
    one, two = [await create_incident(acme, IncidentDraft(title="Down")) for _ in range(2)]

    assert one.history_head != two.history_head


Change = Callable[[Incident], sa.Executable]

CHANGES: dict[str, tuple[int | None, str, Change]] = {
    "the current message": (
        4, "was changed",
        lambda it: sa.update(incident_updates).where(incident_updates.c.id == it.updates[1].id)
        .values(message="Lie"),
    ),
    "the first post's severity": (
        1, "was changed",
        lambda it: sa.update(incident_updates).where(incident_updates.c.id == it.updates[0].id)
        .values(severity="minor"),
    ),
    "when an update took effect": (
        5, "was changed",
        lambda it: sa.update(incident_updates).where(incident_updates.c.id == it.updates[2].id)
        .values(at=it.updates[2].at - timedelta(minutes=1)),
    ),
    "a replaced version": (
        2, "was changed",
        lambda it: sa.update(incident_update_revisions).where(incident_update_revisions.c.version == 1)
        .values(message="Lie"),
    ),
    "a version that is gone": (
        2, "is gone",
        lambda it: sa.delete(incident_update_revisions).where(incident_update_revisions.c.version == 1),
    ),
    "who wrote it, in the chain": (
        3, "was changed",
        lambda it: sa.update(incident_history).where(incident_history.c.position == 3)
        .values(recorded_by="mallory"),
    ),
    "when it was written, in the chain": (
        3, "was changed",
        lambda it: sa.update(incident_history).where(incident_history.c.position == 3)
        .values(recorded_at=it.created_at),
    ),
    "a link": (
        1, "was changed",
        lambda it: sa.update(incident_history).where(incident_history.c.position == 1).values(hash="f" * 64),
    ),
    "a link in the middle that is gone": (
        3, "link 3 is missing",
        lambda it: sa.delete(incident_history).where(incident_history.c.position == 3),
    ),
    "the last link that is gone": (
        5, "the chain has 4 links where 5 were made",
        lambda it: sa.delete(incident_history).where(incident_history.c.position == 5),
    ),
    "the published head": (
        5, "the published head is not the last link",
        lambda it: sa.update(incidents).values(history_head="e" * 64),
    ),
    "who wrote it, on the page": (
        None, "author, time or version",
        lambda it: sa.update(incident_updates).where(incident_updates.c.id == it.updates[1].id)
        .values(author="mallory"),
    ),
    "when it was posted": (
        None, "author, time or version",
        lambda it: sa.update(incident_updates).where(incident_updates.c.id == it.updates[2].id)
        .values(created_at=it.created_at),
    ),
    "that it was edited": (
        None, "author, time or version",
        lambda it: sa.update(incident_updates).where(incident_updates.c.id == it.updates[1].id)
        .values(edited_at=None),
    ),
    "who edited it": (
        None, "who replaced version 2",
        lambda it: sa.update(incident_update_revisions).where(incident_update_revisions.c.version == 2)
        .values(replaced_by="mallory"),
    ),
    "the status shown": (
        None, "not what the updates say",
        lambda it: sa.update(incidents).values(status="monitoring", resolved_at=None),
    ),
    "the title shown": (
        None, "not what the updates say", lambda it: sa.update(incidents).values(title="All fine"),
    ),
    "the severity shown": (
        None, "not what the updates say", lambda it: sa.update(incidents).values(severity=None),
    ),
    "the start shown": (
        None, "not what the updates say",
        lambda it: sa.update(incidents).values(started_at=it.started_at + timedelta(minutes=1)),
    ),
    "the components shown": (None, "not what the updates say", lambda it: sa.delete(incident_components)),
    "a status that does not exist": (
        None, "what Herald never writes", lambda it: sa.update(incidents).values(status="fine"),
    ),
    "an update that was slipped in": (
        None, "version 1 of update upd_forged has no link",
        lambda it: sa.insert(incident_updates).from_select(
            ["tenant_id", "id", "incident_id", "at", "created_at", "author", "version", "message", "translations",
             "title_translations"],
            sa.select(
                incident_updates.c.tenant_id, sa.literal("upd_forged"), incident_updates.c.incident_id,
                incident_updates.c.at, incident_updates.c.created_at, sa.literal("tester"), sa.literal(1),
                sa.literal("We knew"), incident_updates.c.translations, incident_updates.c.title_translations,
            ).where(incident_updates.c.id == it.updates[2].id),
        ),
    ),
}  # fmt: skip


async def test_verifying_names_whatever_was_changed_behind_heralds_back(
    acme: TenantContext, incident: Incident
) -> None:
    missed: dict[str, list[Problem]] = {}
    for changed, (position, what, change) in CHANGES.items():
        async with acme.write() as db:
            await db.execute(change(incident))
            problems = await problems_of(db, acme.id, incident.id)
            await db.rollback()
        if not problems or problems[0].position != position or what not in problems[0].what:
            missed[changed] = problems

    assert missed == {}


async def test_swapping_the_current_version_with_one_that_it_replaced_is_found(
    acme: TenantContext, incident: Incident
) -> None:
    current, kept = incident_updates, incident_update_revisions
    edited = incident.updates[1].id
    await tamper(
        acme,
        sa.update(current).where(current.c.id == edited).values(version=2, message="Found"),
        sa.update(kept).where(kept.c.version == 2).values(version=3, message="Found: the database"),
    )

    assert "author, time or version" in (await found(acme))[0][1]


async def test_an_update_that_was_erased_with_all_its_traces_is_missed(
    acme: TenantContext, incident: Incident
) -> None:
    last = incident.latest.id
    await tamper(
        acme,
        sa.delete(fanouts).where(fanouts.c.update_id == last),
        sa.delete(incident_history).where(incident_history.c.update_id == last),
        sa.delete(incident_updates).where(incident_updates.c.id == last),
    )

    assert (await found(acme))[0] == (5, "the chain has 4 links where 5 were made")


async def test_an_incident_emptied_of_all_its_updates_is_named_too(
    acme: TenantContext, incident: Incident
) -> None:
    await tamper(acme, *(sa.delete(table) for table in (
        fanouts, incident_history, incident_update_revisions, incident_updates,
    )))  # fmt: skip

    assert (await found(acme))[0] == (1, "the chain has 0 links where 5 were made")


async def test_one_incident_can_be_verified_alone(acme: TenantContext, incident: Incident) -> None:
    other = await create_incident(acme, IncidentDraft(title="Slow"))
    await tamper(acme, sa.update(incidents).where(incidents.c.id == other.id).values(title="Fast"))

    assert await verify(acme, incident.id) == []
    assert [problem.incident_id for problem in await verify(acme, other.id)] == [other.id]
    assert [problem.incident_id for problem in await verify(acme)] == [other.id]
