"""Subscriptions: who asked to be told of what, how they confirmed it, and how they leave again.

Nobody is mailed updates before the owner of the address has said so: by the button behind a link in a mail, or
by a clear yes to a host that vouches for the address. Leaving takes one click and no cookie.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlencode

from pydantic import AfterValidator, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from server.addresses import Address, read_address
from server.context import Actor, App, TenantContext
from server.errors import NotFound, Unavailable
from server.ids import new_id
from server.links import mail_domain, page_url
from server.models import (
    Ground,
    Incident,
    Language,
    MailKind,
    Model,
    Offer,
    Scope,
    Signup,
    Subscriber,
    Subscription,
    Topic,
    TopicKind,
    known_zone,
    translated,
)
from server.snapshots import Snapshot
from server.store import deliveries, fanouts
from server.store import subscribers as rows
from server.store.deliveries import Cause
from server.texts import ENGLISH, closest, text
from server.tokens import digest

VALID_FOR = timedelta(hours=48)
MAX_TOPICS = 50
VISITOR = Actor(id="visitor", name="visitor", scopes=frozenset())

# One address may be asked for by several tenants, and by someone who wants to flood it.
ADDRESS_PAUSE = timedelta(minutes=10)
ADDRESS_PER_DAY = 3
TENANT_PER_HOUR = 200

NEVER_AGAIN = "never again"

log = logging.getLogger(__name__)

TimeZone = Annotated[str, AfterValidator(known_zone)]


class SignupDraft(Model):
    """What someone asks for, before we know that the address is theirs."""

    address: str
    topics: tuple[Topic, ...] = Field(min_length=1, max_length=MAX_TOPICS)
    language: Language | None = None
    time_zone: TimeZone | None = None


class Preferences(Model):
    """What a subscriber wants from now on; no topics: nothing any more."""

    topics: tuple[Topic, ...] = Field(max_length=MAX_TOPICS)
    language: Language | None = None
    time_zone: TimeZone | None = None


class Enrolled(StrEnum):
    """What became of a customer's yes."""

    ACTIVE = "active"
    """They hear of it from now on; a mail says so."""
    ALREADY = "already"
    """They heard of it before."""
    VERIFICATION_SENT = "verification_sent"
    """A mail with a button was sent; they hear of it once they press it. Said of every address alike."""
    SUPPRESSED = "suppressed"
    """The address asked never to be written to, or mail to it fails. Only a host that vouches is told."""


# -------------------------------------------------------------------------------- offers in a conversation


@dataclass
class OfferBook:
    """Which offers this process knows to be stored, so that making the same one again writes nothing."""

    known: OrderedDict[str, None] = field(default_factory=OrderedDict)
    most: int = 10_000

    def remember(self, offer_id: str) -> None:
        self.known[offer_id] = None
        if len(self.known) > self.most:
            self.known.popitem(last=False)


async def subscribe_url(tenant: TenantContext, incident: Incident) -> str:
    """Where a customer subscribes to this incident: it is chosen there, and one button asks for it.

    The link is signed, so that what comes through it is known to come from a conversation.
    """
    snapshot = await tenant.app.snapshots.get(tenant.id)
    query = urlencode(
        {"incident": incident.id, "sign": tenant.app.signer.mac("subscribe", tenant.id, incident.id)}
    )
    return f"{page_url(tenant.app.settings, snapshot.tenant)}/subscribe?{query}"


def came_by_offer(tenant: TenantContext, incident_id: str, sign: str) -> bool:
    """Whether a link to the subscribe page was made by `subscribe_url`."""
    return tenant.app.signer.is_mac(sign, "subscribe", tenant.id, incident_id)


async def make_offer(tenant: TenantContext, incident: Incident, language: str | None = None) -> Offer:
    """The question whether to mail updates on this incident, in the customer's language (or the tenant's).

    The same question has the same id, however many customers are asked it, and is written down once. While the
    database is away it is asked all the same; its text then stands for itself.
    """
    snapshot = await tenant.app.snapshots.get(tenant.id)
    spoken = closest(language or "") or closest(snapshot.tenant.settings.default_language) or ENGLISH
    asked = text("mail.offer", spoken, title=translated(incident.title, incident.title_translations, spoken))
    key = "\x1f".join((tenant.id, incident.id, spoken, asked))
    offer = Offer(
        id=f"off_{hashlib.sha256(key.encode()).hexdigest()[:26]}",
        incident_id=incident.id,
        language=spoken,
        text=asked,
    )
    book = tenant.app.offers
    if offer.id not in book.known:
        try:
            async with tenant.write() as db:
                await rows.insert_offer(db, tenant.id, offer, tenant.now())
            book.remember(offer.id)
        except Unavailable as error:
            log.warning("an offer was not written down: %s", error)
    return offer


