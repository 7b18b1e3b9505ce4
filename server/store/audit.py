"""Rows of the audit log: who did what to what, and when. Rows are only ever added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ids import new_id
from server.store.schema import audit


async def insert(
    db: AsyncConnection, tenant_id: str, at: datetime, actor_id: str, actor: str, action: str, subject: str,
    details: dict[str, Any],
) -> None:  # fmt: skip
    row = {"tenant_id": tenant_id, "id": new_id("aud"), "at": at, "actor_id": actor_id, "actor": actor}
    await db.execute(sa.insert(audit).values(row | {"action": action, "subject": subject, "details": details}))


async def of_tenant(db: AsyncConnection, tenant_id: str, limit: int) -> list[dict[str, Any]]:
    """The newest entries first."""
    query = sa.select(audit).where(audit.c.tenant_id == tenant_id).order_by(audit.c.id.desc()).limit(limit)
    return [dict(row) for row in (await db.execute(query)).mappings()]
