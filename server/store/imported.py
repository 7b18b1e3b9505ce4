"""Rows that say what was taken over from another status page, by its id there."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.schema import imported

External = tuple[str, str]
"""A kind (`component`, `incident`, `update`) and the id on the other page."""


async def of_tenant(db: AsyncConnection, tenant_id: str) -> dict[External, str]:
    """Our ids of everything that was taken over."""
    rows = await db.execute(sa.select(imported).where(imported.c.tenant_id == tenant_id))
    return {(row["kind"], row["external_id"]): row["own_id"] for row in rows.mappings()}


async def insert(db: AsyncConnection, tenant_id: str, taken: Mapping[External, str]) -> None:
    rows = [
        {"tenant_id": tenant_id, "kind": kind, "external_id": external_id, "own_id": own_id}
        for (kind, external_id), own_id in taken.items()
    ]
    if rows:
        await db.execute(sa.insert(imported), rows)