async def find_offer(tenant: TenantContext, offer_id: str) -> Offer:
    """Raises NotFound."""
    async with tenant.read() as db:
        offer = await rows.get_offer(db, tenant.id, offer_id)
    if offer is None:
        raise NotFound(f"there is no offer {offer_id!r}: pass the offer_id that status_check gave, or its text")
    return offer


async def enrol(
    tenant: TenantContext,
    address: str,
    topic: Topic,
    ground: Ground,
    language: str | None = None,
    time_zone: str | None = None,
) -> Enrolled:
    """Act on a customer's clear yes.

    With a key that attests addresses, a ground that says this address is the attested one, and one incident,
    they are enrolled at once and a mail tells them so. In every other case they get a verification mail, and
    the answer does not say whether the address is known. Raises Invalid for something that is no address,
    NotFound for an unknown topic.
    """
    tenant.require(Scope.AGENT, Scope.SIDEKICK, Scope.OPERATOR)
    mailbox = read_address(address)
    snapshot = await tenant.app.snapshots.get(tenant.id)
    _check_topics(snapshot, (topic,))
    at_once = tenant.actor.attests_addresses and ground.attested and topic.kind is TopicKind.INCIDENT
    draft = SignupDraft(address=mailbox.text, topics=(topic,), language=language, time_zone=time_zone)
    if not at_once:
        await _ask_to_confirm(tenant, snapshot, draft, mailbox, ground)
        return Enrolled.VERIFICATION_SENT
    async with tenant.write() as db:
        if await _is_suppressed(db, tenant, mailbox):
            return Enrolled.SUPPRESSED
        subscriber = await _subscriber(db, tenant, mailbox, language, time_zone)
        if not await _activate(db, tenant, snapshot, subscriber, topic, ground, tenant.now()):
            return Enrolled.ALREADY
        welcome = Cause(MailKind.WELCOME, incident_id=topic.id)
        domain = mail_domain(tenant.app.settings, snapshot.tenant)
        await deliveries.insert_for_subscribers(db, tenant.id, welcome, [subscriber.id], domain, tenant.now())
        await tenant.audit(db, "subscription.enrol", topic.id, source=ground.source, subscriber=subscriber.id)
    return Enrolled.ACTIVE


# --------------------------------------------------------------------------------------- asking and confirming


async def visitor_of(app: App, slug: str) -> TenantContext:
    """The tenant of that slug as anybody sees it. Raises NotFound."""
    return TenantContext(app, (await app.snapshots.by_slug(slug)).tenant.id, VISITOR)


async def ask(tenant: TenantContext, draft: SignupDraft, ground: Ground) -> None:
    """Mail a link to the address, unless it was asked for too often or wants no mail; the caller is not told.

    Raises Invalid for something that is no address, NotFound for an unknown topic.
    """
    mailbox = read_address(draft.address)
    snapshot = await tenant.app.snapshots.get(tenant.id)
    _check_topics(snapshot, draft.topics)
    await _ask_to_confirm(tenant, snapshot, draft, mailbox, ground)


async def find_signup(tenant: TenantContext, token: str) -> Signup:
    """What a verification link is about. Raises NotFound for one that is unknown or has expired."""
    async with tenant.read() as db:
        signup = await rows.signup_by_token(db, tenant.id, digest(token))
    if signup is None or (signup.confirmed_at is None and signup.expires_at <= tenant.now()):
        raise NotFound("this link has expired or was replaced: subscribe again on the status page")
    return signup


async def confirm(tenant: TenantContext, token: str) -> Subscriber:
    """Begin what was asked for. A link works once: pressing its button again changes nothing.

    Raises NotFound for a link that is unknown or has expired.
    """
    signup = await find_signup(tenant, token)
    snapshot = await tenant.app.snapshots.get(tenant.id)
    mailbox = read_address(signup.address)
    async with tenant.write() as db:
        subscriber = await _subscriber(db, tenant, mailbox, signup.language, signup.time_zone)
        if await rows.take_signup(db, tenant.id, signup.id, tenant.now()):
            for topic in signup.topics:
                await _activate(db, tenant, snapshot, subscriber, topic, signup.ground, signup.created_at)
            await rows.save_preferences(db, tenant.id, subscriber.id, signup.language, signup.time_zone)
        found = await rows.get(db, tenant.id, subscriber.id)
    return found or subscriber


# ------------------------------------------------------------------------------------- managing and leaving


