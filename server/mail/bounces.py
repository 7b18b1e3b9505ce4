"""Bounces and complaints that come back by mail: delivery reports (RFC 3464) and feedback reports (RFC 5965).

What a report is about is told by the address it comes back to, which names one mail and carries our MAC. What
the report itself claims about addresses is not believed: a forged one can suppress nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default
from enum import StrEnum

from server.addresses import read_address
from server.context import Actor, App, TenantContext
from server.mail.notes import NEVER_ARRIVES, never_arrives
from server.mail.outlets import Reply
from server.models import MailState
from server.store import deliveries
from server.subscriptions import suppress

RETURN_PATH = re.compile(r"\bb\+([a-z0-9]{26})\.([a-z2-7]{16})@", re.IGNORECASE)
COMPLAINT = "complaint"
MAILBOX = Actor(id="bounces", name="bounce mailbox", scopes=frozenset())


class Ingested(StrEnum):
    """What became of a mail that was handed to `ingest`."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    TRANSIENT = "transient"
    """The mail may still arrive, or the fault is not the address's: nothing was changed."""
    UNKNOWN = "unknown"
    """It came back to no address of ours, or is no report."""


@dataclass(frozen=True)
class Report:
    status: str
    """The enhanced code of RFC 3463 of the final recipient."""
    failed: bool
    diagnostic: str


async def ingest(app: App, raw: bytes, recipient: str | None = None) -> Ingested:
    """Act on one mail. `recipient` is the address it was delivered to, if the mail server passes it on."""
    message = message_from_bytes(raw, policy=default)
    delivery_id = _proven_delivery(app, message, recipient)
    if delivery_id is None:
        return Ingested.UNKNOWN
    async with app.database.read() as db:
        found = await deliveries.find(db, delivery_id)
    if found is None:
        return Ingested.UNKNOWN
    delivery, address = found
    tenant = TenantContext(app, delivery.tenant_id, MAILBOX)
    if _is_complaint(message):
        async with tenant.write() as db:
            await suppress(db, tenant, read_address(address), COMPLAINT)
            await tenant.audit(db, "mail.complaint", delivery_id)
        return Ingested.COMPLAINED
    report = read_report(message)
    if report is None:
        return Ingested.UNKNOWN
    reply = Reply(550, f"{report.status} {report.diagnostic}".strip())
    if not report.failed or not never_arrives(reply):
        return Ingested.TRANSIENT
    async with tenant.write() as db:
        await suppress(db, tenant, read_address(address), NEVER_ARRIVES)
        await deliveries.set_state(db, tenant.id, [delivery_id], MailState.BOUNCED, str(reply), tenant.now())
        await tenant.audit(db, "mail.bounce", delivery_id)
    return Ingested.BOUNCED


def read_report(message: Message) -> Report | None:
    """What a delivery report says of its recipient; None if it is none."""
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        for fields in part.get_payload() or ():
            if isinstance(fields, Message) and fields.get("Status"):
                return Report(
                    status=str(fields["Status"]).split()[0],
                    failed=str(fields.get("Action", "")).strip().lower() == "failed",
                    diagnostic=" ".join(str(fields.get("Diagnostic-Code", "")).split())[:300],
                )
    return None


def _proven_delivery(app: App, message: EmailMessage, recipient: str | None) -> str | None:
    """The id of the mail whose return path the report came to, if the MAC in it is ours."""
    named = [recipient or "", *(str(message.get(name, "")) for name in ("Delivered-To", "X-Original-To", "To"))]
    for place, mac in (match.groups() for text in named for match in RETURN_PATH.finditer(text)):
        delivery_id = f"dlv_{place.lower()}"
        if app.signer.is_short_mac(mac, "bounce", delivery_id):
            return delivery_id
    return None


def _is_complaint(message: Message) -> bool:
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report":
            payload = part.get_payload()
            text = "".join(str(one) for one in payload) if isinstance(payload, list) else str(payload)
            return "not-spam" not in text.lower()
    return False
