"""Rows of the host names that tenants put their pages on."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.errors import NotFound
from server.models import Domain
from server.store.database import insert_if_absent
from server.store.schema import domains, tenants


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
    """It is this tenant's now. Whoever had proved it before has lost it: only one can hold the DNS record."""
    others = (domains.c.host == host, domains.c.tenant_id != tenant_id)
    await db.execute(sa.update(domains).where(*others).values(verified_at=None, arrived_at=None))
    mine = (domains.c.host == host, domains.c.tenant_id == tenant_id)
    await db.execute(sa.update(domains).where(*mine).values(verified_at=at))


async def unverify(db: AsyncConnection, tenant_id: str, host: str) -> None:
    mine = (domains.c.host == host, domains.c.tenant_id == tenant_id)
    await db.execute(sa.update(domains).where(*mine).values(verified_at=None, arrived_at=None))


async def arrived(db: AsyncConnection, host: str, at: datetime) -> None:
    """A visitor has reached the page under this host: its certificate works."""
    first = (domains.c.host == host, domains.c.verified_at.is_not(None), domains.c.arrived_at.is_(None))
    await db.execute(sa.update(domains).where(*first).values(arrived_at=at))


async def delete(db: AsyncConnection, tenant_id: str, host: str) -> None:
    await db.execute(sa.delete(domains).where(domains.c.tenant_id == tenant_id, domains.c.host == host))


def _domain(row: sa.RowMapping) -> Domain:
    return Domain(**{name: row[name] for name in Domain.model_fields})
