from __future__ import annotations

from datetime import timedelta

import pytest

from server.components import create_component, list_components
from server.context import TenantContext
from server.errors import Conflict, Invalid, NotFound, Refused
from server.incidents import (
    IncidentDraft,
    Resolution,
    UpdateDraft,
    UpdateEdit,
    create_incident,
    edit_update,
    get_incident,
    list_incidents,
    list_revisions,
    post_update,
    resolve_incident,
)
from server.models import ComponentState, Incident, Severity, SeverityChange, Status
from tests.conftest import Clock

# ----------------------------------------------------------------------------------------------- creating


async def test_a_new_incident_is_the_fold_of_its_first_update(acme: TenantContext, clock: Clock) -> None:
    api = await create_component(acme, "API")

    incident = await create_incident(
        acme,
        IncidentDraft(
            title="API returns 500", message="We are looking", severity=Severity.MAJOR, components={api.id: None}
        ),
    )

    (update,) = incident.updates
    assert incident.status is Status.INVESTIGATING
    assert (incident.started_at, incident.created_at, update.at) == (clock.now, clock.now, clock.now)
    assert (incident.version, update.version, update.author) == (1, 1, "tester")
    assert [(affected.name, affected.impact) for affected in incident.affected] == [
        ("API", ComponentState.PARTIAL_OUTAGE)
    ]
    assert incident.slug.startswith("api-returns-500-")
    assert await get_incident(acme, incident.id) == incident


@pytest.mark.parametrize("status", [Status.INVESTIGATING, Status.IDENTIFIED, Status.MONITORING])
async def test_an_incident_may_start_in_each_open_status(acme: TenantContext, status: Status) -> None:
    assert (await create_incident(acme, IncidentDraft(title="Down", status=status))).status is status


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.SCHEDULED, Status.COMPLETED])
async def test_an_incident_is_never_created_as_resolved_or_as_maintenance(
    acme: TenantContext, status: Status
) -> None:
    with pytest.raises(Invalid, match="starts as investigating, identified, monitoring"):
        await create_incident(acme, IncidentDraft(title="Down", status=status))

    assert (await list_incidents(acme)).incidents == ()


async def test_an_incident_may_have_begun_before_it_was_posted(acme: TenantContext, clock: Clock) -> None:
    began = clock.now - timedelta(hours=2)

    incident = await create_incident(acme, IncidentDraft(title="Down", started_at=began))

    assert (incident.started_at, incident.created_at) == (began, clock.now)
    assert (incident.latest.at, incident.latest.created_at) == (began, clock.now)


async def test_an_incident_cannot_begin_in_the_future(acme: TenantContext, clock: Clock) -> None:
    with pytest.raises(Invalid, match="future"):
        await create_incident(acme, IncidentDraft(title="Down", started_at=clock.now + timedelta(hours=1)))


async def test_a_clock_that_runs_a_little_ahead_is_forgiven(acme: TenantContext, clock: Clock) -> None:
    ahead = clock.now + timedelta(seconds=30)

    assert (await create_incident(acme, IncidentDraft(title="Down", started_at=ahead))).started_at == clock.now


async def test_an_unknown_component_is_refused_with_those_there_are(acme: TenantContext) -> None:
    api = await create_component(acme, "API")
    incident = await create_incident(acme, IncidentDraft(title="Down"))

    with pytest.raises(Invalid, match=f"unknown component 'cmp_nope'; the components are: {api.id}"):
        await create_incident(acme, IncidentDraft(title="Down too", components={"cmp_nope": None}))
    with pytest.raises(Invalid, match="unknown component 'cmp_nope'"):
        await post_update(acme, UpdateDraft(incident_id=incident.id, components={"cmp_nope": None}))

    assert (await list_incidents(acme)).incidents == (incident,)


async def test_a_title_without_latin_letters_still_has_an_address(acme: TenantContext) -> None:
    one, two = [await create_incident(acme, IncidentDraft(title="ログインできません")) for _ in range(2)]

    assert one.slug
    assert one.slug != two.slug


