"""The Sidekick's card: which incident a human agent is shown in a conversation, and what the agent makes of it.

The card is steady: it gives way only to a clearly better one, stays once linked, never comes back once dismissed,
and goes when its incident is resolved. The customer's words are not kept.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from embeddings.explain import Explanation
from server.addresses import read_address
from server.context import TenantContext
from server.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from server.ids import new_id
from server.links import incident_url
from server.markup import plain
from server.matching import MAX_CHARACTERS, explain, matchable, readable, relevances
from server.models import (
    CardOutcome,
    CardRecord,
    Ground,
    Incident,
    Language,
    Model,
    Scope,
    Severity,
    Status,
    TenantSettings,
    Topic,
    TopicKind,
    Utc,
)
from server.snapshots import Snapshot
from server.store import conversations as rows
from server.store import matches, subscribers
from server.store.matches import MatchRecord
from server.subscriptions import Enrolled, enrol

MAX_MESSAGES = 100
MAX_ALTERNATIVES = 3
MARGIN = 0.15
"""By so much another incident must be more probable before it takes the place of the card that is shown."""
KEPT_FROM = 0.5
"""The card that is shown stays down to this share of the probability from which one appears."""

log = logging.getLogger(__name__)

Scores = Mapping[str, float]
ConversationId = Annotated[str, Field(min_length=1, max_length=200)]
Id = Annotated[str, Field(pattern=r"^[a-z]{3}_[a-z0-9]{1,60}$")]
Message = Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]


class Customer(Model):
    email: Annotated[str, Field(max_length=320)] | None = None
    language: Language | None = None


class CardRequest(Model):
    """What the customer wrote so far: one message, or several of the same conversation."""

    conversation_id: ConversationId
    """The host's own id of the conversation; kept only as a keyed hash."""
    message: Message | None = None
    messages: Annotated[tuple[Message, ...], Field(max_length=MAX_MESSAGES)] = ()
    customer: Customer = Customer()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.message is None) == (not self.messages):
            raise ValueError("pass either message or messages")
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        return self.messages or (self.message or "",)


class Confidence(StrEnum):
    """A probability in words."""

    VERY_LIKELY = "very likely"
    LIKELY = "likely"
    POSSIBLE = "possible"

    @staticmethod
    def of(probability: float, settings: TenantSettings) -> Confidence:
        if probability < settings.card_threshold:
            return Confidence.POSSIBLE
        return Confidence.VERY_LIKELY if probability >= 0.9 else Confidence.LIKELY


class Action(StrEnum):
    """What the agent can do with the card now."""

    LINK_AND_SUBSCRIBE = "link_and_subscribe"
    UNLINK = "unlink"
    DISMISS = "dismiss"
    INSERT_REPLY = "insert_reply"


class Said(Model):
    at: Utc
    message: str
    """Without the marks of Markdown, on one line."""


class Candidate(Model):
    """An active incident that the conversation may be about."""

    incident_id: str
    title: str
    severity: Severity | None
    status: Status
    components: tuple[str, ...]
    confidence: Annotated[float, Field(ge=0, le=1)]
    """The calibrated probability that the conversation is about this incident."""
    confidence_in_words: Confidence
    started_at: Utc
    latest_update: Said | None
    url: str


class Card(Candidate):
    match_id: str | None
    """None where an agent linked an incident that no card had shown."""
    linked: bool
    subscribed: bool
    actions: tuple[Action, ...]


class Answer(Model):
    conversation_id: str
    card: Card | None = None
    alternatives: tuple[Candidate, ...] = ()


class LinkRequest(Model):
    conversation_id: ConversationId
    incident_id: Id
    match_id: Id | None = None
    subscribe: bool = True
    customer: Customer = Customer()

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.subscribe and not self.customer.email:
            raise ValueError("pass customer.email, or subscribe: false to link without subscribing")
        return self


class Linked(Model):
    incident_id: str
    changed: bool
    """False where it was linked already."""
    subscription: Enrolled | None
    """What became of the customer's subscription; None where none was asked for."""


class DismissRequest(Model):
    conversation_id: ConversationId
    incident_id: Id
    match_id: Id | None = None


class Batch(Model):
    """Several conversations; at most 100 messages in all."""

    conversations: Annotated[tuple[CardRequest, ...], Field(min_length=1, max_length=MAX_MESSAGES)]


class WhyRequest(Model):
    """The customer's words once more: they were not kept."""

    incident_id: Id
    message: Message


# ---------------------------------------------------------------------------------------------------- the card


