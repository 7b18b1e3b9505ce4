"""Rows of channels: a tenant's own mail server. Its password and keys are sealed before they come here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.schema import channels


async def get(db: AsyncConnection, tenant_id: str) -> sa.RowMapping | None:
    found = await db.execute(sa.select(channels).where(channels.c.tenant_id == tenant_id))
    return found.mappings().first()


async def save(db: AsyncConnection, tenant_id: str, values: Mapping[str, Any]) -> None:
    """Write these columns, of a new row if there is none. Whatever troubled the channel is forgotten."""
    written = dict(values) | {"paused_until": None, "trouble": None}
    changed = await db.execute(sa.update(channels).where(channels.c.tenant_id == tenant_id).values(written))
    if not changed.rowcount:
        await db.execute(sa.insert(channels).values(written | {"tenant_id": tenant_id}))


async def delete(db: AsyncConnection, tenant_id: str) -> bool:
    """Whether there was one."""
    return (await db.execute(sa.delete(channels).where(channels.c.tenant_id == tenant_id))).rowcount > 0


async def pause(db: AsyncConnection, tenant_id: str, until: datetime | None, trouble: str | None) -> None:
    query = sa.update(channels).where(channels.c.tenant_id == tenant_id)
    await db.execute(query.values(paused_until=until, trouble=trouble and trouble[:500]))
