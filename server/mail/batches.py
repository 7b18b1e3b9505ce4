"""A batch of claimed deliveries, with everything that is needed to turn each into a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from server.context import App
from server.mail.channels import Route
from server.mail.letters import (
    Reader,
    Stationery,
    reminder_letter,
    update_letter,
    verification_letter,
    welcome_letter,
)
from server.mail.messages import Letter, Mould, mould
from server.mail.outlets import Mail
from server.models import Component, Incident, MailKind, Signup, Subscriber
from server.store import components, fanouts, incidents, subscribers
from server.store.deliveries import Delivery
from server.store.fanouts import Fanout
from server.subscriptions import leave_token, manage_token

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True)
class Batch:
    route: Route
    deliveries: Sequence[Delivery]
    subscribers: Mapping[str, Subscriber]
    signups: Mapping[str, tuple[Signup, str]]
    """Each with its sealed token."""
    incidents: Mapping[str, Incident]
    fanouts: Mapping[str, Fanout]
    components: Sequence[Component]
    _moulds: dict[tuple[object, ...], Mould] = field(default_factory=dict)

    def without(self, ids: set[str]) -> Batch:
        return replace(self, deliveries=[delivery for delivery in self.deliveries if delivery.id not in ids])

    def address(self, delivery: Delivery) -> str:
        if delivery.subscriber_id is not None:
            return self.subscribers[delivery.subscriber_id].address
        return self.signups[delivery.signup_id or ""][0].address

    def mail(self, app: App, delivery: Delivery) -> Mail:
        return Mail(
            id=delivery.id,
            sender=self._return_path(app, delivery),
            recipient=self.address(delivery),
            message=self._message(app, delivery),
        )

    def _return_path(self, app: App, delivery: Delivery) -> str:
        """Where a bounce goes: an address that names the mail and that nobody else can make (VERP with a MAC)."""
        if self.route.bounce_domain is None:
            return self.route.sender.address
        place = delivery.id.removeprefix("dlv_")
        return f"b+{place}.{app.signer.short_mac('bounce', delivery.id)}@{self.route.bounce_domain}"

    def _message(self, app: App, delivery: Delivery) -> bytes:
        stationery = Stationery(app.settings, self.route.tenant, self.route.sender)
        own = {"address": self.address(delivery), "message_id": delivery.message_id}
        tenant_id, home = delivery.tenant_id, stationery.home
        if delivery.kind is MailKind.VERIFICATION:
            signup, sealed = self.signups[delivery.signup_id or ""]
            token = app.signer.open(sealed, tenant_id, "signup", signup.id)
            own["confirm_url"] = f"{home}/confirm/{token}"
            person_id = signup.id
        else:
            person_id = delivery.subscriber_id or ""
            own["manage_url"] = f"{home}/manage/{manage_token(app, tenant_id, person_id)}"
        own["leave_url"] = f"{home}/unsubscribe/{leave_token(app, tenant_id, person_id)}"
        return self._mould(stationery, delivery).fill(own)

    def _mould(self, stationery: Stationery, delivery: Delivery) -> Mould:
        """One for all who read the same: language and zone are what differs between the mails on one update."""
        person = self._person(delivery)
        reader = Reader.of(self.route.tenant, person.language, person.time_zone)
        about = delivery.fanout_id if delivery.kind is MailKind.UPDATE else delivery.id
        key = (delivery.kind, about, reader)
        if key not in self._moulds:
            self._moulds[key] = mould(self._letter(stationery, reader, delivery))
        return self._moulds[key]

    def _letter(self, stationery: Stationery, reader: Reader, delivery: Delivery) -> Letter:
        if delivery.kind is MailKind.VERIFICATION:
            signup, _ = self.signups[delivery.signup_id or ""]
            return verification_letter(stationery, reader, signup, list(self.incidents.values()), self.components)
        incident = self.incidents[delivery.incident_id or ""]
        if delivery.kind is MailKind.WELCOME:
            return welcome_letter(stationery, reader, incident, delivery.created_at)
        if delivery.kind is MailKind.REMINDER:
            return reminder_letter(stationery, reader, incident, delivery.created_at)
        return update_letter(stationery, reader, incident, self.fanouts[delivery.fanout_id or ""].update_id)

    def _person(self, delivery: Delivery) -> Subscriber | Signup:
        if delivery.subscriber_id is not None:
            return self.subscribers[delivery.subscriber_id]
        return self.signups[delivery.signup_id or ""][0]


async def load_batch(db: AsyncConnection, route: Route, taken: Sequence[Delivery]) -> Batch:
    """What is current now: an update that was edited since it was posted is sent as edited."""
    tenant_id = route.tenant.id
    signups = await subscribers.sealed_tokens(db, tenant_id, {one.signup_id for one in taken if one.signup_id})
    wanted = {one.incident_id for one in taken if one.incident_id}
    asked = {topic.id for signup, _ in signups.values() for topic in signup.topics}
    found = await incidents.many(db, tenant_id, wanted | asked)
    return Batch(
        route=route,
        deliveries=taken,
        subscribers=await subscribers.many(
            db, tenant_id, {one.subscriber_id for one in taken if one.subscriber_id}
        ),
        signups=signups,
        incidents=found,
        fanouts=await fanouts.many(db, tenant_id, [one.fanout_id for one in taken if one.fanout_id]),
        components=await components.of_tenant(db, tenant_id) if asked else [],
    )