async def find_card(tenant: TenantContext, asked: CardRequest) -> Answer:
    """The one incident to show in the conversation, if any, and others that it may be about.

    Raises Invalid for a message that says nothing, Unavailable while the model is not ready.
    """
    return (await find_cards(tenant, [asked]))[0]


async def find_cards(tenant: TenantContext, asked: Sequence[CardRequest]) -> list[Answer]:
    """As `find_card` for many conversations, in one run of the model."""
    tenant.require(Scope.SIDEKICK)
    texts = [[readable(text) for text in one.texts] for one in asked]
    if sum(map(len, texts)) > MAX_MESSAGES:
        raise Invalid(f"there are more than {MAX_MESSAGES} messages: send them in several calls")
    snapshot = await tenant.app.snapshots.get(tenant.id)
    incidents = {incident.id: incident for incident in matchable(snapshot)}
    if not incidents:
        return [Answer(conversation_id=one.conversation_id) for one in asked]
    found = await relevances(tenant, snapshot, [text for several in texts for text in several])
    known = await _known(tenant, asked)
    answers, begin = [], 0
    for one, several in zip(asked, texts, strict=True):
        # Of several messages, the one that speaks most for an incident counts: "thanks" takes nothing back.
        best = found[begin : begin + len(several)].max(axis=0)
        begin += len(several)
        scores = dict(zip(incidents, map(float, best), strict=True))
        records = known.get(_reference(tenant, one.conversation_id), ())
        answers.append(await _answer(tenant, snapshot, one, scores, records))
    return answers


def choose(scores: Scores, records: Sequence[CardRecord], settings: TenantSettings) -> str | None:
    """The incident to show, given the probability of each active one and the conversation's past, newest first."""
    linked = (one.incident_id for one in records if one.outcome is CardOutcome.LINKED)
    kept = next((incident_id for incident_id in linked if incident_id in scores), None)
    if kept is not None or not settings.discovery:
        return kept
    dismissed = {one.incident_id for one in records if one.outcome is CardOutcome.DISMISSED}
    free = {incident_id: score for incident_id, score in scores.items() if incident_id not in dismissed}
    if not free:
        return None
    best = max(free, key=lambda incident_id: free[incident_id])
    appears = free[best] >= settings.card_threshold
    shown = next((one.incident_id for one in records if one.incident_id in free), None)
    if shown is not None and free[shown] >= KEPT_FROM * settings.card_threshold:
        return best if appears and free[best] >= free[shown] + MARGIN else shown
    return best if appears else None


async def why(tenant: TenantContext, asked: WhyRequest) -> Explanation:
    """Which of the customer's words, and which part of the incident, carry the match.

    Raises Refused where the tenant switched highlights off, NotFound if there is no such active incident.
    """
    tenant.require(Scope.SIDEKICK)
    snapshot = await tenant.app.snapshots.get(tenant.id)
    if not snapshot.tenant.settings.highlights:
        raise Refused("highlights are switched off: an admin can set `highlights` in the page settings")
    return await explain(tenant, asked.message, _active(snapshot, asked.incident_id))


# ------------------------------------------------------------------------------------------- what agents decide


async def link(tenant: TenantContext, wanted: LinkRequest) -> Linked:
    """Link the conversation to an active incident and subscribe the customer to it; again, nothing changes.

    The agent's click is the ground of the subscription. With a key that attests addresses it begins at once, with
    a mail that says so; with any other, the customer confirms it in a mail. Raises NotFound for an unknown
    incident, Conflict for a resolved one, Invalid for something that is no address, or for a `match_id` that is
    of no card of this incident.
    """
    tenant.require(Scope.SIDEKICK)
    snapshot = await tenant.app.snapshots.get(tenant.id)
    incident = _active(snapshot, wanted.incident_id)
    await _check_match(tenant, wanted)
    subscription = await _subscribe(tenant, incident, wanted) if wanted.subscribe else None
    subscribed = subscription in (Enrolled.ACTIVE, Enrolled.ALREADY)
    async with tenant.write() as db:
        changed = await _decide(
            db, tenant, wanted.conversation_id, incident.id, CardOutcome.LINKED, subscribed=subscribed
        )
        if changed:
            await tenant.audit(db, "conversation.link", incident.id, match=wanted.match_id)
    return Linked(incident_id=incident.id, changed=changed, subscription=subscription)


