"""From a customer's reply to a subscription: enrol on a clear yes, ask again in doubt, and keep what shows it.

Whatever an analyzer says, the address is the one on file or one that stands in the reply; only the one on file can
be vouched for; and one conversation enrols one address for an incident. A no is acted on and not remembered; only
an explicit "never" is, for the address that a key vouches for.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from embeddings.consent import signs
from embeddings.consent.verdict import Verdict
from server.addresses import Address, read_address
from server.analyzers import Analysis, Question, analyze
from server.context import TenantContext
from server.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from server.ids import new_id
from server.models import Consent, Ground, Language, Model, Offer, Scope, Topic, TopicKind
from server.store import consents, subscribers
from server.subscriptions import Enrolled, enrol, find_offer, never_again
from server.texts import ENGLISH, closest, text

EVERYTHING = "all"


class Reply(Model):
    """What a customer answered, as an agent passes it on."""

    text: Annotated[str, Field(max_length=20_000)]
    incident_id: Annotated[str, Field(min_length=1, max_length=64)]
    """Or `all`, for every incident from now on."""
    address_on_file: str | None = None
    offer_id: str | None = None
    offer_text: Annotated[str | None, Field(max_length=5_000)] = None
    conversation_id: str | None = None
    language: Language | None = None
    agent_believes: bool = False
    """The agent takes an unclear reply for a yes: worth a verification mail where the tenant allows it."""


class Answer(StrEnum):
    SUBSCRIBED = "subscribed"
    VERIFICATION_SENT = "verification_sent"
    ASK_AGAIN = "ask_again"
    DECLINED = "declined"


class Outcome(Model):
    """What became of a reply, and a sentence to say next in the customer's language."""

    answer: Answer
    reason: str
    say: str
    address: str | None = None
    analysis: Analysis


async def subscribe_on_reply(tenant: TenantContext, reply: Reply) -> Outcome:
    """Enrol the customer if the reply is a clear yes, and only then.

    Doing so again changes nothing. Raises NotFound for an unknown incident or offer, Refused for an incident that
    is over or a second address in one conversation, Unavailable when the key enrolled too many within an hour or
    replies cannot be read now.
    """
    tenant.require(Scope.AGENT, Scope.SIDEKICK, Scope.OPERATOR)
    topic = await _topic(tenant, reply.incident_id)
    offer = await _offer(tenant, reply)
    asked = offer.text if offer else reply.offer_text or ""
    known = offer is not None and topic.id == offer.incident_id  # a yes to one incident is no yes to all
    language = reply.language or (offer.language if offer else None)
    analysis = await analyze(tenant.app.analyzer, Question(reply.text, asked, known, language))
    spoken = closest(language or analysis.language or "") or ENGLISH
    if analysis.verdict is Verdict.NO:
        if signs.refuses_for_good(reply.text):
            await _remember_refusal(tenant, reply)
        return _outcome(Answer.DECLINED, analysis, spoken)
    if analysis.verdict is Verdict.UNCLEAR and not await _is_worth_a_mail(tenant, reply):
        return _outcome(Answer.ASK_AGAIN, analysis, spoken)
    mailbox = _mailbox(analysis, reply)
    if mailbox is None:
        return _outcome(Answer.ASK_AGAIN, analysis, spoken, "there is no address to write to", "address")
    consent = Consent(
        id=new_id("con"),
        topic=topic,
        address=mailbox.text,
        offer=asked,
        reply=reply.text,
        verdict=analysis.verdict,
        reason=analysis.reason,
        analyzer=f"{analysis.analyzer}:{analysis.model}",
        conversation=_reference(tenant, reply.conversation_id),
        key_id=tenant.actor.id,
        at=tenant.now(),
    )
    consent = await _keep(tenant, consent, mailbox)
    ground = Ground(
        source="status_subscribe",
        attested=analysis.verdict is Verdict.YES and _is_on_file(mailbox, reply),
        evidence={"consent": consent.id},
    )
    enrolled = await enrol(tenant, mailbox.text, topic, ground, spoken)
    answer = {
        Enrolled.ACTIVE: Answer.SUBSCRIBED,
        Enrolled.ALREADY: Answer.SUBSCRIBED,
        Enrolled.VERIFICATION_SENT: Answer.VERIFICATION_SENT,
        Enrolled.SUPPRESSED: Answer.DECLINED,
    }[enrolled]
    if enrolled is Enrolled.SUPPRESSED:
        return _outcome(answer, analysis, spoken, "mail to this address is not wanted or fails", "undeliverable")
    return _outcome(answer, analysis, spoken, address=mailbox.text)


# ----------------------------------------------------------------------------------------- a person's own data


