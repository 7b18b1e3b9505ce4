"""Rows of the pictures that tenants put on their pages."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.models import BrandPicture
from server.store.schema import brand_pictures


async def replace(db: AsyncConnection, tenant_id: str, picture: BrandPicture, png: bytes) -> None:
    """Put it in the place of the one that the tenant has for this role, if any."""
    await delete(db, tenant_id, picture.role)
    row = {"tenant_id": tenant_id, **picture.model_dump(), "png": png}
    await db.execute(sa.insert(brand_pictures).values(row))


async def delete(db: AsyncConnection, tenant_id: str, role: str) -> bool:
    """Whether there was one."""
    return (await db.execute(sa.delete(brand_pictures).where(*_one(tenant_id, role)))).rowcount == 1


async def of_tenant(db: AsyncConnection, tenant_id: str) -> dict[str, BrandPicture]:
    """What is known of each picture, by role; not the pictures themselves."""
    columns = (brand_pictures.c[name] for name in BrandPicture.model_fields)
    query = sa.select(*columns).where(brand_pictures.c.tenant_id == tenant_id)
    return {row["role"]: BrandPicture(**row) for row in (await db.execute(query)).mappings()}


async def png(db: AsyncConnection, tenant_id: str, role: str) -> bytes | None:
    found: bytes | None = (
        await db.execute(sa.select(brand_pictures.c.png).where(*_one(tenant_id, role)))
    ).scalar()
    return found


def _one(tenant_id: str, role: str) -> tuple[sa.ColumnElement[bool], ...]:
    return brand_pictures.c.tenant_id == tenant_id, brand_pictures.c.role == role
