from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from server.components import (
    Described,
    create_component,
    delete_component,
    edit_component,
    list_components,
    reorder_components,
    set_own_state,
)
from server.context import TenantContext
from server.errors import Invalid, NotFound, Refused
from server.incidents import IncidentDraft, UpdateDraft, UpdateEdit, create_incident, edit_update, post_update
from server.models import ComponentState, Incident, Severity, SeverityChange, Status
from server.store import components as rows
from tests.conftest import Clock

OPERATIONAL, MAINTENANCE, DEGRADED, PARTIAL, MAJOR = ComponentState


async def shown(acme: TenantContext, name: str = "API") -> ComponentState:
    (component,) = [component for component in await list_components(acme) if component.name == name]
    return component.state


async def history_of(acme: TenantContext, component_id: str) -> list[tuple[datetime, ComponentState]]:
    """Every recorded change of the state shown, oldest first."""
    async with acme.read() as db:
        found = await rows.shown_states_since(db, acme.id, datetime.min.replace(tzinfo=acme.now().tzinfo))
    return [(change.at, change.state) for change in found[component_id]]


async def report(acme: TenantContext, *component_ids: str, severity: Severity | None = None) -> Incident:
    tags = dict.fromkeys(component_ids)
    return await create_incident(acme, IncidentDraft(title="Trouble", severity=severity, components=tags))


async def resolve(acme: TenantContext, incident: Incident, at: datetime | None = None) -> Incident:
    return await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED, at=at))


# --------------------------------------------------------------------------------------- the state shown


async def test_a_tagged_component_leaves_operational_and_returns_by_itself_when_resolved(
    acme: TenantContext,
) -> None:
    api = await create_component(acme, "API")
    incident = await report(acme, api.id, severity=Severity.MAJOR)
    during = await shown(acme)

    await resolve(acme, incident)

    assert (during, await shown(acme)) == (PARTIAL, OPERATIONAL)


async def test_the_worst_of_two_incidents_wins_and_the_other_remains(acme: TenantContext) -> None:
    api = await create_component(acme, "API")
    minor = await report(acme, api.id, severity=Severity.MINOR)
    critical = await report(acme, api.id, severity=Severity.CRITICAL)
    both = await shown(acme)
    await resolve(acme, critical)
    one = await shown(acme)

    await resolve(acme, minor)

    assert (both, one, await shown(acme)) == (MAJOR, DEGRADED, OPERATIONAL)


async def test_an_impact_given_for_a_component_stands_whatever_the_severity(acme: TenantContext) -> None:
    api, web = await create_component(acme, "API"), await create_component(acme, "Web")

    incident = await create_incident(
        acme, IncidentDraft(title="Slow", severity=Severity.CRITICAL, components={api.id: DEGRADED, web.id: None})
    )

    assert (await shown(acme, "API"), await shown(acme, "Web")) == (DEGRADED, MAJOR)
    assert {affected.name: affected.impact for affected in incident.affected} == {"API": DEGRADED, "Web": MAJOR}


async def test_a_change_of_severity_moves_the_components_that_follow_it(acme: TenantContext) -> None:
    api = await create_component(acme, "API")
    incident = await report(acme, api.id, severity=Severity.CRITICAL)

    await post_update(acme, UpdateDraft(incident_id=incident.id, severity=SeverityChange.CLEARED))

    assert await shown(acme) is DEGRADED


async def test_a_component_that_an_update_no_longer_names_recovers(acme: TenantContext) -> None:
    api, web = await create_component(acme, "API"), await create_component(acme, "Web")
    incident = await report(acme, api.id)

    await post_update(acme, UpdateDraft(incident_id=incident.id, components={web.id: PARTIAL}))

    assert (await shown(acme, "API"), await shown(acme, "Web")) == (OPERATIONAL, PARTIAL)


async def test_what_the_operator_set_is_shown_where_no_incident_says_worse(acme: TenantContext) -> None:
    api = await create_component(acme, "API", state=MAINTENANCE)
    alone = await shown(acme)
    incident = await report(acme, api.id)
    under_incident = await shown(acme)
    set_worse = await set_own_state(acme, api.id, MAJOR)

    await resolve(acme, incident)

    assert (alone, under_incident, set_worse.state, await shown(acme)) == (MAINTENANCE, DEGRADED, MAJOR, MAJOR)
    assert (await set_own_state(acme, api.id, OPERATIONAL)).state is OPERATIONAL


async def test_reopening_affects_the_components_again(acme: TenantContext) -> None:
    api = await create_component(acme, "API")
    incident = await report(acme, api.id)
    await resolve(acme, incident)

    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.INVESTIGATING))

    assert await shown(acme) is DEGRADED


# ---------------------------------------------------------------------------------------- its history


