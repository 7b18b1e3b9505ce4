"""Asking, confirming, managing and leaving: who is told, and who can never be."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from server.context import App, TenantContext
from server.errors import Invalid, NotFound, Refused
from server.incidents import IncidentDraft, UpdateDraft, create_incident, post_update
from server.models import Ground, Incident, MailState, Scope, Status, Topic, TopicKind
from server.store import deliveries
from server.store import subscribers as rows
from server.store.schema import offers, signups
from server.subscriptions import (
    Enrolled,
    Preferences,
    SignupDraft,
    ask,
    came_by_offer,
    confirm,
    enrol,
    find_offer,
    find_signup,
    find_subscriber,
    leave,
    leave_token,
    lift_suppression,
    make_offer,
    manage_token,
    save_preferences,
    subscribe_url,
    suppressed,
)
from server.tenants import context_of
from tests.conftest import Clock, actor

ANNA = "anna@example.com"
ALL = Topic(kind=TopicKind.ALL)
PAGE = Ground(source="page")
SAID_YES = Ground(source="status_subscribe", attested=True)


def on(incident: Incident) -> Topic:
    return Topic(kind=TopicKind.INCIDENT, id=incident.id)


async def outage(tenant: TenantContext) -> Incident:
    return await create_incident(tenant, IncidentDraft(title="Payments fail", notify=False))


async def mailed_token(tenant: TenantContext) -> str:
    """The token in the newest verification mail, as its recipient sees it."""
    async with tenant.read() as db:
        newest = (await db.execute(sa.select(signups.c.id).order_by(signups.c.id.desc()).limit(1))).scalar_one()
        _, sealed = (await rows.sealed_tokens(db, tenant.id, [newest]))[newest]
    return tenant.app.signer.open(sealed, tenant.id, "signup", newest)


async def asked(tenant: TenantContext, address: str = ANNA, *topics: Topic) -> str:
    await ask(tenant, SignupDraft(address=address, topics=topics or (ALL,)), PAGE)
    return await mailed_token(tenant)


async def verification_mails(tenant: TenantContext) -> int:
    async with tenant.read() as db:
        return len(await deliveries.states_of_signups(db, tenant.id))


async def attesting(app: App) -> TenantContext:
    """Acme as an agent sees it whose host vouches for addresses."""
    agent = actor(Scope.AGENT, name="agent")
    return await context_of(app, "acme", type(agent)(agent.id, agent.name, agent.scopes, attests_addresses=True))


async def test_looking_at_a_link_subscribes_nobody_and_the_button_does(acme: TenantContext) -> None:
    token = await asked(acme)

    await find_signup(acme, token)
    await find_signup(acme, token)
    async with acme.read() as db:
        assert await rows.count(db, acme.id) == 0

    subscriber = await confirm(acme, token)

    assert (subscriber.address, [heard.topic for heard in subscriber.subscriptions]) == (ANNA, [ALL])


async def test_a_link_works_once_even_if_its_button_is_pressed_after_leaving(acme: TenantContext) -> None:
    token = await asked(acme)
    subscriber = await confirm(acme, token)
    await leave(acme, leave_token(acme.app, acme.id, subscriber.id))

    again = await confirm(acme, token)

    assert again.subscriptions == ()


async def test_a_link_expires_after_48_hours(acme: TenantContext, clock: Clock) -> None:
    token = await asked(acme)
    clock.advance(hours=48)

    with pytest.raises(NotFound, match="expired"):
        await confirm(acme, token)


async def test_a_link_of_one_tenant_says_nothing_to_another(acme: TenantContext, globex: TenantContext) -> None:
    token = await asked(acme)

    with pytest.raises(NotFound):
        await find_signup(globex, token)


async def test_what_is_stored_of_a_link_does_not_open_it(acme: TenantContext) -> None:
    token = await asked(acme)

    async with acme.read() as db:
        stored = (await db.execute(sa.select(signups))).mappings().one()
    assert token not in repr(dict(stored))


async def test_an_address_is_mailed_at_most_every_ten_minutes_and_three_times_a_day_by_all_tenants_together(
    acme: TenantContext, globex: TenantContext, clock: Clock
) -> None:
    counts = []
    for tenant in (acme, globex, acme, globex, acme):
        await ask(tenant, SignupDraft(address=ANNA.upper(), topics=(ALL,)), PAGE)
        await ask(tenant, SignupDraft(address=ANNA, topics=(ALL,)), PAGE)
        clock.advance(minutes=11)
        counts.append(await verification_mails(acme) + await verification_mails(globex))

    assert counts == [1, 2, 3, 3, 3]


async def test_a_page_mails_at_most_200_unconfirmed_addresses_an_hour(acme: TenantContext, clock: Clock) -> None:
    for number in range(202):
        await ask(acme, SignupDraft(address=f"victim{number}@example.com", topics=(ALL,)), PAGE)
    assert await verification_mails(acme) == 200

    clock.advance(minutes=61)
    await ask(acme, SignupDraft(address=ANNA, topics=(ALL,)), PAGE)
    assert await verification_mails(acme) == 201


@pytest.mark.parametrize(
    "address",
    ["", "anna", "anna@", "@example.com", "anna@example.com\r\nBcc: x@example.com", "a b@example.com",
     "anna@example.com, eve@example.com", "<anna@example.com>", f"{'a' * 65}@example.com", "anna@exa mple.com"],
)  # fmt: skip
async def test_what_is_no_single_address_is_refused(acme: TenantContext, address: str) -> None:
    with pytest.raises(Invalid, match="not an e-mail address"):
        await ask(acme, SignupDraft(address=address, topics=(ALL,)), PAGE)


async def test_never_again_deletes_the_request_and_the_mail_and_stays(acme: TenantContext, clock: Clock) -> None:
    await asked(acme)
    async with acme.read() as db:
        signup_id = (await db.execute(sa.select(signups.c.id))).scalar_one()
    await leave(acme, leave_token(acme.app, acme.id, signup_id))

    clock.advance(days=3)
    await ask(acme, SignupDraft(address=ANNA, topics=(ALL,)), PAGE)

    assert await verification_mails(acme) == 0
    async with acme.read() as db:
        assert await suppressed(db, acme, [ANNA]) == {ANNA: "never again"}
    await lift_suppression(acme, ANNA)
    await ask(acme, SignupDraft(address=ANNA, topics=(ALL,)), PAGE)
    assert await verification_mails(acme) == 1


async def test_leaving_with_an_unknown_or_foreign_token_changes_nothing(
    acme: TenantContext, globex: TenantContext
) -> None:
    subscriber = await confirm(acme, await asked(acme))
    right = leave_token(acme.app, acme.id, subscriber.id)

    for tenant, token in ((acme, "x"), (acme, right[:-1]), (globex, right), (acme, f"{subscriber.id}.")):
        await leave(tenant, token)
    await leave(acme, manage_token(acme.app, acme.id, subscriber.id))

    async with acme.read() as db:
        assert await rows.count(db, acme.id) == 1
    await leave(acme, right)
    async with acme.read() as db:
        assert await rows.count(db, acme.id) == 0


async def test_an_unsubscribe_link_opens_no_manage_page(acme: TenantContext) -> None:
    subscriber = await confirm(acme, await asked(acme))

    with pytest.raises(NotFound):
        await find_subscriber(acme, leave_token(acme.app, acme.id, subscriber.id))


async def test_the_manage_page_sets_exactly_the_topics_language_and_zone(acme: TenantContext) -> None:
    incident = await outage(acme)
    subscriber = await confirm(acme, await asked(acme, ANNA, ALL))
    wanted = Preferences(topics=(on(incident),), language="de", time_zone="Europe/Berlin")

    saved = await save_preferences(acme, manage_token(acme.app, acme.id, subscriber.id), wanted)

    assert [heard.topic for heard in saved.subscriptions] == [on(incident)]
    assert (saved.language, saved.time_zone) == ("de", "Europe/Berlin")


async def test_a_topic_of_another_tenant_cannot_be_asked_for(acme: TenantContext, globex: TenantContext) -> None:
    foreign = await outage(globex)

    with pytest.raises(NotFound):
        await ask(acme, SignupDraft(address=ANNA, topics=(on(foreign),)), PAGE)


# ------------------------------------------------------------------------------- a yes in a conversation


async def test_an_attesting_key_enrols_at_once_for_one_incident(app: App, acme: TenantContext) -> None:
    incident = await outage(acme)
    agent = await attesting(app)

    first = await enrol(agent, ANNA, on(incident), SAID_YES, language="es")
    second = await enrol(agent, "Anna@Example.com", on(incident), SAID_YES)

    assert (first, second) == (Enrolled.ACTIVE, Enrolled.ALREADY)
    async with acme.read() as db:
        assert await deliveries.count_states(db, acme.id) == {MailState.QUEUED: 1}


@pytest.mark.parametrize("why", ["key", "address", "topic"])
async def test_every_other_yes_gets_a_verification_mail(app: App, acme: TenantContext, why: str) -> None:
    incident = await outage(acme)
    agent = await attesting(app) if why != "key" else await context_of(app, "acme", actor(Scope.AGENT))
    ground = SAID_YES if why != "address" else Ground(source="status_subscribe")
    topic = on(incident) if why != "topic" else ALL

    answer = await enrol(agent, ANNA, topic, ground)

    assert answer is Enrolled.VERIFICATION_SENT
    async with acme.read() as db:
        assert await rows.count(db, acme.id) == 0
    assert await verification_mails(acme) == 1


async def test_an_attested_yes_does_not_wake_a_suppressed_address(app: App, acme: TenantContext) -> None:
    incident = await outage(acme)
    await asked(acme)
    async with acme.read() as db:
        signup_id = (await db.execute(sa.select(signups.c.id))).scalar_one()
    await leave(acme, leave_token(acme.app, acme.id, signup_id))

    assert await enrol(await attesting(app), ANNA, on(incident), SAID_YES) is Enrolled.SUPPRESSED


async def test_nobody_is_enrolled_without_a_scope(app: App, acme: TenantContext) -> None:
    incident = await outage(acme)

    with pytest.raises(Refused):
        await enrol(await context_of(app, "acme", actor()), ANNA, on(incident), SAID_YES)


async def test_who_confirms_after_the_resolution_is_still_told_of_it(acme: TenantContext, clock: Clock) -> None:
    incident = await outage(acme)
    clock.advance(minutes=1)
    token = await asked(acme, ANNA, on(incident))
    clock.advance(minutes=1)
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))
    clock.advance(minutes=1)

    await confirm(acme, token)

    async with acme.read() as db:
        waiting = await deliveries.troubled(db, acme.id, 10)
        counts = await deliveries.count_states(db, acme.id)
    assert waiting == []
    assert counts[MailState.QUEUED] == 2  # the verification and the resolution


# --------------------------------------------------------------------------------------------------- offers


async def test_the_same_offer_has_one_id_and_one_row(acme: TenantContext) -> None:
    incident = await outage(acme)

    first = await make_offer(acme, incident, "en-GB")
    acme.app.offers.known.clear()  # as in another process
    second = await make_offer(acme, incident, "en")

    assert first == second
    assert first.text == "Shall I e-mail you updates on “Payments fail” until it is resolved?"
    assert await find_offer(acme, first.id) == first
    async with acme.read() as db:
        assert (await db.execute(sa.select(sa.func.count()).select_from(offers))).scalar_one() == 1


async def test_an_offer_of_another_tenant_is_unknown(acme: TenantContext, globex: TenantContext) -> None:
    offer = await make_offer(acme, await outage(acme))

    with pytest.raises(NotFound):
        await find_offer(globex, offer.id)


async def test_a_subscribe_link_names_the_incident_and_proves_where_it_came_from(acme: TenantContext) -> None:
    incident = await outage(acme)

    url = urlsplit(await subscribe_url(acme, incident))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}

    assert url.path == "/s/acme/subscribe"
    assert query["incident"] == incident.id
    assert came_by_offer(acme, incident.id, query["sign"])
    assert not came_by_offer(acme, "inc_other", query["sign"])