# ------------------------------------------------------------------------------------------------ updating


async def test_an_update_may_carry_a_status_or_a_severity_alone(acme: TenantContext) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down", severity=Severity.MAJOR))

    moved = await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.IDENTIFIED))
    cleared = await post_update(acme, UpdateDraft(incident_id=incident.id, severity=SeverityChange.CLEARED))

    assert (moved.status, moved.severity) == (Status.IDENTIFIED, Severity.MAJOR)
    assert (cleared.status, cleared.severity) == (Status.IDENTIFIED, None)


@pytest.mark.parametrize("message", [None, "", " \n "])
async def test_an_update_with_nothing_in_it_is_refused(acme: TenantContext, message: str | None) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))

    with pytest.raises(Invalid, match="says nothing"):
        await post_update(acme, UpdateDraft(incident_id=incident.id, message=message))

    assert (await get_incident(acme, incident.id)).version == 1


async def test_any_status_may_follow_any_other_and_a_resolved_incident_reopens(
    acme: TenantContext, clock: Clock
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down", status=Status.MONITORING))
    seen: list[tuple[Status, bool]] = []
    for status in (Status.INVESTIGATING, Status.RESOLVED, Status.IDENTIFIED, Status.RESOLVED):
        clock.advance(minutes=1)
        incident = await post_update(acme, UpdateDraft(incident_id=incident.id, status=status))
        seen.append((incident.status, incident.resolved_at == clock.now))

    assert seen == [
        (Status.INVESTIGATING, False),
        (Status.RESOLVED, True),
        (Status.IDENTIFIED, False),
        (Status.RESOLVED, True),
    ]
    assert len(incident.updates) == 5


async def test_a_backdated_update_takes_its_place_in_the_timeline(acme: TenantContext, clock: Clock) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))
    began = clock.now
    clock.advance(hours=1)
    resolved = await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))
    earlier = began + timedelta(minutes=10)

    after = await post_update(
        acme, UpdateDraft(incident_id=incident.id, status=Status.IDENTIFIED, message="Found", at=earlier)
    )

    assert [update.content.status for update in after.updates] == [
        Status.INVESTIGATING, Status.IDENTIFIED, Status.RESOLVED,
    ]  # fmt: skip
    assert (after.status, after.resolved_at) == (Status.RESOLVED, resolved.resolved_at)
    assert after.updates[1].created_at == clock.now


async def test_an_update_cannot_lie_before_its_incident_or_in_the_future(
    acme: TenantContext, clock: Clock
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))

    with pytest.raises(Invalid, match="the incident began at"):
        await post_update(
            acme, UpdateDraft(incident_id=incident.id, message="x", at=clock.now - timedelta(seconds=1))
        )
    with pytest.raises(Invalid, match="future"):
        await post_update(
            acme, UpdateDraft(incident_id=incident.id, message="x", at=clock.now + timedelta(days=1))
        )


async def test_an_update_without_a_time_comes_last_even_if_this_machines_clock_lags(
    acme: TenantContext, clock: Clock
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))
    clock.advance(seconds=10)
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))
    clock.advance(seconds=-20)

    reopened = await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.IDENTIFIED))

    assert reopened.status is Status.IDENTIFIED
    assert reopened.latest.content.status is Status.IDENTIFIED
    assert reopened.resolved_at is None


async def test_an_update_at_the_very_start_still_follows_the_first(acme: TenantContext, clock: Clock) -> None:
    began = clock.now - timedelta(hours=1)
    incident = await create_incident(acme, IncidentDraft(title="Down", started_at=began))

    after = await post_update(acme, UpdateDraft(incident_id=incident.id, message="At once", at=began))

    assert [update.content.message for update in after.updates] == [None, "At once"]
    assert after.started_at == began


async def test_a_status_of_maintenance_is_refused_for_an_incident(acme: TenantContext) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))

    with pytest.raises(Invalid, match="use investigating, identified, monitoring, resolved"):
        await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.COMPLETED))


