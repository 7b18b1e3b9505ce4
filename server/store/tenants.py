"""Rows of tenants."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.errors import NotFound
from server.models import Tenant, TenantSettings
from server.store.database import insert_if_absent
from server.store.schema import tenants


async def insert(db: AsyncConnection, tenant: Tenant) -> bool:
    """Whether it was inserted; False if the slug is taken."""
    row = tenant.model_dump(exclude={"settings"}) | {"settings": _json(tenant.settings)}
    return await insert_if_absent(db, tenants, row)


async def get(db: AsyncConnection, tenant_id: str) -> Tenant:
    return _one(
        (await db.execute(sa.select(tenants).where(tenants.c.id == tenant_id))).mappings().first(), tenant_id
    )


async def lock(db: AsyncConnection, tenant_id: str) -> Tenant:
    """The tenant, which nobody else can lock until the caller's transaction ends."""
    query = sa.select(tenants).where(tenants.c.id == tenant_id)
    query = query.with_for_update(key_share=True)  # rows may go on referring to the tenant meanwhile
    return _one((await db.execute(query)).mappings().first(), tenant_id)


async def by_slug(db: AsyncConnection, slug: str) -> Tenant:
    return _one((await db.execute(sa.select(tenants).where(tenants.c.slug == slug))).mappings().first(), slug)


async def every(db: AsyncConnection) -> list[Tenant]:
    rows = (await db.execute(sa.select(tenants).order_by(tenants.c.slug))).mappings()
    return [_tenant(row) for row in rows]


async def save_settings(db: AsyncConnection, tenant_id: str, settings: TenantSettings) -> None:
    await db.execute(sa.update(tenants).where(tenants.c.id == tenant_id).values(settings=_json(settings)))


def _json(settings: TenantSettings) -> dict[str, object]:
    return settings.model_dump(mode="json", exclude_defaults=True)


def _one(row: sa.RowMapping | None, name: str) -> Tenant:
    if row is None:
        raise NotFound(f"there is no tenant {name!r}; `herald tenant list` shows those that exist")
    return _tenant(row)


def _tenant(row: sa.RowMapping) -> Tenant:
    return Tenant.model_validate(dict(row))
