"""Rows of the outbox: one for every update that subscribers shall hear of, written with the update itself."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ids import new_id
from server.store.schema import fanouts


async def insert(db: AsyncConnection, tenant_id: str, incident_id: str, update_id: str, at: datetime) -> None:
    row = {"tenant_id": tenant_id, "id": new_id("fan"), "incident_id": incident_id, "update_id": update_id}
    await db.execute(sa.insert(fanouts).values(row | {"created_at": at}))


async def waiting(db: AsyncConnection, tenant_id: str) -> list[str]:
    """Ids of the updates that subscribers have still to hear of, oldest first."""
    query = (
        sa.select(fanouts.c.update_id)
        .where(fanouts.c.tenant_id == tenant_id, fanouts.c.done_at.is_(None))
        .order_by(fanouts.c.created_at)
    )
    return list((await db.execute(query)).scalars())
