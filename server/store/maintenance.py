"""Rows of what the clock has to do for planned maintenance: remind of it, begin it, end it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ids import new_id
from server.models import IncidentKind
from server.store.schema import incidents, maintenance_moments

moments = maintenance_moments


class What(StrEnum):
    REMINDER = "reminder"
    START = "start"
    END = "end"


@dataclass(frozen=True)
class Moment:
    """Something to do at a time. A reminder's cursor is the last subscriber that has it."""

    tenant_id: str
    id: str
    incident_id: str
    what: What
    at: datetime
    cursor: str | None


async def plan(
    db: AsyncConnection, tenant_id: str, incident_id: str, planned: Iterable[tuple[What, datetime]]
) -> None:
    """These are the maintenance's moments from now on; those planned before and not done yet are given up."""
    await forget(db, tenant_id, incident_id)
    rows = [
        {"tenant_id": tenant_id, "id": new_id("mom"), "incident_id": incident_id, "what": what, "at": at}
        for what, at in planned
    ]
    if rows:
        await db.execute(sa.insert(moments), rows)


async def forget(db: AsyncConnection, tenant_id: str, incident_id: str) -> None:
    mine = (moments.c.tenant_id == tenant_id, moments.c.incident_id == incident_id)
    await db.execute(sa.delete(moments).where(*mine, moments.c.done_at.is_(None)))


async def due(db: AsyncConnection, now: datetime) -> list[Moment]:
    """Every start and end of any tenant that has come and is not done, in the order in which they came."""
    query = _due(now, What.START, What.END).order_by(moments.c.at, moments.c.id)
    return [_moment(row) for row in (await db.execute(query)).mappings()]


async def waiting(db: AsyncConnection, moment: Moment) -> bool:
    """Whether it is still to be done: no other process did it, and the window was not moved meanwhile."""
    query = sa.select(moments.c.id).where(*_this(moment), moments.c.done_at.is_(None))
    return (await db.execute(query)).first() is not None


async def has_due_reminder(db: AsyncConnection, now: datetime) -> bool:
    return (await db.execute(_due(now, What.REMINDER).limit(1))).first() is not None


async def lock_due_reminder(db: AsyncConnection, now: datetime) -> Moment | None:
    """The oldest due reminder of any tenant that nobody else expands."""
    query = _due(now, What.REMINDER).order_by(moments.c.at, moments.c.id).limit(1)
    row = (await db.execute(query.with_for_update(skip_locked=True))).mappings().first()
    return None if row is None else _moment(row)


async def is_last_due(db: AsyncConnection, moment: Moment, now: datetime) -> bool:
    """Whether no later reminder of the same maintenance is due too."""
    query = _due(now, What.REMINDER).where(
        moments.c.tenant_id == moment.tenant_id,
        moments.c.incident_id == moment.incident_id,
        moments.c.at > moment.at,
    )
    return (await db.execute(query.limit(1))).first() is None


async def move_cursor(db: AsyncConnection, moment: Moment, cursor: str) -> None:
    await db.execute(sa.update(moments).where(*_this(moment)).values(cursor=cursor))


async def finish(db: AsyncConnection, moment: Moment, at: datetime) -> None:
    await db.execute(sa.update(moments).where(*_this(moment)).values(done_at=at))


async def open_ids(db: AsyncConnection, tenant_id: str) -> list[str]:
    """Of every maintenance that is not over, the next one first."""
    query = _ids(tenant_id, incidents.c.resolved_at.is_(None)).order_by(incidents.c.starts_at, incidents.c.id)
    return list((await db.execute(query)).scalars())


async def past_ids(db: AsyncConnection, tenant_id: str, limit: int) -> list[str]:
    """Of maintenance that is over or was cancelled, the latest window first."""
    latest_first = (incidents.c.starts_at.desc(), incidents.c.id.desc())
    query = _ids(tenant_id, incidents.c.resolved_at.is_not(None)).order_by(*latest_first).limit(limit)
    return list((await db.execute(query)).scalars())


def _ids(tenant_id: str, which: sa.ColumnElement[bool]) -> sa.Select[Any]:
    is_maintenance = incidents.c.kind == IncidentKind.MAINTENANCE
    return sa.select(incidents.c.id).where(incidents.c.tenant_id == tenant_id, is_maintenance, which)


def _due(now: datetime, *what: What) -> sa.Select[Any]:
    return sa.select(*(moments.c[name] for name in Moment.__dataclass_fields__)).where(
        moments.c.done_at.is_(None), moments.c.at <= now, moments.c.what.in_(what)
    )


def _this(moment: Moment) -> tuple[sa.ColumnElement[bool], ...]:
    return moments.c.tenant_id == moment.tenant_id, moments.c.id == moment.id


def _moment(row: sa.RowMapping) -> Moment:
    return Moment(**{**row, "what": What(row["what"])})