async def list_subscribers(
    tenant: TenantContext, after: str | None = None, limit: int = 50
) -> tuple[list[Subscriber], int]:
    """The next subscribers after the one of that id, and how many there are in all."""
    tenant.require(Scope.ADMIN)
    async with tenant.read() as db:
        return await rows.page(db, tenant.id, after, limit), await rows.count(db, tenant.id)


def manage_token(app: App, tenant_id: str, subscriber_id: str) -> str:
    return f"{subscriber_id}.{app.signer.mac('manage', tenant_id, subscriber_id)}"


def leave_token(app: App, tenant_id: str, person_id: str) -> str:
    """For a subscriber's mails, or with a signup's id for the verification mail."""
    return f"{person_id}.{app.signer.mac('leave', tenant_id, person_id)}"


async def find_subscriber(tenant: TenantContext, token: str) -> Subscriber:
    """Whom a manage link belongs to. Raises NotFound."""
    subscriber_id = _proven(tenant, "manage", token)
    async with tenant.read() as db:
        subscriber = await rows.get(db, tenant.id, subscriber_id) if subscriber_id else None
    if subscriber is None:
        raise NotFound("this link is not complete: open it from the newest mail")
    return subscriber


async def save_preferences(tenant: TenantContext, token: str, wanted: Preferences) -> Subscriber:
    """From now on the subscriber hears of exactly these topics. Raises NotFound."""
    subscriber = await find_subscriber(tenant, token)
    snapshot = await tenant.app.snapshots.get(tenant.id)
    had = {subscription.topic for subscription in subscriber.subscriptions}
    new = [topic for topic in wanted.topics if topic not in had]
    _check_topics(snapshot, new)
    async with tenant.write() as db:
        gone = had.difference(wanted.topics)
        if gone:
            await rows.end_subscriptions(db, tenant.id, subscriber.id, gone)
        for topic in new:
            await _activate(db, tenant, snapshot, subscriber, topic, Ground(source="manage page"), tenant.now())
        await rows.save_preferences(db, tenant.id, subscriber.id, wanted.language, wanted.time_zone)
        saved = await rows.get(db, tenant.id, subscriber.id)
    return saved or subscriber


def may_leave(tenant: TenantContext, token: str) -> bool:
    """Whether an unsubscribe link is one of ours."""
    return _proven(tenant, "leave", token) is not None


async def leave(tenant: TenantContext, token: str) -> None:
    """End everything that the person gets, at once and as often as asked.

    From a verification mail it means "never write to me again": what was asked for is deleted and the address
    suppressed. An unknown token changes nothing, and the caller is not told.
    """
    person_id = _proven(tenant, "leave", token)
    if person_id is None:
        return
    async with tenant.write() as db:
        if person_id.startswith("sub_"):
            await rows.end_subscriptions(db, tenant.id, person_id)
            return
        signup = await rows.get_signup(db, tenant.id, person_id)
        if signup is not None and signup.confirmed_at is None:
            mailbox = read_address(signup.address)
            await rows.delete_signups_of(db, tenant.id, mailbox.key)
            await never_again(db, tenant, mailbox)


async def never_again(db: AsyncConnection, tenant: TenantContext, mailbox: Address) -> None:
    """End all that the address gets, and write to it no more, because its owner said so."""
    await suppress(db, tenant, mailbox, NEVER_AGAIN)
    subscriber = await rows.by_address(db, tenant.id, mailbox.key)
    if subscriber is not None:
        await rows.end_subscriptions(db, tenant.id, subscriber.id)


async def suppress(db: AsyncConnection, tenant: TenantContext, mailbox: Address, reason: str) -> None:
    """Write to this address no more, for this tenant."""
    await rows.suppress(db, tenant.id, _hashes(tenant, mailbox)[0], reason, tenant.now())


async def lift_suppression(tenant: TenantContext, address: str) -> None:
    """Let the address be written to again. Raises NotFound if it was not suppressed."""
    tenant.require(Scope.ADMIN)
    mailbox = read_address(address)
    async with tenant.write() as db:
        if not await rows.lift(db, tenant.id, _hashes(tenant, mailbox)):
            raise NotFound(f"{mailbox.text} is not suppressed")
        await tenant.audit(db, "mail.lift_suppression", tenant.id)


async def suppressed(db: AsyncConnection, tenant: TenantContext, addresses: Collection[str]) -> dict[str, str]:
    """Those of the addresses that get no mail, each with the reason."""
    by_hash = {found: one for one in addresses for found in _hashes(tenant, Address(one, one.lower()))}
    kept = await rows.suppressed(db, tenant.id, by_hash)
    return {by_hash[found]: reason for found, reason in kept.items()}


