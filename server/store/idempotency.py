"""Rows of idempotency keys: the first request under a key, and what it returned."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.database import insert_if_absent
from server.store.schema import idempotency


async def claim(
    db: AsyncConnection, tenant_id: str, actor_id: str, key: str, request: str, at: datetime
) -> tuple[str, Any] | None:
    """Take the key for this request, or return the request and the result of the one that took it first.

    On PostgreSQL a second caller waits here until the first one's transaction ends.
    """
    row = {"tenant_id": tenant_id, "actor_id": actor_id, "key": key, "request": request, "created_at": at}
    if await insert_if_absent(db, idempotency, row):
        return None
    query = sa.select(idempotency.c.request, idempotency.c.result).where(*_this(tenant_id, actor_id, key))
    first, result = (await db.execute(query)).one()
    return first, result


async def keep(db: AsyncConnection, tenant_id: str, actor_id: str, key: str, result: Any) -> None:
    await db.execute(sa.update(idempotency).where(*_this(tenant_id, actor_id, key)).values(result=result))


async def forget_before(db: AsyncConnection, tenant_id: str, moment: datetime) -> None:
    gone = sa.delete(idempotency).where(idempotency.c.tenant_id == tenant_id, idempotency.c.created_at < moment)
    await db.execute(gone)


def _this(tenant_id: str, actor_id: str, key: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (idempotency.c.tenant_id == tenant_id, idempotency.c.actor_id == actor_id, idempotency.c.key == key)