async def test_every_change_of_the_state_shown_is_recorded_and_nothing_else(
    acme: TenantContext, clock: Clock
) -> None:
    created = clock.now
    api = await create_component(acme, "API")
    began = clock.advance(minutes=10)
    incident = await report(acme, api.id, severity=Severity.MAJOR)
    clock.advance(minutes=1)
    await post_update(acme, UpdateDraft(incident_id=incident.id, message="Nothing new", status=Status.IDENTIFIED))
    worse = clock.advance(minutes=9)
    await set_own_state(acme, api.id, MAJOR)
    clock.advance(minutes=5)
    await resolve(acme, incident)
    over = clock.advance(minutes=5)
    await set_own_state(acme, api.id, OPERATIONAL)

    assert await history_of(acme, api.id) == [
        (created, OPERATIONAL), (began, PARTIAL), (worse, MAJOR), (over, OPERATIONAL),
    ]  # fmt: skip


async def test_a_backdated_incident_rewrites_exactly_the_span_that_it_covers(
    acme: TenantContext, clock: Clock
) -> None:
    created = clock.now
    api = await create_component(acme, "API")
    first = clock.advance(hours=1)
    earlier = await report(acme, api.id, severity=Severity.CRITICAL)
    first_over = clock.advance(hours=1)
    await resolve(acme, earlier)
    clock.advance(hours=5)
    began, ended = first + timedelta(minutes=30), first_over + timedelta(minutes=30)

    late = await create_incident(
        acme, IncidentDraft(title="Also slow", components={api.id: None}, started_at=began)
    )
    await resolve(acme, late, at=ended)

    assert await history_of(acme, api.id) == [
        (created, OPERATIONAL), (first, MAJOR), (first_over, DEGRADED), (ended, OPERATIONAL),
    ]  # fmt: skip


async def test_an_edited_status_rewrites_the_span_that_it_changes(acme: TenantContext, clock: Clock) -> None:
    created = clock.now
    api = await create_component(acme, "API")
    began = clock.advance(hours=1)
    incident = await report(acme, api.id)
    clock.advance(hours=1)
    too_early = await resolve(acme, incident)
    over = clock.advance(hours=1)
    await resolve(acme, incident)

    await edit_update(
        acme, UpdateEdit(incident_id=incident.id, update_id=too_early.latest.id, status=Status.MONITORING)
    )

    assert await history_of(acme, api.id) == [(created, OPERATIONAL), (began, DEGRADED), (over, OPERATIONAL)]


async def test_an_edited_severity_rewrites_the_state_from_then_on(acme: TenantContext, clock: Clock) -> None:
    created = clock.now
    api = await create_component(acme, "API")
    began = clock.advance(hours=1)
    incident = await report(acme, api.id, severity=Severity.MINOR)
    clock.advance(hours=1)

    await edit_update(
        acme,
        UpdateEdit(incident_id=incident.id, update_id=incident.latest.id, severity=SeverityChange.CRITICAL),
    )

    assert await history_of(acme, api.id) == [(created, OPERATIONAL), (began, MAJOR)]


# --------------------------------------------------------------------------------- adding and arranging


async def test_components_stand_in_the_order_in_which_they_and_their_groups_came(acme: TenantContext) -> None:
    for name, group in (("API", "Core Services"), ("EU", "Regions"), ("Web", "Core Services"), ("US", "Regions")):
        await create_component(acme, name, group=group)

    assert [component.name for component in await list_components(acme)] == ["API", "Web", "EU", "US"]


async def test_a_new_order_names_every_component_once(acme: TenantContext) -> None:
    api, eu, web = [
        await create_component(acme, name, group=group)
        for name, group in (("API", "Core Services"), ("EU", "Regions"), ("Web", "Core Services"))
    ]

    ordered = await reorder_components(acme, [eu.id, web.id, api.id])

    assert [component.name for component in ordered] == ["EU", "Web", "API"]
    for wrong in ([eu.id, web.id], [eu.id, web.id, web.id], [eu.id, web.id, api.id, "cmp_nope"]):
        with pytest.raises(Invalid, match="name every component once"):
            await reorder_components(acme, wrong)


async def test_a_name_is_taken_within_its_group_only(acme: TenantContext) -> None:
    await create_component(acme, "API")
    other = await create_component(acme, "API", group="Regions")

    with pytest.raises(Invalid, match="already has a component 'API'"):
        await create_component(acme, " API ")
    with pytest.raises(Invalid, match="already has a component 'API'"):
        await edit_component(acme, other.id, Described(group="Core Services"))


async def test_a_deleted_component_leaves_the_page_and_past_incidents_go_on_naming_it(acme: TenantContext) -> None:
    api = await create_component(acme, "API")
    incident = await report(acme, api.id)
    with pytest.raises(Refused, match="resolve it"):
        await delete_component(acme, api.id)
    resolved = await resolve(acme, incident)

    await delete_component(acme, api.id)

    assert await list_components(acme) == []
    assert [affected.name for affected in resolved.affected] == ["API"]
    for operation in (
        delete_component(acme, api.id),
        set_own_state(acme, api.id, MAJOR),
        edit_component(acme, api.id, Described(name="Web")),
    ):
        with pytest.raises(NotFound):
            await operation


async def test_reopening_an_incident_whose_component_was_deleted_meanwhile_is_possible(
    acme: TenantContext,
) -> None:
    api = await create_component(acme, "API")
    incident = await report(acme, api.id)
    await resolve(acme, incident)
    await delete_component(acme, api.id)

    reopened = await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.INVESTIGATING))

    assert reopened.is_active
    assert await list_components(acme) == []
