"""The card stays steady, does what the agent decided, and goes with its incident."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from server.context import TenantContext
from server.conversations import (
    Action,
    Answer,
    CardRequest,
    Confidence,
    Customer,
    DismissRequest,
    LinkRequest,
    WhyRequest,
    choose,
    dismiss,
    find_card,
    find_cards,
    link,
    unlink,
    why,
)
from server.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from server.incidents import IncidentDraft, UpdateDraft, create_incident, post_update
from server.models import CardOutcome, CardRecord, Incident, Scope, Status, TenantSettings
from server.store import audit, subscribers
from server.store.database import Database
from server.subscriptions import Enrolled
from server.tenants import edit_settings
from tests.conftest import Clock, actor

NOW = datetime(2026, 3, 14, tzinfo=UTC)
ABOUT_CARDS = "my card payment keeps failing at checkout"
SETTINGS = TenantSettings(card_threshold=0.5)


def record(incident_id: str, outcome: CardOutcome, minutes_ago: int = 1) -> CardRecord:
    return CardRecord(
        incident_id=incident_id,
        outcome=outcome,
        match_id="mat_1",
        relevance=0.8,
        subscribed=False,
        at=NOW - timedelta(minutes=minutes_ago),
    )


async def post(tenant: TenantContext, title: str = "Card payments fail") -> Incident:
    return await create_incident(tenant, IncidentDraft(title=title, message=f"{title}. We are looking into it."))


async def card_of(tenant: TenantContext, message: str = ABOUT_CARDS, conversation: str = "c1") -> Answer:
    return await find_card(tenant, CardRequest(conversation_id=conversation, message=message))


def agent(tenant: TenantContext, *, attests: bool = True) -> TenantContext:
    return replace(tenant, actor=replace(actor(Scope.SIDEKICK, name="desk"), attests_addresses=attests))


# ------------------------------------------------------------------------------------------ which card is chosen


def test_a_card_appears_from_the_threshold_on() -> None:
    assert choose({"a": 0.49}, (), SETTINGS) is None
    assert choose({"a": 0.50}, (), SETTINGS) == "a"


def test_a_card_gives_way_only_to_a_clearly_better_one() -> None:
    shown = [record("a", CardOutcome.SHOWN)]

    assert choose({"a": 0.60, "b": 0.70}, shown, SETTINGS) == "a"
    assert choose({"a": 0.60, "b": 0.76}, shown, SETTINGS) == "b"
    assert choose({"a": 0.60, "b": 0.70}, (), SETTINGS) == "b"


def test_a_card_stays_a_while_below_the_threshold_and_then_goes() -> None:
    shown = [record("a", CardOutcome.SHOWN)]

    assert choose({"a": 0.26}, shown, SETTINGS) == "a"
    assert choose({"a": 0.24}, shown, SETTINGS) is None


def test_a_better_incident_below_the_threshold_takes_no_place() -> None:
    assert choose({"a": 0.26, "b": 0.45}, [record("a", CardOutcome.SHOWN)], SETTINGS) == "a"


def test_a_linked_card_stays_whatever_is_written_and_goes_when_its_incident_is_no_longer_active() -> None:
    linked = [record("a", CardOutcome.LINKED)]

    assert choose({"a": 0.01, "b": 0.99}, linked, SETTINGS) == "a"
    assert choose({"b": 0.99}, linked, SETTINGS) == "b"


def test_a_dismissed_card_does_not_come_back() -> None:
    dismissed = [record("a", CardOutcome.DISMISSED)]

    assert choose({"a": 0.99}, dismissed, SETTINGS) is None
    assert choose({"a": 0.99, "b": 0.60}, dismissed, SETTINGS) == "b"


def test_without_discovery_only_what_is_linked_is_shown() -> None:
    off = TenantSettings(discovery=False)

    assert choose({"a": 0.99}, (), off) is None
    assert choose({"a": 0.99}, [record("a", CardOutcome.LINKED)], off) == "a"


def test_confidence_is_said_in_words() -> None:
    words = [Confidence.of(probability, SETTINGS) for probability in (0.49, 0.50, 0.90)]

    assert words == ["possible", "likely", "very likely"]


# --------------------------------------------------------------------------------------------------- the card


async def test_a_message_about_an_incident_brings_its_card(acme: TenantContext) -> None:
    incident = await post(acme)

    card = (await card_of(acme)).card

    assert card is not None
    assert (card.incident_id, card.title, card.status) == (incident.id, "Card payments fail", "investigating")
    assert card.confidence >= 0.5
    assert not card.linked
    assert card.actions == (Action.INSERT_REPLY, Action.LINK_AND_SUBSCRIBE, Action.DISMISS)
    assert card.latest_update is not None
    assert card.url.endswith(f"/s/acme/incidents/{incident.slug}")


async def test_the_same_conversation_gets_the_same_match(acme: TenantContext) -> None:
    await post(acme)

    first, again = await card_of(acme), await card_of(acme)

    assert first.card is not None
    assert again == first
    await acme.app.recorder.flush()
    other = await card_of(acme, conversation="c2")
    assert other.card is not None
    assert other.card.match_id != first.card.match_id


async def test_words_about_something_else_bring_no_card(acme: TenantContext) -> None:
    await post(acme)

    assert (await card_of(acme, "how do I change my postal address?")).card is None


async def test_without_an_active_incident_there_is_no_card(acme: TenantContext) -> None:
    assert await card_of(acme) == Answer(conversation_id="c1")


async def test_of_several_messages_a_thank_you_takes_nothing_back(acme: TenantContext) -> None:
    await post(acme)
    asked = CardRequest(conversation_id="c1", messages=("hello", ABOUT_CARDS, "thanks!"))

    assert (await find_card(acme, asked)).card is not None


async def test_many_conversations_are_answered_at_once_and_apart(acme: TenantContext) -> None:
    await post(acme)
    asked = [
        CardRequest(conversation_id="c1", message=ABOUT_CARDS),
        CardRequest(conversation_id="c2", message="how do I change my postal address?"),
    ]

    first, second = await find_cards(acme, asked)

    assert (first.conversation_id, first.card is not None) == ("c1", True)
    assert (second.conversation_id, second.card) == ("c2", None)


async def test_more_messages_than_fit_are_refused(acme: TenantContext) -> None:
    asked = [CardRequest(conversation_id=f"c{n}", messages=("a",) * 51) for n in range(2)]

    with pytest.raises(Invalid, match="more than 100 messages"):
        await find_cards(acme, asked)


def test_a_request_says_something_in_one_of_two_ways() -> None:
    for said in ({}, {"message": "a", "messages": ["b"]}):
        with pytest.raises(ValidationError, match="either message or messages"):
            CardRequest.model_validate({"conversation_id": "c1", **said})


async def test_the_card_is_chosen_without_its_past_while_the_database_is_away(
    acme: TenantContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post(acme)
    for way in ("read", "write"):
        monkeypatch.setattr(Database, way, _away)

    assert (await card_of(acme)).card is not None


def _away(*_: object) -> object:
    raise Unavailable("the database is away")


# ------------------------------------------------------------------------------------------- linking and back


async def test_link_and_subscribe_is_one_step_and_does_nothing_twice(acme: TenantContext, clock: Clock) -> None:
    incident, desk = await post(acme), agent(acme)
    await card_of(desk)
    clock.advance(seconds=5)
    wanted = LinkRequest(
        conversation_id="c1", incident_id=incident.id, customer=Customer(email="Ana@shop.example", language="es")
    )

    first, again = await link(desk, wanted), await link(desk, wanted)

    assert (first.changed, first.subscription) == (True, Enrolled.ACTIVE)
    assert (again.changed, again.subscription) == (False, Enrolled.ALREADY)
    async with acme.read() as db:
        ana = await subscribers.by_address(db, acme.id, "ana@shop.example")
        actions = [entry["action"] for entry in await audit.of_tenant(db, acme.id, 10)]
    assert ana is not None
    (subscription,) = ana.subscriptions
    assert subscription.ground.source == "sidekick"
    assert subscription.ground.evidence["agent"] == "desk"
    assert actions.count("conversation.link") == 1
    card = (await card_of(desk, "something else entirely")).card
    assert card is not None
    assert (card.linked, card.subscribed) == (True, True)
    assert card.actions == (Action.INSERT_REPLY, Action.UNLINK)


async def test_an_address_that_nobody_vouches_for_is_asked_first(acme: TenantContext) -> None:
    incident, desk = await post(acme), agent(acme, attests=False)

    linked = await link(desk, LinkRequest(conversation_id="c1", incident_id=incident.id,
                                          customer=Customer(email="ana@shop.example")))  # fmt: skip

    assert linked.subscription is Enrolled.VERIFICATION_SENT
    card = (await card_of(desk)).card
    assert card is not None
    assert (card.linked, card.subscribed) == (True, False)


async def test_a_wrong_address_links_nothing(acme: TenantContext) -> None:
    incident = await post(acme)

    with pytest.raises(Invalid):
        await link(acme, LinkRequest(conversation_id="c1", incident_id=incident.id,
                                     customer=Customer(email="not an address")))  # fmt: skip

    card = (await card_of(acme)).card
    assert card is not None
    assert not card.linked


async def test_unlinking_gives_the_choice_back(acme: TenantContext) -> None:
    incident = await post(acme)
    await link(acme, LinkRequest(conversation_id="c1", incident_id=incident.id, subscribe=False))

    for _ in range(2):
        await unlink(acme, "c1", incident.id)

    card = (await card_of(acme)).card
    assert card is not None
    assert Action.LINK_AND_SUBSCRIBE in card.actions


async def test_a_dismissed_card_stays_away_in_its_conversation_only(acme: TenantContext) -> None:
    incident = await post(acme)
    await card_of(acme)

    await dismiss(acme, DismissRequest(conversation_id="c1", incident_id=incident.id))

    assert await card_of(acme) == Answer(conversation_id="c1")
    assert (await card_of(acme, conversation="c2")).card is not None


async def test_a_resolved_incident_takes_its_card_away_and_cannot_be_linked(acme: TenantContext) -> None:
    incident = await post(acme)
    wanted = LinkRequest(conversation_id="c1", incident_id=incident.id, subscribe=False)
    await link(acme, wanted)

    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))

    assert (await card_of(acme)).card is None
    with pytest.raises(Conflict, match="is resolved"):
        await link(acme, wanted)


# --------------------------------------------------------------------------------------- scopes and other tenants


async def test_another_tenant_sees_and_links_nothing(acme: TenantContext, globex: TenantContext) -> None:
    incident = await post(acme)

    assert await card_of(globex) == Answer(conversation_id="c1")
    with pytest.raises(NotFound):
        await link(globex, LinkRequest(conversation_id="c1", incident_id=incident.id, subscribe=False))
    with pytest.raises(NotFound):
        await dismiss(globex, DismissRequest(conversation_id="c1", incident_id=incident.id))
    with pytest.raises(NotFound):
        await why(globex, WhyRequest(incident_id=incident.id, message=ABOUT_CARDS))
    await unlink(globex, "c1", incident.id)


async def test_a_decision_of_one_tenant_does_not_touch_the_same_conversation_of_another(
    acme: TenantContext, globex: TenantContext
) -> None:
    incident, other = await post(acme), await post(globex)

    await dismiss(acme, DismissRequest(conversation_id="c1", incident_id=incident.id))

    card = (await card_of(globex)).card
    assert card is not None
    assert card.incident_id == other.id


@pytest.mark.parametrize("scope", [Scope.AGENT, Scope.OPERATOR, Scope.ADMIN])
async def test_the_card_needs_its_own_scope(acme: TenantContext, scope: Scope) -> None:
    with pytest.raises(Refused, match="sidekick"):
        await card_of(replace(acme, actor=actor(scope)))


# ------------------------------------------------------------------------------------------------- highlights


async def test_why_points_at_words_of_the_message(acme: TenantContext) -> None:
    incident = await post(acme)

    explained = await why(acme, WhyRequest(incident_id=incident.id, message="hello, my card payment fails"))

    strongest = max(explained.words, key=lambda word: word.share)
    assert strongest.words in ("card", "payment", "fails")
    assert explained.text[strongest.start : strongest.end] == strongest.words


async def test_highlights_can_be_switched_off(acme: TenantContext) -> None:
    incident = await post(acme)
    await edit_settings(acme, {"highlights": False})

    with pytest.raises(Refused, match="highlights"):
        await why(acme, WhyRequest(incident_id=incident.id, message=ABOUT_CARDS))


async def test_a_decision_names_only_a_match_with_its_own_incident(
    acme: TenantContext, globex: TenantContext
) -> None:
    incident, other = await post(acme), await post(acme, "Search is slow")
    card = (await card_of(acme)).card
    assert card is not None
    assert card.match_id is not None

    for incident_id, match_id in ((other.id, card.match_id), (incident.id, "mat_none")):
        with pytest.raises(Invalid, match="match_id"):
            await dismiss(acme, DismissRequest(conversation_id="c1", incident_id=incident_id, match_id=match_id))
    foreign = await post(globex)
    with pytest.raises(Invalid, match="match_id"):
        await link(
            globex,
            LinkRequest(conversation_id="c1", incident_id=foreign.id, match_id=card.match_id, subscribe=False),
        )
    await dismiss(acme, DismissRequest(conversation_id="c1", incident_id=incident.id, match_id=card.match_id))
