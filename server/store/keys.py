"""Rows of API keys. A key is found by the digest of its secret, which is all that is stored of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.models import ApiKey
from server.store.schema import api_keys

_SHOWN = [column for column in api_keys.c if column.name != "digest"]


async def insert(db: AsyncConnection, key: ApiKey, digest: str) -> None:
    values = key.model_dump() | {"scopes": sorted(key.scopes), "digest": digest}
    await db.execute(sa.insert(api_keys).values(values))


async def by_digest(db: AsyncConnection, digest: str) -> ApiKey | None:
    """The one statement that names no tenant: the digest of a 256-bit secret is what tells the tenant."""
    row = (await db.execute(sa.select(*_SHOWN).where(api_keys.c.digest == digest))).mappings().first()
    return None if row is None else ApiKey.model_validate(dict(row))


async def get(db: AsyncConnection, tenant_id: str, key_id: str) -> ApiKey | None:
    query = sa.select(*_SHOWN).where(api_keys.c.tenant_id == tenant_id, api_keys.c.id == key_id)
    row = (await db.execute(query)).mappings().first()
    return None if row is None else ApiKey.model_validate(dict(row))


async def of_tenant(db: AsyncConnection, tenant_id: str) -> list[ApiKey]:
    query = sa.select(*_SHOWN).where(api_keys.c.tenant_id == tenant_id).order_by(api_keys.c.created_at)
    return [ApiKey.model_validate(dict(row)) for row in (await db.execute(query)).mappings()]


async def revoke(db: AsyncConnection, tenant_id: str, key_id: str, at: datetime) -> bool:
    """Whether there was such a key. Revoking twice keeps the first time."""
    query = (
        sa.update(api_keys)
        .where(api_keys.c.tenant_id == tenant_id, api_keys.c.id == key_id)
        .values(revoked_at=sa.func.coalesce(api_keys.c.revoked_at, sa.literal(at, api_keys.c.revoked_at.type)))
    )
    return (await db.execute(query)).rowcount == 1


async def used(db: AsyncConnection, uses: Mapping[tuple[str, str], datetime]) -> None:
    """Note when keys, given as (tenant id, key id), were last used."""
    rows = [{"tenant": tenant, "key": key, "at": at} for (tenant, key), at in uses.items()]
    query = (
        sa.update(api_keys)
        .where(api_keys.c.tenant_id == sa.bindparam("tenant"), api_keys.c.id == sa.bindparam("key"))
        .values(last_used_at=sa.bindparam("at", type_=api_keys.c.last_used_at.type))
    )
    await db.execute(query, rows)
