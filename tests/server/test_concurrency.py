from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from server import history
from server.components import create_component, delete_component, list_components, set_own_state
from server.context import App, TenantContext
from server.errors import Conflict, HeraldError, Refused
from server.incidents import (
    IncidentDraft,
    UpdateDraft,
    UpdateEdit,
    create_incident,
    edit_update,
    get_incident,
    list_incidents,
    post_update,
)
from server.models import ComponentState, Impacts, Incident, Severity, Status

ROOT = Path(__file__).parents[2]


def said(incident: Incident) -> set[str | None]:
    return {update.content.message for update in incident.updates}


async def test_updates_posted_at_the_same_time_are_all_kept(
    acme: TenantContext, acme_elsewhere: TenantContext
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="API down", message="We are looking"))
    messages = [f"Finding {number}" for number in range(12)]
    contexts = [acme, acme_elsewhere] * 6

    posted = await asyncio.gather(
        *(
            post_update(context, UpdateDraft(incident_id=incident.id, message=message))
            for context, message in zip(contexts, messages, strict=True)
        )
    )

    after = await get_incident(acme, incident.id)
    assert said(after) == {"We are looking", *messages}
    assert sorted(each.version for each in posted) == list(range(2, 14))
    assert await history.verify(acme) == []


async def test_of_two_decisions_made_on_the_same_version_one_is_refused(
    acme: TenantContext, acme_elsewhere: TenantContext
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="API down"))

    results = await asyncio.gather(
        *(
            post_update(context, UpdateDraft(incident_id=incident.id, message="Mine"), expected_version=1)
            for context in (acme, acme_elsewhere)
        ),
        return_exceptions=True,
    )

    (refusal,) = [result for result in results if isinstance(result, BaseException)]
    assert isinstance(refusal, Conflict)
    assert refusal.current_version == 2
    assert len((await get_incident(acme, incident.id)).updates) == 2


async def test_incidents_on_the_same_components_do_not_wait_for_each_other_in_a_circle(
    acme: TenantContext, acme_elsewhere: TenantContext
) -> None:
    components = [await create_component(acme, f"Part {number}") for number in range(3)]
    tags: Impacts = {component.id: None for component in components}

    incidents = await asyncio.gather(
        *(
            create_incident(context, IncidentDraft(title=f"Trouble {number}", components=tags))
            for number, context in enumerate([acme, acme_elsewhere] * 5)
        )
    )
    await asyncio.gather(
        *(
            post_update(context, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED, components=tags))
            for incident, context in zip(incidents, [acme_elsewhere, acme] * 5, strict=True)
        )
    )

    assert {component.state for component in await list_components(acme)} == {ComponentState.OPERATIONAL}
    assert await history.verify(acme) == []


async def test_the_state_shown_is_right_when_incidents_and_operators_change_it_together(
    acme: TenantContext, acme_elsewhere: TenantContext
) -> None:
    api = await create_component(acme, "API")
    minor, critical = [
        await create_incident(acme, IncidentDraft(title=title, severity=severity, components={api.id: None}))
        for title, severity in (("Slow", Severity.MINOR), ("Down", Severity.CRITICAL))
    ]

    await asyncio.gather(
        post_update(acme, UpdateDraft(incident_id=critical.id, status=Status.RESOLVED)),
        post_update(acme_elsewhere, UpdateDraft(incident_id=minor.id, message="Still slow")),
        set_own_state(acme_elsewhere, api.id, ComponentState.MAINTENANCE),
    )

    (shown,) = await list_components(acme)
    assert (shown.own_state, shown.state) == (ComponentState.MAINTENANCE, ComponentState.DEGRADED)


async def test_a_component_is_never_deleted_under_an_incident_that_takes_it_up_meanwhile(
    acme: TenantContext, acme_elsewhere: TenantContext
) -> None:
    for attempt in range(5):
        component = await create_component(acme, f"Part {attempt}")
        created, deleted = await asyncio.gather(
            create_incident(acme, IncidentDraft(title="Down", components={component.id: None})),
            delete_component(acme_elsewhere, component.id),
            return_exceptions=True,
        )

        assert isinstance(created, HeraldError) or isinstance(deleted, Refused)
        shown = {known.id for known in await list_components(acme)}
        for incident in (await list_incidents(acme, active=True)).incidents:
            assert {affected.id for affected in incident.affected} <= shown


async def test_an_edit_and_a_post_at_the_same_time_are_both_kept(
    acme: TenantContext, acme_elsewhere: TenantContext
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="API down", message="We are lokking"))
    typo = UpdateEdit(incident_id=incident.id, update_id=incident.latest.id, message="We are looking")

    await asyncio.gather(
        edit_update(acme, typo), post_update(acme_elsewhere, UpdateDraft(incident_id=incident.id, message="Found"))
    )

    after = await get_incident(acme, incident.id)
    assert said(after) == {"We are looking", "Found"}
    assert after.version == 3
    assert await history.verify(acme) == []


@pytest.mark.slow
async def test_three_processes_that_write_at_once_lose_nothing_and_are_never_told_of_a_lock(
    app: App, acme: TenantContext
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="API down"))
    command = [sys.executable, "-m", "tests.server.writer", app.settings.database_url, incident.id, "40"]

    writers = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    outputs = await asyncio.wait_for(asyncio.gather(*(writer.communicate() for writer in writers)), 120)

    assert [errors.decode() for _, errors in outputs] == ["", "", ""]
    acknowledged = [line for output, _ in outputs for line in output.decode().split()]
    after = await get_incident(acme, incident.id)
    assert len(set(acknowledged)) == 120
    assert set(acknowledged) == {update.id for update in after.updates[1:]}
    assert after.version == 121
    assert await history.verify(acme) == []