async def test_expecting_a_version_that_has_passed_is_a_conflict_that_names_the_current_one(
    acme: TenantContext,
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))
    await post_update(acme, UpdateDraft(incident_id=incident.id, message="One"), expected_version=1)

    with pytest.raises(Conflict) as posted:
        await post_update(acme, UpdateDraft(incident_id=incident.id, message="Two"), expected_version=1)
    with pytest.raises(Conflict) as edited:
        await edit_update(acme, _edit(incident, message="Two"), expected_version=1)
    with pytest.raises(Conflict) as resolved:
        await resolve_incident(acme, Resolution(incident_id=incident.id), expected_version=1)

    assert [raised.value.current_version for raised in (posted, edited, resolved)] == [2, 2, 2]
    assert (await get_incident(acme, incident.id)).version == 2


async def test_an_incident_that_does_not_exist_is_not_found(acme: TenantContext) -> None:
    with pytest.raises(NotFound, match="'inc_nope'"):
        await get_incident(acme, "inc_nope")
    with pytest.raises(NotFound):
        await post_update(acme, UpdateDraft(incident_id="inc_nope", message="x"))
    with pytest.raises(NotFound):
        await edit_update(acme, UpdateEdit(incident_id="inc_nope", update_id="upd_nope", message="x"))
    with pytest.raises(NotFound):
        await list_revisions(acme, "inc_nope")


async def test_resolving_closes_once(acme: TenantContext, clock: Clock) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))
    clock.advance(minutes=5)

    resolved = await resolve_incident(acme, Resolution(incident_id=incident.id, message="All good"))
    with pytest.raises(Refused, match="is resolved since"):
        await resolve_incident(acme, Resolution(incident_id=incident.id))

    assert (resolved.status, resolved.resolved_at) == (Status.RESOLVED, clock.now)
    assert await get_incident(acme, incident.id) == resolved


# ------------------------------------------------------------------------------------------------- editing


async def test_an_edit_keeps_what_it_replaced_with_who_and_when(acme: TenantContext, clock: Clock) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down", message="We are lokking"))
    typo = clock.advance(minutes=1)
    await edit_update(acme, _edit(incident, message="We are looking"))
    better = clock.advance(minutes=1)

    after = await edit_update(acme, _edit(incident, message="We look into it", severity=SeverityChange.MAJOR))

    revisions = await list_revisions(acme, incident.id)
    assert [
        (kept.version, kept.content.message, kept.content.severity, kept.replaced_at, kept.replaced_by)
        for kept in revisions
    ] == [(1, "We are lokking", None, typo, "tester"), (2, "We are looking", None, better, "tester")]
    assert (after.latest.version, after.latest.content.message) == (3, "We look into it")
    assert (after.latest.edited_at, after.version) == (better, 3)
    assert after.severity is Severity.MAJOR


async def test_editing_the_status_of_an_update_changes_what_follows_from_it(
    acme: TenantContext, clock: Clock
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))
    clock.advance(minutes=1)
    too_early = await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))

    after = await edit_update(acme, _edit(too_early, status=Status.MONITORING))

    assert (after.status, after.resolved_at) == (Status.MONITORING, None)


async def test_an_edited_message_drops_the_translations_of_what_it_said_before(acme: TenantContext) -> None:
    incident = await create_incident(
        acme,
        IncidentDraft(
            title="Down", message="Down", title_translations={"de": "Ausfall"}, translations={"de": "Nichts geht"}
        ),
    )

    message = await edit_update(acme, _edit(incident, message="Slow"))
    title = await edit_update(acme, _edit(incident, title="Slow"))

    assert message.latest.content.translations == {}
    assert message.title_translations == {"de": "Ausfall"}
    assert title.title_translations == {}


async def test_the_first_update_cannot_be_edited_into_resolved_nor_a_later_one_be_given_a_title(
    acme: TenantContext,
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))
    later = await post_update(acme, UpdateDraft(incident_id=incident.id, message="x"))

    with pytest.raises(Invalid, match="starts as"):
        await edit_update(acme, _edit(incident, status=Status.RESOLVED))
    with pytest.raises(Invalid, match="title stands in the first update"):
        await edit_update(acme, _edit(later, title="Slow"))


