"""The change counter: one locked row that orders every published change, and each tenant's version under it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.schema import changes, tenants


async def record(db: AsyncConnection, tenant_id: str) -> int:
    """Give the tenant the next version. Holds the counter's row until the caller's transaction ends."""
    raised = sa.update(changes).values(version=changes.c.version + 1).returning(changes.c.version)
    version: int = (await db.execute(raised)).scalar_one()
    await db.execute(sa.update(tenants).where(tenants.c.id == tenant_id).values(version=version))
    return version


async def latest(db: AsyncConnection) -> int:
    version: int = (await db.execute(sa.select(changes.c.version))).scalar_one()
    return version


async def changed_since(db: AsyncConnection, version: int) -> list[str]:
    """Ids of the tenants that published after `version`."""
    found = await db.execute(sa.select(tenants.c.id).where(tenants.c.version > version))
    return list(found.scalars())
