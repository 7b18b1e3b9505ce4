"""Maintenance: planned, announced, reminded of, begun and ended by the clock, each of these once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr

from server.components import create_component, list_components
from server.config import Settings
from server.context import App, TenantContext
from server.errors import Conflict, Invalid, NotFound, Refused
from server.history import verify
from server.incidents import get_incident
from server.maintenance import (
    Cancellation,
    MaintenanceDraft,
    MaintenanceEdit,
    cancel_maintenance,
    do_what_is_due,
    edit_maintenance,
    list_maintenance,
    schedule_maintenance,
)
from server.matching import Asker, find_matches
from server.models import ComponentState, Incident, Scope, Status, Topic, TopicKind
from server.notifications import Pace, Worker
from server.pages import page_of
from server.tenants import context_of, edit_settings
from tests.conftest import Clock, actor
from tests.server.test_notifications import ALL, on, subscribed, told
from tests.smtp_sink import Sink

HOUR = timedelta(hours=1)


@pytest.fixture
def settings(database_url: str, sink: Sink) -> Settings:
    return Settings(database_url=database_url, smtp_url=SecretStr(sink.url))


async def planned(tenant: TenantContext, *components: str, within: timedelta = 48 * HOUR) -> Incident:
    """A maintenance of two hours that begins after that time."""
    starts_at = tenant.now() + within
    return await schedule_maintenance(
        tenant,
        MaintenanceDraft(
            title="Database upgrade",
            message="Payments may be slow.",
            components=components,
            starts_at=starts_at,
            ends_at=starts_at + 2 * HOUR,
        ),
    )


async def shown_state(tenant: TenantContext) -> ComponentState:
    return (await list_components(tenant))[0].state


def moments(incident: Incident) -> list[tuple[Status | None, datetime]]:
    return [(update.content.status, update.at) for update in incident.updates]


# ------------------------------------------------------------------------------------------------- the schedule


async def test_a_component_shows_maintenance_during_its_window_and_goes_back(
    app: App, acme: TenantContext, clock: Clock
) -> None:
    await create_component(acme, "Payments")
    incident = await planned(acme, "Payments")
    assert await shown_state(acme) is ComponentState.OPERATIONAL

    clock.advance(hours=48)
    await do_what_is_due(app)
    assert await shown_state(acme) is ComponentState.MAINTENANCE
    assert (await get_incident(acme, incident.id)).status is Status.IN_PROGRESS

    clock.advance(hours=2)
    await do_what_is_due(app)
    assert await shown_state(acme) is ComponentState.OPERATIONAL
    assert (await get_incident(acme, incident.id)).status is Status.COMPLETED
    assert await verify(acme) == []


async def test_a_window_that_passed_while_the_server_was_down_is_recorded_as_it_was_planned(
    app: App, acme: TenantContext, clock: Clock
) -> None:
    await create_component(acme, "Payments")
    incident = await planned(acme, "Payments", within=HOUR)

    clock.advance(hours=5)
    await do_what_is_due(app)

    done = await get_incident(acme, incident.id)
    assert moments(done) == [
        (Status.SCHEDULED, incident.started_at),
        (Status.IN_PROGRESS, incident.starts_at),
        (Status.COMPLETED, incident.ends_at),
    ]
    snapshot = await app.snapshots.get(acme.id)
    spent = page_of(snapshot, clock(), clock()).shown[0].uptime
    assert spent.days[-1].spent[ComponentState.MAINTENANCE] == 2 * HOUR
    assert spent.share == 1  # maintenance is no downtime


async def test_however_many_processes_look_a_maintenance_begins_once(
    app: App, other_app: App, acme: TenantContext, clock: Clock
) -> None:
    incident = await planned(acme, within=HOUR)
    clock.advance(hours=1)

    await asyncio.gather(*(do_what_is_due(one) for one in (app, other_app, app, other_app)))

    begun = await get_incident(acme, incident.id)
    assert [status for status, _ in moments(begun)] == [Status.SCHEDULED, Status.IN_PROGRESS]


async def test_a_moved_window_begins_at_its_new_time_alone(app: App, acme: TenantContext, clock: Clock) -> None:
    incident = await planned(acme, within=HOUR)
    later = clock() + 5 * HOUR
    moved = await edit_maintenance(
        acme, MaintenanceEdit(incident_id=incident.id, starts_at=later, ends_at=later + HOUR)
    )
    assert (moved.starts_at, moved.ends_at) == (later, later + HOUR)

    clock.advance(hours=2)
    await do_what_is_due(app)
    assert (await get_incident(acme, incident.id)).status is Status.SCHEDULED

    clock.advance(hours=3)
    await do_what_is_due(app)
    assert (await get_incident(acme, incident.id)).status is Status.IN_PROGRESS
    assert await verify(acme) == []


async def test_one_that_overruns_is_prolonged_and_one_that_is_done_early_is_ended_by_hand(
    app: App, acme: TenantContext, clock: Clock
) -> None:
    incident = await planned(acme, within=HOUR)
    clock.advance(hours=1)
    await do_what_is_due(app)
    longer = clock() + 6 * HOUR
    await edit_maintenance(acme, MaintenanceEdit(incident_id=incident.id, ends_at=longer))
    clock.advance(hours=3)
    await do_what_is_due(app)
    assert (await get_incident(acme, incident.id)).status is Status.IN_PROGRESS

    await edit_maintenance(acme, MaintenanceEdit(incident_id=incident.id, status=Status.COMPLETED))

    clock.advance(hours=9)
    await do_what_is_due(app)
    assert len((await get_incident(acme, incident.id)).updates) == 4  # planned, begun, prolonged, ended


async def test_one_that_was_called_off_never_begins(app: App, acme: TenantContext, clock: Clock) -> None:
    incident = await planned(acme, within=HOUR)
    cancelled = await cancel_maintenance(acme, Cancellation(incident_id=incident.id, message="Not needed."))
    assert cancelled.status is Status.CANCELLED

    clock.advance(hours=1)
    await do_what_is_due(app)

    assert (await get_incident(acme, incident.id)).status is Status.CANCELLED
    listed = await list_maintenance(acme)
    assert ([one.id for one in listed.open], [one.id for one in listed.past]) == ([], [incident.id])


async def test_no_message_of_a_customer_is_matched_with_maintenance(acme: TenantContext) -> None:
    await planned(acme)

    asker = Asker(source="test")
    assert await find_matches(acme, "is the database upgrade why payments are slow?", asker) == []


# ----------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(("starts_in", "lasts", "problem"), [(-2, 3, "is past"), (2, -1, "ends after it starts")])
async def test_a_window_that_cannot_be_is_refused(
    acme: TenantContext, clock: Clock, starts_in: int, lasts: int, problem: str
) -> None:
    starts_at = clock() + starts_in * HOUR

    with pytest.raises(Invalid, match=problem):
        await schedule_maintenance(
            acme, MaintenanceDraft(title="Upgrade", starts_at=starts_at, ends_at=starts_at + lasts * HOUR)
        )


async def test_what_has_begun_is_neither_called_off_nor_put_later(
    app: App, acme: TenantContext, clock: Clock
) -> None:
    incident = await planned(acme, within=HOUR)
    clock.advance(hours=1)
    await do_what_is_due(app)

    with pytest.raises(Refused, match="in_progress already"):
        await cancel_maintenance(acme, Cancellation(incident_id=incident.id))
    with pytest.raises(Invalid, match="only its end"):
        await edit_maintenance(acme, MaintenanceEdit(incident_id=incident.id, starts_at=clock() + HOUR))


async def test_an_edit_that_says_nothing_or_comes_late_is_refused(acme: TenantContext) -> None:
    incident = await planned(acme)

    with pytest.raises(Invalid, match="changes nothing"):
        await edit_maintenance(acme, MaintenanceEdit(incident_id=incident.id))
    with pytest.raises(Conflict):
        await edit_maintenance(acme, MaintenanceEdit(incident_id=incident.id, title="Other"), expected_version=7)
    await cancel_maintenance(acme, Cancellation(incident_id=incident.id))
    with pytest.raises(Refused, match="plan another one"):
        await edit_maintenance(acme, MaintenanceEdit(incident_id=incident.id, title="Other"))


async def test_another_tenant_and_a_key_without_the_scope_reach_nothing(
    app: App, acme: TenantContext, globex: TenantContext
) -> None:
    incident = await planned(acme)

    with pytest.raises(NotFound):
        await cancel_maintenance(globex, Cancellation(incident_id=incident.id))
    with pytest.raises(NotFound):
        await edit_maintenance(globex, MaintenanceEdit(incident_id=incident.id, title="Mine now"))
    assert (await list_maintenance(globex)).open == ()
    with pytest.raises(Refused):
        await planned(await context_of(app, "acme", actor(Scope.AGENT)))


async def test_the_same_key_plans_once_and_a_dry_run_plans_nothing(acme: TenantContext, clock: Clock) -> None:
    draft = MaintenanceDraft(title="Upgrade", starts_at=clock() + HOUR, ends_at=clock() + 2 * HOUR)
    await schedule_maintenance(acme, draft, dry_run=True)

    first = await schedule_maintenance(acme, draft, idempotency_key="once")
    second = await schedule_maintenance(acme, draft, idempotency_key="once")

    assert first == second
    assert [one.id for one in (await list_maintenance(acme)).open] == [first.id]


# --------------------------------------------------------------------------------------------------------- mail


async def test_subscribers_hear_of_the_plan_are_reminded_twice_and_hear_of_the_end(
    app: App, acme: TenantContext, sink: Sink, clock: Clock
) -> None:
    worker = Worker(app, Pace(poll_seconds=0.01))
    await subscribed(acme, "ada@example.org")
    await planned(acme)
    await worker.run_until_idle()

    for hours in (24, 23, 1, 2):  # a day before, an hour before, the beginning, the end
        clock.advance(hours=hours)
        await do_what_is_due(app)
        await worker.run_until_idle()
        await worker.run_until_idle()

    assert told(sink, "ada@example.org") == [
        "[Scheduled] Database upgrade",
        "Reminder: Database upgrade",
        "Reminder: Database upgrade",
        "[Completed] Database upgrade",
    ]
    reminder = sink.to("ada@example.org")[1].message.get_body(("plain",))
    assert reminder is not None
    assert "Mar 16, 2026, 15:09 UTC to Mar 16, 2026, 17:09 UTC" in reminder.get_content()
    assert "this maintenance begins soon" in reminder.get_content()


async def test_reminders_go_to_all_to_its_components_and_to_it_alone_and_to_nobody_else(
    app: App, acme: TenantContext, sink: Sink, clock: Clock
) -> None:
    payments, search = [await create_component(acme, name) for name in ("Payments", "Search")]
    incident = await planned(acme, "Payments")
    await subscribed(acme, "all@example.org", ALL)
    await subscribed(acme, "payments@example.org", Topic(kind=TopicKind.COMPONENT, id=payments.id))
    await subscribed(acme, "search@example.org", Topic(kind=TopicKind.COMPONENT, id=search.id))
    await subscribed(acme, "this@example.org", on(incident))
    sink.received.clear()

    clock.advance(hours=24)
    await Worker(app, Pace()).run_until_idle()

    reminders = [one for one in sink.received if one.message["Subject"].startswith("Reminder")]
    assert sorted(one.recipient for one in reminders) == [
        "all@example.org",
        "payments@example.org",
        "this@example.org",
    ]


async def test_after_a_long_silence_one_reminder_is_enough_and_none_comes_after_the_beginning(
    app: App, acme: TenantContext, sink: Sink, clock: Clock
) -> None:
    await subscribed(acme, "ada@example.org")
    await planned(acme)  # both of its reminders are due when the worker is back
    await planned(acme, within=30 * HOUR)  # it has begun by then
    clock.advance(hours=47.5)
    worker = Worker(app, Pace())
    await worker.run_until_idle()

    assert told(sink, "ada@example.org").count("Reminder: Database upgrade") == 1


async def test_a_tenant_chooses_when_to_remind(app: App, acme: TenantContext, sink: Sink, clock: Clock) -> None:
    await edit_settings(acme, {"maintenance_reminders": [3]})
    await subscribed(acme, "ada@example.org")
    await planned(acme)
    worker = Worker(app, Pace())
    await worker.run_until_idle()

    clock.advance(hours=44)
    await worker.run_until_idle()
    assert len(sink.received) == 1
    clock.advance(hours=1)
    await worker.run_until_idle()
    assert told(sink, "ada@example.org")[-1] == "Reminder: Database upgrade"


async def test_what_is_called_off_is_said_and_no_reminder_follows(
    app: App, acme: TenantContext, sink: Sink, clock: Clock
) -> None:
    await subscribed(acme, "ada@example.org", language="de")
    incident = await planned(acme)
    worker = Worker(app, Pace())
    await worker.run_until_idle()
    await cancel_maintenance(acme, Cancellation(incident_id=incident.id))

    clock.advance(hours=30)
    await worker.run_until_idle()

    assert told(sink, "ada@example.org") == ["[Geplant] Database upgrade", "[Abgesagt] Database upgrade"]
    last = sink.to("ada@example.org")[-1].message.get_body(("plain",))
    assert last is not None
    assert "Diese Wartung findet nicht statt." in last.get_content()