async def test_an_edit_that_changes_nothing_or_leaves_nothing_is_refused(acme: TenantContext) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))
    later = await post_update(acme, UpdateDraft(incident_id=incident.id, message="x"))

    with pytest.raises(Invalid, match="changes nothing"):
        await edit_update(acme, _edit(later, message=" x "))
    with pytest.raises(Invalid, match="nothing would be left"):
        await edit_update(acme, _edit(later, message=""))

    assert await list_revisions(acme, incident.id) == []


async def test_an_unknown_update_is_refused_with_those_there_are(acme: TenantContext) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))
    edit = UpdateEdit(incident_id=incident.id, update_id="upd_nope", message="x")

    with pytest.raises(Invalid, match=f"its updates are: {incident.latest.id}"):
        await edit_update(acme, edit)


# ------------------------------------------------------------------------------------------ trying, listing


async def test_a_dry_run_tells_what_would_stand_and_keeps_nothing(acme: TenantContext) -> None:
    api = await create_component(acme, "API")
    kept = await create_incident(acme, IncidentDraft(title="Down"))
    before = (await acme.app.snapshots.get(acme.id)).version

    tried = await create_incident(acme, IncidentDraft(title="Slow", components={api.id: None}), dry_run=True)
    moved = await post_update(
        acme, UpdateDraft(incident_id=kept.id, status=Status.RESOLVED), idempotency_key="k", dry_run=True
    )
    edited = await edit_update(acme, _edit(kept, message="More"), dry_run=True)

    assert (tried.title, moved.status, edited.latest.content.message) == ("Slow", Status.RESOLVED, "More")
    assert (await list_incidents(acme)).incidents == (kept,)
    assert (await list_components(acme))[0].state is ComponentState.OPERATIONAL
    assert (await acme.app.snapshots.get(acme.id)).version == before
    real = await post_update(acme, UpdateDraft(incident_id=kept.id, message="Other"), idempotency_key="k")
    assert real.latest.content.message == "Other"


async def test_pages_of_the_list_meet_without_a_gap_even_at_one_start(acme: TenantContext, clock: Clock) -> None:
    incidents = []
    for number in range(7):
        incidents.append(await create_incident(acme, IncidentDraft(title=f"Trouble {number}")))
        if number % 3 == 0:
            clock.advance(minutes=1)
    newest_first = sorted(incidents, key=lambda incident: (incident.started_at, incident.id), reverse=True)

    listed: list[str] = []
    cursor: str | None = None
    while True:
        page = await list_incidents(acme, cursor=cursor, limit=2)
        listed += [incident.id for incident in page.incidents]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert listed == [incident.id for incident in newest_first]


async def test_the_list_tells_active_from_closed(acme: TenantContext) -> None:
    active = await create_incident(acme, IncidentDraft(title="Down"))
    closed = await create_incident(acme, IncidentDraft(title="Was down"))
    await resolve_incident(acme, Resolution(incident_id=closed.id))

    assert [incident.id for incident in (await list_incidents(acme, active=True)).incidents] == [active.id]
    assert [incident.id for incident in (await list_incidents(acme, active=False)).incidents] == [closed.id]


@pytest.mark.parametrize("cursor", ["nonsense", "", "\ud800", "MjAyNi0wMS0wMQ", "ééé"])
async def test_a_cursor_that_is_not_ours_is_refused(acme: TenantContext, cursor: str) -> None:
    with pytest.raises(Invalid, match="not one of ours"):
        await list_incidents(acme, cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 51])
async def test_a_page_has_1_to_50_incidents(acme: TenantContext, limit: int) -> None:
    with pytest.raises(Invalid, match="between 1 and 50"):
        await list_incidents(acme, limit=limit)


def _edit(incident: Incident, **changes: object) -> UpdateEdit:
    """An edit of the incident's latest update."""
    named = {"incident_id": incident.id, "update_id": incident.latest.id}
    return UpdateEdit.model_validate(named | changes)
