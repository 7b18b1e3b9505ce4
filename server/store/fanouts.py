"""Rows of the outbox: one for every update that subscribers shall hear of, written with the update itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ids import new_id
from server.store.schema import fanouts


@dataclass(frozen=True)
class Fanout:
    """An update whose mail is being queued. The cursor is the last subscriber that has it."""

    tenant_id: str
    id: str
    incident_id: str
    update_id: str
    created_at: datetime
    cursor: str | None


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


async def lock_next(db: AsyncConnection) -> Fanout | None:
    """The oldest waiting one of any tenant that nobody else expands. An incident's go one after another."""
    earlier = fanouts.alias("earlier")
    before = sa.select(sa.literal(1)).where(
        earlier.c.tenant_id == fanouts.c.tenant_id,
        earlier.c.incident_id == fanouts.c.incident_id,
        earlier.c.done_at.is_(None),
        _precedes(earlier, fanouts),
    )
    query = (
        _fanouts()
        .where(fanouts.c.done_at.is_(None), ~before.exists())
        .order_by(fanouts.c.created_at, fanouts.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=fanouts)
    )
    row = (await db.execute(query)).mappings().first()
    return None if row is None else Fanout(**row)


async def has_waiting(db: AsyncConnection) -> bool:
    found = await db.execute(sa.select(fanouts.c.id).where(fanouts.c.done_at.is_(None)).limit(1))
    return found.first() is not None


async def position(db: AsyncConnection, fanout: Fanout) -> int:
    """Its place among its incident's, from 1."""
    at, this = sa.literal(fanout.created_at, fanouts.c.created_at.type), fanout.id
    up_to = sa.or_(fanouts.c.created_at < at, sa.and_(fanouts.c.created_at == at, fanouts.c.id <= this))
    query = sa.select(sa.func.count()).where(
        fanouts.c.tenant_id == fanout.tenant_id, fanouts.c.incident_id == fanout.incident_id, up_to
    )
    place: int = (await db.execute(query)).scalar_one()
    return place


async def move_cursor(db: AsyncConnection, fanout: Fanout, cursor: str) -> None:
    await db.execute(_this(fanout).values(cursor=cursor))


async def finish(db: AsyncConnection, fanout: Fanout, at: datetime) -> None:
    await db.execute(_this(fanout).values(done_at=at))


async def newest_since(db: AsyncConnection, tenant_id: str, incident_id: str, moment: datetime) -> Fanout | None:
    """The incident's newest one, if it was written at that moment or later, or is not expanded yet."""
    query = (
        _fanouts()
        .where(
            fanouts.c.tenant_id == tenant_id,
            fanouts.c.incident_id == incident_id,
            sa.or_(fanouts.c.created_at >= moment, fanouts.c.done_at.is_(None)),
        )
        .order_by(fanouts.c.created_at.desc(), fanouts.c.id.desc())
        .limit(1)
    )
    row = (await db.execute(query)).mappings().first()
    return None if row is None else Fanout(**row)


async def many(db: AsyncConnection, tenant_id: str, fanout_ids: list[str]) -> dict[str, Fanout]:
    query = _fanouts().where(fanouts.c.tenant_id == tenant_id, fanouts.c.id.in_(fanout_ids))
    return {row["id"]: Fanout(**row) for row in (await db.execute(query)).mappings()}


def _fanouts() -> sa.Select[Any]:
    return sa.select(*(fanouts.c[name] for name in Fanout.__dataclass_fields__))


def _this(fanout: Fanout) -> sa.Update:
    return sa.update(fanouts).where(fanouts.c.tenant_id == fanout.tenant_id, fanouts.c.id == fanout.id)


def _precedes(one: sa.FromClause, other: sa.FromClause) -> sa.ColumnElement[bool]:
    same = sa.and_(one.c.created_at == other.c.created_at, one.c.id < other.c.id)
    return sa.or_(one.c.created_at < other.c.created_at, same)