async def unlink(tenant: TenantContext, conversation_id: str, incident_id: str) -> None:
    """Take a link back; where there is none, nothing changes. A subscription stays: only its owner ends it."""
    tenant.require(Scope.SIDEKICK)
    async with tenant.write() as db:
        known = (await rows.cards_in(db, tenant.id, [_reference(tenant, conversation_id)])).values()
        linked = (card for cards in known for card in cards if card.outcome is CardOutcome.LINKED)
        if incident_id in {card.incident_id for card in linked}:
            await _decide(db, tenant, conversation_id, incident_id, CardOutcome.SHOWN)
            await tenant.audit(db, "conversation.unlink", incident_id)


async def dismiss(tenant: TenantContext, unwanted: DismissRequest) -> None:
    """Do not show this incident in this conversation again, unless an agent links it.

    Raises NotFound, or Invalid for a `match_id` that is of no card of this incident.
    """
    tenant.require(Scope.SIDEKICK)
    snapshot = await tenant.app.snapshots.get(tenant.id)
    incident = _known_incident(snapshot, unwanted.incident_id)
    await _check_match(tenant, unwanted)
    async with tenant.write() as db:
        if await _decide(db, tenant, unwanted.conversation_id, incident.id, CardOutcome.DISMISSED):
            await tenant.audit(db, "conversation.dismiss", incident.id, match=unwanted.match_id)


async def _decide(
    db: AsyncConnection,
    tenant: TenantContext,
    conversation_id: str,
    incident_id: str,
    outcome: CardOutcome,
    *,
    subscribed: bool = False,
) -> bool:
    """Whether the outcome is another than before."""
    reference = _reference(tenant, conversation_id)
    conversation = await rows.get_or_insert(db, tenant.id, reference, None, tenant.now())
    before = await rows.get(db, tenant.id, conversation, incident_id)
    card = CardRecord(
        incident_id=incident_id,
        outcome=outcome,
        match_id=before.match_id if before else None,
        relevance=before.relevance if before else None,
        subscribed=subscribed or (before is not None and before.subscribed),
        at=tenant.now(),
    )
    await rows.save(db, tenant.id, conversation, card)
    return before is None or before.outcome is not outcome


async def _check_match(tenant: TenantContext, decided: LinkRequest | DismissRequest) -> None:
    if decided.match_id is None:
        return
    reference = _reference(tenant, decided.conversation_id)
    async with tenant.read() as db:
        cards = (await rows.cards_in(db, tenant.id, [reference])).get(reference, ())
        if (decided.incident_id, decided.match_id) in {(card.incident_id, card.match_id) for card in cards}:
            return
        if await matches.exists(db, tenant.id, decided.match_id, decided.incident_id):  # told by status_check
            return
    raise Invalid("`match_id` is of no match with this incident: take both from one card, or leave it out")


async def _subscribe(tenant: TenantContext, incident: Incident, wanted: LinkRequest) -> Enrolled:
    ground = Ground(
        source="sidekick",
        attested=tenant.actor.attests_addresses,
        evidence={
            "agent": tenant.actor.name,
            "conversation": _reference(tenant, wanted.conversation_id),
            **({"match_id": wanted.match_id} if wanted.match_id else {}),
        },
    )
    topic = Topic(kind=TopicKind.INCIDENT, id=incident.id)
    return await enrol(tenant, wanted.customer.email or "", topic, ground, wanted.customer.language)


# ------------------------------------------------------------------------------------------------------- parts


async def _known(tenant: TenantContext, asked: Sequence[CardRequest]) -> Mapping[str, Sequence[CardRecord]]:
    """What was made of incidents in these conversations, by reference. Unknown while the database is away."""
    references = {_reference(tenant, one.conversation_id) for one in asked}
    try:
        async with tenant.read() as db:
            return await rows.cards_in(db, tenant.id, references)
    except Unavailable as error:
        log.warning("cards are chosen without their past: %s", error)
        return {}


async def _answer(
    tenant: TenantContext, snapshot: Snapshot, asked: CardRequest, scores: Scores, records: Sequence[CardRecord]
) -> Answer:
    settings = snapshot.tenant.settings
    chosen = choose(scores, records, settings)
    record = next((one for one in records if one.incident_id == chosen), None)
    if chosen is not None and (record is None or record is not records[0]) and not _is_linked(record):
        record = await _show(tenant, asked, chosen, scores[chosen], record)
    incidents = {incident.id: incident for incident in matchable(snapshot)}
    card = None
    if chosen is not None and record is not None:
        card = await _card(tenant, snapshot, incidents[chosen], scores[chosen], record, asked.customer)
    hidden = {chosen, *(one.incident_id for one in records if one.outcome is CardOutcome.DISMISSED)}
    others = sorted((score, incident_id) for incident_id, score in scores.items() if incident_id not in hidden)
    alternatives = tuple(
        _candidate(tenant, snapshot, incidents[incident_id], score)
        for score, incident_id in reversed(others[-MAX_ALTERNATIVES:])
        if settings.discovery and score >= settings.mention_threshold
    )
    return Answer(conversation_id=asked.conversation_id, card=card, alternatives=alternatives)


