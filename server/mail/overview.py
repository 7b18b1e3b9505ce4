"""What an operator sees and does about mail: how much went where, what failed, a test mail, another try."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from server.addresses import read_address
from server.context import TenantContext
from server.errors import Refused, Unavailable
from server.ids import new_id
from server.links import mail_domain, page_url
from server.mail.channels import Route, open_outlet, route_of
from server.mail.letters import Reader, Stationery, test_letter
from server.mail.messages import mould
from server.mail.outlets import ChannelTrouble, Mail, Reply
from server.mail.smtp import Server
from server.models import MailState, Model, Scope, Utc
from server.store import channels, deliveries, subscribers, tenants


class Overview(Model):
    """A tenant's mail in numbers."""

    place: str
    """Where it is sent: a server, a folder, or nowhere."""
    trouble: str | None
    """What keeps the tenant's own server from taking mail, if something does."""
    paused_until: Utc | None
    subscribers: int
    mails: Mapping[MailState, int]
    suppressed: Mapping[str, int]
    """Addresses that get no mail, by reason."""
    failing: tuple[Mapping[str, Any], ...]
    """The newest mails that failed or wait after a failure."""


async def overview(tenant: TenantContext, failing: int = 20) -> Overview:
    tenant.require(Scope.OPERATOR, Scope.ADMIN)
    async with tenant.read() as db:
        route = await route_of(tenant.app, db, await tenants.get(db, tenant.id))
        row = await channels.get(db, tenant.id)
        return Overview(
            place=_place(route),
            trouble=row["trouble"] if row else None,
            paused_until=row["paused_until"] if row else None,
            subscribers=await subscribers.count(db, tenant.id),
            mails=await deliveries.count_states(db, tenant.id),
            suppressed=await subscribers.count_suppressed(db, tenant.id),
            failing=tuple(await deliveries.troubled(db, tenant.id, failing)),
        )


async def retry(tenant: TenantContext) -> int:
    """Try again now what was given up or waits, and the server if it was left alone. Returns how many mails."""
    tenant.require(Scope.OPERATOR, Scope.ADMIN)
    async with tenant.write() as db:
        await channels.pause(db, tenant.id, None, None)
        queued = await deliveries.retry(db, tenant.id, tenant.now())
        await tenant.audit(db, "mail.retry", tenant.id, mails=queued)
    return queued


async def send_test(tenant: TenantContext, address: str) -> str:
    """Send a mail at once and return what the server said. Raises Unavailable or Refused, saying why not."""
    tenant.require(Scope.ADMIN)
    mailbox = read_address(address)
    async with tenant.read() as db:
        page = await tenants.get(db, tenant.id)
        route = await route_of(tenant.app, db, page)
    if route is None:
        raise Unavailable("there is no mail server: set HERALD_SMTP_URL, or `herald mail channel` for this tenant")
    replies: list[Reply] = []

    def take(_mail_id: str, reply: Reply) -> asyncio.Future[None]:
        replies.append(reply)
        noted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        noted.set_result(None)
        return noted

    outlet = open_outlet(route.place)
    mail = Mail(new_id("tst"), route.sender.address, mailbox.text, _test_message(tenant, route, mailbox.text))
    try:
        await outlet.send(iter([mail]), take)
    except ChannelTrouble as trouble:
        raise Unavailable(str(trouble)) from trouble
    finally:
        await outlet.close()
    if not replies[0].accepted:
        raise Refused(f"the server did not take it: {replies[0]}")
    return str(replies[0])


def _test_message(tenant: TenantContext, route: Route, address: str) -> bytes:
    settings, page = tenant.app.settings, route.tenant
    now: datetime = tenant.now()
    letter = test_letter(Stationery(settings, page, route.sender), Reader.of(page, None, None), now)
    own = {
        "address": address,
        "message_id": f"{new_id('tst')}@{mail_domain(settings, page)}",
        "leave_url": f"{page_url(settings, page)}/unsubscribe/test",
    }
    return mould(letter).fill(own)


def _place(route: Route | None) -> str:
    if route is None:
        return "nowhere: no mail server is configured"
    if isinstance(route.place, Server):
        whose = "own server" if route.is_own else "the platform's server"
        return f"{whose} {route.place.host}:{route.place.port}"
    return f"the folder {route.place}"
