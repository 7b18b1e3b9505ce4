"""Channels: through which server a tenant's mail goes, and from whom it is.

A tenant's own server comes first, then the platform's (`HERALD_SMTP_URL`), then a folder (`HERALD_MAIL_DIR`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from server.addresses import read_address
from server.context import App, TenantContext
from server.errors import Invalid, NotFound
from server.links import mail_domain
from server.mail.letters import Sender
from server.mail.outlets import Folder, Outlet
from server.mail.smtp import Hidden, Server, Smtp, Tls
from server.models import Line, Model, Scope, Tenant
from server.store import channels as rows

MAX_CONNECTIONS = 32


class Channel(Model):
    """A tenant's own mail server, without its password."""

    host: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9.:_-]+$")]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    tls: Tls = Tls.STARTTLS
    username: Annotated[Line, Field(max_length=320)] | None = None
    from_address: str
    from_name: Annotated[Line, Field(max_length=200)] | None = None
    reply_to: str | None = None
    connections: Annotated[int, Field(ge=1, le=MAX_CONNECTIONS)] = 8
    per_minute: Annotated[int, Field(ge=1)] | None = None
    """At most this many mails a minute."""
    bounce_domain: Annotated[str, Field(max_length=255, pattern=r"^[A-Za-z0-9.-]+$")] | None = None
    """Where bounces come back to `herald mail ingest`; without it they go to the from address."""


@dataclass(frozen=True)
class Route:
    """The way of a tenant's mail for now."""

    tenant: Tenant
    place: Server | Path
    sender: Sender
    per_minute: int | None = None
    bounce_domain: str | None = None
    is_own: bool = False
    """The tenant's own channel, not the platform's."""
    paused_until: datetime | None = None


def open_outlet(place: Server | Path) -> Outlet:
    return Folder(place) if isinstance(place, Path) else Smtp(place)


async def route_of(app: App, db: AsyncConnection, tenant: Tenant) -> Route | None:
    """None if nothing is configured that could send this tenant's mail."""
    row = await rows.get(db, tenant.id)
    if row is not None:
        sealed = row["sealed_password"]
        password = sealed and Hidden(app.signer.open(sealed, tenant.id, "channels", "password"))
        return Route(
            tenant=tenant,
            place=Server(
                row["host"], row["port"], Tls(row["tls"]), row["username"], password or None, row["connections"]
            ),
            sender=Sender(row["from_address"], row["from_name"], row["reply_to"]),
            per_minute=row["per_minute"],
            bounce_domain=row["bounce_domain"],
            is_own=True,
            paused_until=row["paused_until"],
        )
    fallback = Sender(f"status@{mail_domain(app.settings, tenant)}")
    if app.settings.smtp_url is not None:
        server, sender, bounce_domain = read_smtp_url(app.settings.smtp_url.get_secret_value())
        return Route(tenant, server, sender or fallback, bounce_domain=bounce_domain)
    if app.settings.mail_dir is not None:
        return Route(tenant, app.settings.mail_dir, fallback)
    return None


def read_smtp_url(url: str) -> tuple[Server, Sender | None, str | None]:
    """Server, sender and bounce domain of `smtp://USER:PASSWORD@HOST:PORT?from=…`. Raises Invalid.

    Options: `from`, `name`, `tls` (`starttls`, `none`), `connections`, `bounces`.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    try:
        secure = Tls.FROM_START if parts.scheme == "smtps" else Tls(options.pop("tls", Tls.STARTTLS))
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("it begins with smtp:// or smtps:// and a host")
        server = Server(
            host=parts.hostname,
            port=parts.port or (465 if secure is Tls.FROM_START else 587),
            tls=secure,
            username=unquote(parts.username) if parts.username else None,
            password=Hidden(unquote(parts.password)) if parts.password else None,
            connections=min(int(options.pop("connections", 8)), MAX_CONNECTIONS),
        )
    except ValueError as error:
        raise Invalid(f"HERALD_SMTP_URL is not understood: {error}") from error
    address, name, bounces = options.pop("from", None), options.pop("name", None), options.pop("bounces", None)
    if options:
        raise Invalid(f"HERALD_SMTP_URL has unknown options: {', '.join(sorted(options))}")
    return server, Sender(read_address(address).text, name) if address else None, bounces


async def save_channel(tenant: TenantContext, channel: Channel, password: str | None) -> None:
    """Send this tenant's mail through its own server from now on. The password is sealed before it is stored."""
    tenant.require(Scope.ADMIN)
    read_address(channel.from_address)
    if channel.reply_to is not None:
        read_address(channel.reply_to)
    sealed = password and tenant.app.signer.seal(password, tenant.id, "channels", "password")
    values = channel.model_dump() | {"sealed_password": sealed or None, "changed_at": tenant.now()}
    async with tenant.write() as db:
        await rows.save(db, tenant.id, values)
        await tenant.audit(db, "channel.save", tenant.id, host=channel.host, from_address=channel.from_address)


async def delete_channel(tenant: TenantContext) -> None:
    """Send this tenant's mail through the platform's server again. Raises NotFound."""
    tenant.require(Scope.ADMIN)
    async with tenant.write() as db:
        if not await rows.delete(db, tenant.id):
            raise NotFound("this tenant has no mail server of its own")
        await tenant.audit(db, "channel.delete", tenant.id)
