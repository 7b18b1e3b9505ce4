"""From a posted update to a mailbox: who is told, in which order, and what happens when mail fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from server.components import create_component
from server.config import Settings
from server.context import App, TenantContext
from server.incidents import IncidentDraft, UpdateDraft, UpdateEdit, create_incident, edit_update, post_update
from server.models import Ground, Incident, MailState, Severity, Status, Topic, TopicKind
from server.notifications import Pace, Worker
from server.store import deliveries
from server.store.schema import deliveries as table
from server.subscriptions import SignupDraft, ask, confirm, leave, leave_token, suppressed
from tests.conftest import Clock
from tests.server.test_subscriptions import mailed_token
from tests.smtp_sink import DROP, Sink, running

ALL = Topic(kind=TopicKind.ALL)
SOON = Pace(first_delay=timedelta(seconds=30), poll_seconds=0.01)


@pytest.fixture
def settings(database_url: str, sink: Sink) -> Settings:
    return Settings(database_url=database_url, smtp_url=SecretStr(sink.url))


@pytest.fixture
def worker(app: App) -> Worker:
    return Worker(app, SOON)


async def subscribed(tenant: TenantContext, address: str, *topics: Topic, language: str | None = None) -> str:
    """Someone who signed up and pressed the button. Returns their id."""
    await ask(tenant, SignupDraft(address=address, topics=topics or (ALL,), language=language), Ground(source="t"))
    subscriber = await confirm(tenant, await mailed_token(tenant))
    async with tenant.write() as db:  # their verification mail is not what these tests are about
        await db.execute(sa.delete(table).where(table.c.signup_id.is_not(None)))
    return subscriber.id


def on(incident: Incident) -> Topic:
    return Topic(kind=TopicKind.INCIDENT, id=incident.id)


async def outage(tenant: TenantContext, *components: str, notify: bool = True) -> Incident:
    draft = IncidentDraft(
        title="Payments fail",
        message="Cards are declined.",
        severity=Severity.MAJOR,
        components=dict.fromkeys(components),
        notify=notify,
    )
    return await create_incident(tenant, draft)


async def say(tenant: TenantContext, incident: Incident, status: Status, message: str | None = None) -> None:
    await post_update(tenant, UpdateDraft(incident_id=incident.id, status=status, message=message))


async def states(tenant: TenantContext) -> dict[MailState, int]:
    async with tenant.read() as db:
        return await deliveries.count_states(db, tenant.id)


def told(sink: Sink, address: str) -> list[str]:
    return [received.message["Subject"] for received in sink.to(address)]


# --------------------------------------------------------------------------------------------- who is told


async def test_everyone_whose_subscription_covers_an_update_gets_it_once(
    acme: TenantContext, globex: TenantContext, worker: Worker, sink: Sink
) -> None:
    payments = await create_component(acme, "Payments")
    search = await create_component(acme, "Search")
    other = await outage(acme, search.id, notify=False)
    incident = await outage(acme, payments.id, notify=False)
    await subscribed(acme, "all@example.com")
    await subscribed(acme, "incident@example.com", on(incident))
    await subscribed(acme, "component@example.com", Topic(kind=TopicKind.COMPONENT, id=payments.id))
    await subscribed(acme, "three@example.com", ALL, on(incident), Topic(kind=TopicKind.COMPONENT, id=payments.id))
    await subscribed(acme, "other@example.com", on(other), Topic(kind=TopicKind.COMPONENT, id=search.id))
    await subscribed(globex, "stranger@example.com")

    await say(acme, incident, Status.IDENTIFIED)
    await worker.run_until_idle()

    recipients = sorted(received.recipient for received in sink.received)
    assert recipients == ["all@example.com", "component@example.com", "incident@example.com", "three@example.com"]
    assert len(set(sink.message_ids)) == 4
    assert await states(acme) == {MailState.SENT: 4}


async def test_more_subscribers_than_one_batch_holds_are_all_told_once(
    acme: TenantContext, worker: Worker, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.notifications.EXPAND_BATCH", 3)
    monkeypatch.setattr("server.notifications.SEND_BATCH", 4)
    everyone = {f"person{number}@example.com" for number in range(11)}
    for address in everyone:
        await subscribed(acme, address)

    await outage(acme)
    await worker.run_until_idle()

    assert sorted(received.recipient for received in sink.received) == sorted(everyone)


async def test_a_following_of_one_incident_sleeps_after_its_final_mail_and_wakes_if_it_reopens_within_a_week(
    acme: TenantContext, worker: Worker, sink: Sink, clock: Clock
) -> None:
    incident = await outage(acme)
    await worker.run_until_idle()
    await subscribed(acme, "anna@example.com", on(incident))
    for status, days, message in (
        (Status.RESOLVED, 0, None),
        (Status.RESOLVED, 1, "A report follows."),
        (Status.MONITORING, 5, "It is back."),
        (Status.RESOLVED, 1, None),
        (Status.INVESTIGATING, 8, "Much later."),
        (Status.RESOLVED, 0, None),
    ):
        clock.advance(days=days, minutes=1)
        await say(acme, incident, status, message)
        await worker.run_until_idle()

    assert told(sink, "anna@example.com") == [
        "[Resolved] Payments fail",
        "[Monitoring] Payments fail",
        "[Resolved] Payments fail",
    ]


async def test_an_update_that_a_later_one_overtakes_is_superseded_and_never_arrives_after_it(
    acme: TenantContext, worker: Worker, sink: Sink, clock: Clock
) -> None:
    await subscribed(acme, "anna@example.com")
    incident = await outage(acme)
    for status in (Status.IDENTIFIED, Status.RESOLVED):
        clock.advance(minutes=1)
        await say(acme, incident, status)

    await worker.run_until_idle()

    assert told(sink, "anna@example.com") == ["[Resolved] Payments fail"]
    assert "Cards are declined." in sink.received[0].body("plain")
    assert await states(acme) == {MailState.SENT: 1, MailState.SUPERSEDED: 2}


async def test_a_deferred_update_gives_way_to_a_later_one(
    acme: TenantContext, worker: Worker, sink: Sink, clock: Clock
) -> None:
    await subscribed(acme, "anna@example.com")
    sink.answer = lambda stage, _recipient: "451 4.3.0 later" if stage == "rcpt" else None
    incident = await outage(acme)
    await worker.run_until_idle()
    sink.answer = lambda _stage, _recipient: None

    clock.advance(minutes=1)
    await say(acme, incident, Status.RESOLVED)
    await worker.run_until_idle()

    assert told(sink, "anna@example.com") == ["[Resolved] Payments fail"]
    assert await states(acme) == {MailState.SENT: 1, MailState.SUPERSEDED: 1}


async def test_an_edit_before_sending_is_what_is_sent_and_sends_nothing_by_itself(
    acme: TenantContext, worker: Worker, sink: Sink
) -> None:
    await subscribed(acme, "anna@example.com")
    incident = await outage(acme)
    edit = UpdateEdit(
        incident_id=incident.id, update_id=incident.latest.id, message="Only some cards are declined."
    )
    await edit_update(acme, edit)
    await worker.run_until_idle()
    await edit_update(acme, edit.model_copy(update={"message": "A few cards are declined."}))
    await worker.run_until_idle()

    assert [received.body("plain").count("Only some cards") for received in sink.received] == [1]


async def test_who_leaves_while_mail_is_queued_gets_none(
    acme: TenantContext, worker: Worker, sink: Sink, clock: Clock
) -> None:
    await subscribed(acme, "anna@example.com")
    await outage(acme)
    sink.answer = lambda _stage, _recipient: "451 4.3.0 later"
    await worker.run_until_idle()
    sink.answer = lambda _stage, _recipient: None

    async with acme.read() as db:
        subscriber_id = (await db.execute(sa.select(table.c.subscriber_id))).scalar_one()
    await leave(acme, leave_token(acme.app, acme.id, subscriber_id))
    clock.advance(hours=1)
    await worker.run_until_idle()

    assert sink.received == []
    assert await states(acme) == {MailState.SUPPRESSED: 1}


# ------------------------------------------------------------------------------------------- what servers answer


async def test_a_temporary_failure_is_tried_again_with_the_same_message_id(
    acme: TenantContext, worker: Worker, sink: Sink, clock: Clock
) -> None:
    await subscribed(acme, "anna@example.com")
    sink.answer = lambda stage, _recipient: DROP if stage == "end" else None
    await outage(acme)
    await worker.run_until_idle()
    async with acme.read() as db:
        expected = (await db.execute(sa.select(table.c.message_id))).scalar_one()
    sink.answer = lambda _stage, _recipient: None

    await worker.run_until_idle()
    assert sink.received == []
    clock.advance(seconds=31)
    await worker.run_until_idle()

    assert sink.message_ids == [f"<{expected}>"]


async def test_mail_that_never_gets_through_is_given_up_after_48_hours(
    acme: TenantContext, worker: Worker, sink: Sink, clock: Clock
) -> None:
    await subscribed(acme, "anna@example.com")
    sink.answer = lambda stage, _recipient: "450 4.2.0 busy" if stage == "rcpt" else None
    await outage(acme)
    for _ in range(48):
        await worker.run_until_idle()
        clock.advance(hours=1)
    assert (await states(acme)) == {MailState.QUEUED: 1}

    clock.advance(hours=1)
    await worker.run_until_idle()

    assert (await states(acme)) == {MailState.DEAD: 1}


@pytest.mark.parametrize(
    ("reply", "state", "why"),
    [
        ("550 5.1.1 no such user", MailState.BOUNCED, {"anna@example.com": "hard bounce"}),
        ("550 unknown user", MailState.BOUNCED, {"anna@example.com": "hard bounce"}),
        ("550 5.7.1 your reputation is poor", MailState.DEAD, {}),
        ("552 5.2.3 too large", MailState.DEAD, {}),
    ],
)
async def test_a_refused_address_is_suppressed_and_a_refused_sender_is_not_its_fault(
    acme: TenantContext, worker: Worker, sink: Sink, reply: str, state: MailState, why: dict[str, str]
) -> None:
    await subscribed(acme, "anna@example.com")
    await subscribed(acme, "ben@example.com")
    sink.answer = lambda stage, recipient: reply if stage == "rcpt" and "anna" in recipient else None

    await outage(acme)
    await worker.run_until_idle()

    assert [received.recipient for received in sink.received] == ["ben@example.com"]
    assert await states(acme) == {MailState.SENT: 1, state: 1}
    async with acme.read() as db:
        assert await suppressed(db, acme, ["anna@example.com", "ben@example.com"]) == why


async def test_a_server_that_is_away_costs_no_attempt_and_loses_nothing(
    acme: TenantContext, worker: Worker, sink: Sink, clock: Clock
) -> None:
    await subscribed(acme, "anna@example.com")
    port = sink.port
    async with running(Sink()) as closing:
        sink.port = closing.port
    acme.app.settings.__dict__["smtp_url"] = SecretStr(sink.url)
    await outage(acme)
    await worker.run_until_idle()
    async with acme.read() as db:
        attempts = (await db.execute(sa.select(table.c.attempts))).scalar_one()
    sink.port = port
    acme.app.settings.__dict__["smtp_url"] = SecretStr(sink.url)
    clock.advance(minutes=1)

    await worker.run_until_idle()

    assert attempts == 0
    assert told(sink, "anna@example.com") == ["[Investigating] Payments fail"]


async def test_two_workers_on_one_database_send_everything_once(
    app: App, acme: TenantContext, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.notifications.SEND_BATCH", 3)
    for number in range(20):
        await subscribed(acme, f"person{number}@example.com")
    await outage(acme)

    await asyncio.gather(Worker(app, SOON).run_until_idle(), Worker(app, SOON).run_until_idle())

    assert len(sink.received) == len(set(sink.message_ids)) == 20


async def test_the_verification_mail_goes_out_and_its_link_is_in_it(
    acme: TenantContext, worker: Worker, sink: Sink
) -> None:
    await ask(acme, SignupDraft(address="anna@example.com", topics=(ALL,)), Ground(source="page"))
    token = await mailed_token(acme)
    await worker.run_until_idle()

    assert f"/s/acme/confirm/{token}" in sink.received[0].body("plain")
    assert f"/s/acme/confirm/{token}" in sink.received[0].body("html")


async def test_the_worker_stops_when_told_and_takes_up_what_is_left(
    app: App, acme: TenantContext, sink: Sink
) -> None:
    await subscribed(acme, "anna@example.com")
    stop = asyncio.Event()
    running_worker = asyncio.create_task(Worker(app, SOON).run(stop))
    await outage(acme)
    async with asyncio.timeout(20):
        await sink.arrived.wait()
    stop.set()
    async with asyncio.timeout(20):
        await running_worker

    assert told(sink, "anna@example.com") == ["[Investigating] Payments fail"]
    assert await states(acme) == {MailState.SENT: 1}