async def export_person(tenant: TenantContext, address: str) -> dict[str, Any]:
    """Everything kept of the address, as JSON data. Raises Invalid for something that is no address."""
    tenant.require(Scope.ADMIN)
    mailbox = read_address(address)
    async with tenant.read() as db:
        subscriber = await subscribers.by_address(db, tenant.id, mailbox.key)
        signups = await subscribers.signups_of(db, tenant.id, mailbox.key)
        given = await consents.of_address(db, tenant.id, mailbox.key)
    return {
        "address": mailbox.text,
        "subscriber": subscriber and subscriber.model_dump(mode="json"),
        "requests": [signup.model_dump(mode="json") for signup in signups],
        "consents": [consent.model_dump(mode="json") for consent in given],
    }


async def erase_person(tenant: TenantContext, address: str) -> bool:
    """Forget the address, and whether anything was known of it. A suppression, which holds no address, stays."""
    tenant.require(Scope.ADMIN)
    mailbox = read_address(address)
    async with tenant.write() as db:
        evidence = await consents.delete_of(db, tenant.id, mailbox.key)
        known = await subscribers.erase(db, tenant.id, mailbox.key)
        await tenant.audit(db, "subscriber.erase", tenant.id)
    return known or evidence > 0


# ------------------------------------------------------------------------------------------------------ parts


async def _topic(tenant: TenantContext, incident_id: str) -> Topic:
    if incident_id == EVERYTHING:
        return Topic(kind=TopicKind.ALL)
    snapshot = await tenant.app.snapshots.get(tenant.id)
    if any(incident.id == incident_id for incident in snapshot.active):
        return Topic(kind=TopicKind.INCIDENT, id=incident_id)
    if any(incident.id == incident_id for incident in snapshot.history):
        raise Refused("this incident is resolved, so no updates will come: tell the customer that it is over")
    raise NotFound(f"there is no incident {incident_id!r}: pass the id that status_check gave, or `all`")


async def _offer(tenant: TenantContext, reply: Reply) -> Offer | None:
    """The offer of ours that was made, whether its id or its exact text is passed."""
    if reply.offer_id is not None:
        return await find_offer(tenant, reply.offer_id)
    if reply.offer_text is None:
        return None
    async with tenant.read() as db:
        return await subscribers.offer_of_text(db, tenant.id, reply.incident_id, reply.offer_text.strip())


async def _remember_refusal(tenant: TenantContext, reply: Reply) -> None:
    """Never write to the address on file again. Whom no key vouches for cannot be silenced by an agent."""
    mailbox = _mailbox_on_file(reply)
    if mailbox is None or not tenant.actor.attests_addresses:
        return
    async with tenant.write() as db:
        await never_again(db, tenant, mailbox)
        await tenant.audit(db, "subscription.refuse", reply.incident_id)


async def _is_worth_a_mail(tenant: TenantContext, reply: Reply) -> bool:
    settings = (await tenant.app.snapshots.get(tenant.id)).tenant.settings
    return reply.agent_believes and bool(reply.text.strip()) and settings.verify_unclear_replies


def _mailbox(analysis: Analysis, reply: Reply) -> Address | None:
    address = analysis.address or reply.address_on_file
    return read_address(address) if address else None


def _mailbox_on_file(reply: Reply) -> Address | None:
    try:
        return read_address(reply.address_on_file) if reply.address_on_file else None
    except Invalid:
        return None


def _is_on_file(mailbox: Address, reply: Reply) -> bool:
    on_file = _mailbox_on_file(reply)
    return on_file is not None and on_file.key == mailbox.key


async def _keep(tenant: TenantContext, consent: Consent, mailbox: Address) -> Consent:
    """Write the evidence down before anybody is enrolled by it; the earlier one if the conversation has one."""
    settings = (await tenant.app.snapshots.get(tenant.id)).tenant.settings
    async with tenant.write() as db:
        await consents.delete_before(db, tenant.id, consent.at - timedelta(days=settings.consent_days))
        recent = await consents.count_by_key(db, tenant.id, consent.key_id, consent.at - timedelta(hours=1))
        if recent >= tenant.app.settings.consents_per_hour:
            raise Unavailable("this key enrolled as many customers as it may within an hour", retry_after=600)
        if await consents.insert(db, tenant.id, consent, mailbox.key):
            return consent
        earlier = await consents.in_conversation(db, tenant.id, consent.conversation or "", consent.topic)
    if earlier is None or earlier.address.lower() != mailbox.key:
        raise Conflict("in this conversation another address was enrolled: the customer can add more on the page")
    return earlier


def _reference(tenant: TenantContext, conversation_id: str | None) -> str | None:
    if not conversation_id:
        return None
    return tenant.app.signer.reference(tenant.id, "conversation", conversation_id)


def _outcome(
    answer: Answer,
    analysis: Analysis,
    language: str,
    reason: str | None = None,
    why: str | None = None,
    address: str | None = None,
) -> Outcome:
    key = f"consent.{why or answer}"
    return Outcome(
        answer=answer,
        reason=reason or analysis.reason,
        say=text(key, language, address=address or ""),
        address=address,
        analysis=analysis,
    )