async def _show(
    tenant: TenantContext, asked: CardRequest, incident_id: str, score: float, before: CardRecord | None
) -> CardRecord:
    """Note that the conversation's card is this one now, and count the match the first time."""
    match_id = before.match_id if before else new_id("mat")
    card = CardRecord(
        incident_id=incident_id,
        outcome=CardOutcome.SHOWN,
        match_id=match_id,
        relevance=score,
        subscribed=before is not None and before.subscribed,
        at=tenant.now(),
    )
    reference = _reference(tenant, asked.conversation_id)
    if before is None and match_id is not None:
        tenant.app.recorder.matched(
            MatchRecord(
                tenant_id=tenant.id,
                match_id=match_id,
                incident_id=incident_id,
                source="sidekick",
                relevance=score,
                at=tenant.now(),
                conversation=reference,
                customer=None,
            )
        )
    try:
        async with tenant.write() as db:
            conversation = await rows.get_or_insert(db, tenant.id, reference, None, tenant.now())
            await rows.show(db, tenant.id, conversation, card)
    except Unavailable as error:  # the agent needs the card more than we need the note
        log.warning("a card was not noted: %s", error)
    return card


async def _card(
    tenant: TenantContext,
    snapshot: Snapshot,
    incident: Incident,
    score: float,
    record: CardRecord,
    customer: Customer,
) -> Card:
    linked = _is_linked(record)
    # What an agent confirmed does not become less certain by the customer's next words.
    certainty = max(score, record.relevance or 0.0) if linked else score
    subscribed = record.subscribed or await _is_subscribed(tenant, incident.id, customer.email)
    decided = (Action.UNLINK,) if linked else (Action.LINK_AND_SUBSCRIBE, Action.DISMISS)
    return Card(
        **_candidate(tenant, snapshot, incident, certainty).model_dump(),
        match_id=record.match_id,
        linked=linked,
        subscribed=subscribed,
        actions=(Action.INSERT_REPLY, *decided),
    )


def _candidate(tenant: TenantContext, snapshot: Snapshot, incident: Incident, score: float) -> Candidate:
    latest = next((update for update in reversed(incident.updates) if update.content.message), None)
    return Candidate(
        incident_id=incident.id,
        title=incident.title,
        severity=incident.severity,
        status=incident.status,
        components=tuple(component.name for component in incident.affected),
        confidence=round(score, 3),
        confidence_in_words=Confidence.of(score, snapshot.tenant.settings),
        started_at=incident.started_at,
        latest_update=Said(at=latest.at, message=plain(latest.content.message or "")) if latest else None,
        url=incident_url(tenant.app.settings, snapshot.tenant, incident),
    )


async def _is_subscribed(tenant: TenantContext, incident_id: str, email: str | None) -> bool:
    """Told only to a host that vouches for its addresses: of anybody else's it is not ours to say."""
    if not email or not tenant.actor.attests_addresses:
        return False
    try:
        mailbox = read_address(email)
        async with tenant.read() as db:
            subscriber = await subscribers.by_address(db, tenant.id, mailbox.key)
    except (Invalid, Unavailable):
        return False
    topic = Topic(kind=TopicKind.INCIDENT, id=incident_id)
    return subscriber is not None and any(one.topic == topic for one in subscriber.subscriptions)


def _is_linked(record: CardRecord | None) -> bool:
    return record is not None and record.outcome is CardOutcome.LINKED


def _active(snapshot: Snapshot, incident_id: str) -> Incident:
    incident = _known_incident(snapshot, incident_id)
    if not incident.is_active:
        raise Conflict(f"{incident.title!r} is resolved: there is nothing to follow any more")
    return incident


def _known_incident(snapshot: Snapshot, incident_id: str) -> Incident:
    for incident in (*matchable(snapshot), *snapshot.history):
        if incident.id == incident_id:
            return incident
    raise NotFound(f"there is no incident {incident_id!r}: take the id from a card")


def _reference(tenant: TenantContext, conversation_id: str) -> str:
    return tenant.app.signer.reference(tenant.id, "conversation", conversation_id)