# ---------------------------------------------------------------------------------------------------- parts


async def _ask_to_confirm(
    tenant: TenantContext, snapshot: Snapshot, draft: SignupDraft, mailbox: Address, ground: Ground
) -> None:
    now = tenant.now()
    token = secrets.token_urlsafe(32)
    signup = Signup(
        id=new_id("sgn"),
        address=mailbox.text,
        language=draft.language,
        time_zone=draft.time_zone,
        topics=draft.topics,
        ground=ground,
        created_at=now,
        expires_at=now + VALID_FOR,
        confirmed_at=None,
    )
    async with tenant.write() as db:
        if not await _may_ask(db, tenant, mailbox, now) or await _is_suppressed(db, tenant, mailbox):
            return
        sealed = tenant.app.signer.seal(token, tenant.id, "signup", signup.id)
        await rows.insert_signup(db, tenant.id, signup, mailbox.key, digest(token), sealed)
        domain = mail_domain(tenant.app.settings, snapshot.tenant)
        await deliveries.insert_for_signup(db, tenant.id, signup.id, domain, now)


async def _may_ask(db: AsyncConnection, tenant: TenantContext, mailbox: Address, now: datetime) -> bool:
    asked = await rows.signups_for_address(db, mailbox.key, now - timedelta(days=1))
    if len(asked) >= ADDRESS_PER_DAY or (asked and asked[0] > now - ADDRESS_PAUSE):
        return False
    waiting = await rows.count_unconfirmed(db, tenant.id, now - timedelta(hours=1))
    if waiting >= TENANT_PER_HOUR:
        log.warning("tenant %s has %d unconfirmed sign-ups within an hour: no more are mailed", tenant.id, waiting)
        return False
    return True


async def _subscriber(
    db: AsyncConnection, tenant: TenantContext, mailbox: Address, language: str | None, time_zone: str | None
) -> Subscriber:
    """The one of that address, who is written down if new."""
    new = Subscriber(
        id=new_id("sub"),
        address=mailbox.text,
        language=language,
        time_zone=time_zone,
        created_at=tenant.now(),
        subscriptions=(),
    )
    await rows.insert(db, tenant.id, new, mailbox.key)
    found = await rows.by_address(db, tenant.id, mailbox.key)
    if found is None:
        raise Unavailable("the subscriber was deleted meanwhile: try again")
    return found


async def _activate(
    db: AsyncConnection,
    tenant: TenantContext,
    snapshot: Snapshot,
    subscriber: Subscriber,
    topic: Topic,
    ground: Ground,
    asked_at: datetime,
) -> bool:
    """Whether the subscription is new. An update on the incident since it was asked for is mailed as well."""
    subscription = Subscription(topic=topic, confirmed_at=tenant.now(), ground=ground)
    if not await rows.add_subscription(db, tenant.id, subscriber.id, subscription):
        return False
    if topic.kind is TopicKind.INCIDENT:
        missed = await fanouts.newest_since(db, tenant.id, topic.id, asked_at)
        if missed is not None:
            cause = Cause(MailKind.UPDATE, topic.id, missed.id, await fanouts.position(db, missed))
            domain = mail_domain(tenant.app.settings, snapshot.tenant)
            now = tenant.now()
            await deliveries.insert_for_subscribers(db, tenant.id, cause, [subscriber.id], domain, now)
    return True


async def _is_suppressed(db: AsyncConnection, tenant: TenantContext, mailbox: Address) -> bool:
    return bool(await rows.suppressed(db, tenant.id, _hashes(tenant, mailbox)))


def _hashes(tenant: TenantContext, mailbox: Address) -> list[str]:
    return tenant.app.signer.references(tenant.id, "address", mailbox.key)


def _proven(tenant: TenantContext, purpose: str, token: str) -> str | None:
    """The id that the token proves for this tenant and this purpose."""
    person_id, _, mac = token.partition(".")
    return person_id if tenant.app.signer.is_mac(mac, purpose, tenant.id, person_id) else None


def _check_topics(snapshot: Snapshot, topics: Sequence[Topic]) -> None:
    known = {
        TopicKind.INCIDENT: {incident.id for incident in (*snapshot.active, *snapshot.history)},
        TopicKind.COMPONENT: {component.id for component in snapshot.components},
        TopicKind.ALL: {""},
    }
    for topic in topics:
        if topic.id not in known[topic.kind]:
            raise NotFound(f"there is no {topic.kind} {topic.id!r} to subscribe to")
