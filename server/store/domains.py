"""Rows of the host names that tenants put their pages on."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.errors import NotFound
from server.models import Domain
from server.store.database import insert_if_absent
from server.store.schema import domains, released_hosts, tenants


async def insert(db: AsyncConnection, tenant_id: str, domain: Domain) -> None:
    """Add it, or leave the one that the tenant already has."""
    await insert_if_absent(db, domains, {"tenant_id": tenant_id, **domain.model_dump()})


async def get(db: AsyncConnection, tenant_id: str, host: str) -> Domain:
    query = sa.select(domains).where(domains.c.tenant_id == tenant_id, domains.c.host == host)
    row = (await db.execute(query)).mappings().first()
    if row is None:
        raise NotFound(f"there is no domain {host!r} here: add it with `herald domain add`")
    return _domain(row)


async def of_tenant(db: AsyncConnection, tenant_id: str) -> list[Domain]:
    query = sa.select(domains).where(domains.c.tenant_id == tenant_id).order_by(domains.c.host)
    return [_domain(row) for row in (await db.execute(query)).mappings()]


async def owner(db: AsyncConnection, host: str) -> str | None:
    """The slug of the tenant that has proved the host to be its own."""
    query = (
        sa.select(tenants.c.slug)
        .join(domains, domains.c.tenant_id == tenants.c.id)
        .where(domains.c.host == host, domains.c.verified_at.is_not(None))
        .order_by(domains.c.verified_at.desc())
        .limit(1)
    )
    slug: str | None = (await db.execute(query)).scalar()
    return slug


async def verify(db: AsyncConnection, tenant_id: str, host: str, at: datetime) -> None:
    """It is this tenant's now, and of two that prove it at the same moment, only the later one's."""
    others = (domains.c.host == host, domains.c.tenant_id != tenant_id)
    await db.execute(sa.update(domains).where(*others).values(verified_at=None, arrived_at=None))
    await db.execute(sa.update(domains).where(*_mine(tenant_id, host)).values(verified_at=at, checked_at=at))
    await db.execute(sa.delete(released_hosts).where(released_hosts.c.host == host))


async def release(db: AsyncConnection, tenant_id: str, host: str, at: datetime) -> None:
    """The tenant has it no longer; if it had, no other tenant can claim it for a while."""
    nothing = {"verified_at": None, "arrived_at": None, "failing_since": None}
    had = (*_mine(tenant_id, host), domains.c.verified_at.is_not(None))
    if (await db.execute(sa.update(domains).where(*had).values(nothing))).rowcount:
        await insert_if_absent(db, released_hosts, {"tenant_id": tenant_id, "host": host, "at": at})


async def is_anothers(db: AsyncConnection, tenant_id: str, host: str) -> bool:
    """Whether another tenant has proved it to be its own."""
    theirs = (domains.c.host == host, domains.c.tenant_id != tenant_id, domains.c.verified_at.is_not(None))
    return (await db.execute(sa.select(domains.c.host).where(*theirs))).first() is not None


async def released_elsewhere(db: AsyncConnection, tenant_id: str, host: str) -> datetime | None:
    """When another tenant gave it up or lost it, if one did and nobody claimed it since."""
    theirs = (released_hosts.c.host == host, released_hosts.c.tenant_id != tenant_id)
    at: datetime | None = (await db.execute(sa.select(sa.func.max(released_hosts.c.at)).where(*theirs))).scalar()
    return at


async def take_unchecked(
    db: AsyncConnection, before: datetime, at: datetime, limit: int
) -> list[tuple[str, Domain]]:
    """Proved names, with their tenants, that were last checked before then. From now on they count as checked."""
    last = sa.func.coalesce(domains.c.checked_at, domains.c.verified_at)
    query = sa.select(domains).where(domains.c.verified_at.is_not(None), last < before).order_by(last).limit(limit)
    rows = (await db.execute(query.with_for_update(skip_locked=True))).mappings().all()
    for row in rows:
        await db.execute(sa.update(domains).where(*_mine(row["tenant_id"], row["host"])).values(checked_at=at))
    return [(row["tenant_id"], _domain(row)) for row in rows]


async def note_failing(db: AsyncConnection, tenant_id: str, host: str, since: datetime | None) -> None:
    await db.execute(sa.update(domains).where(*_mine(tenant_id, host)).values(failing_since=since))


async def arrived(db: AsyncConnection, host: str, at: datetime) -> None:
    """A visitor has reached the page under this host: its certificate works."""
    first = (domains.c.host == host, domains.c.verified_at.is_not(None), domains.c.arrived_at.is_(None))
    await db.execute(sa.update(domains).where(*first).values(arrived_at=at))


async def delete(db: AsyncConnection, tenant_id: str, host: str) -> None:
    await db.execute(sa.delete(domains).where(*_mine(tenant_id, host)))


def _mine(tenant_id: str, host: str) -> tuple[sa.ColumnElement[bool], ...]:
    return domains.c.tenant_id == tenant_id, domains.c.host == host


def _domain(row: sa.RowMapping) -> Domain:
    return Domain(**{name: row[name] for name in Domain.model_fields})
