"""Rows of the secrets that an installation made for itself."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.database import insert_if_absent
from server.store.schema import secrets


async def get_or_keep(db: AsyncConnection, name: str, value: str) -> str:
    """The secret of that name; `value` becomes it if there is none yet."""
    await insert_if_absent(db, secrets, {"name": name, "value": value})
    kept: str = (await db.execute(sa.select(secrets.c.value).where(secrets.c.name == name))).scalar_one()
    return kept
