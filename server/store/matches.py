"""Rows of matches: which incident was named in an answer, and in which conversation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store import conversations
from server.store.schema import conversation_incidents, matches

HOUR = 3600


@dataclass(frozen=True)
class MatchRecord:
    """That an incident was named in an answer. Conversation and customer are keyed hashes, or unknown."""

    tenant_id: str
    match_id: str
    incident_id: str
    source: str
    relevance: float
    at: datetime
    conversation: str | None
    customer: str | None


@dataclass(frozen=True)
class Named:
    """How often one face named one incident."""

    incident_id: str
    source: str
    answers: int
    anonymous: int
    """Answers in no conversation that the host told of."""
    first_at: datetime
    relevance: float
    """The mean of the probabilities that were said."""


async def insert(db: AsyncConnection, records: Sequence[MatchRecord]) -> None:
    rows = [
        {
            "tenant_id": record.tenant_id,
            "id": record.match_id,
            "incident_id": record.incident_id,
            "conversation_id": record.conversation
            and await conversations.get_or_insert(
                db, record.tenant_id, record.conversation, record.customer, record.at
            ),
            "source": record.source,
            "relevance": record.relevance,
            "created_at": record.at,
        }
        for record in records
    ]
    await db.execute(sa.insert(matches), rows)


async def count(db: AsyncConnection, tenant_id: str, incident_id: str) -> int:
    query = sa.select(sa.func.count()).where(
        matches.c.tenant_id == tenant_id, matches.c.incident_id == incident_id
    )
    count: int = (await db.execute(query)).scalar_one()
    return count


async def exists(db: AsyncConnection, tenant_id: str, match_id: str, incident_id: str) -> bool:
    """Whether an answer with that match id named that incident."""
    query = sa.select(sa.true()).where(
        matches.c.tenant_id == tenant_id, matches.c.id == match_id, matches.c.incident_id == incident_id
    )
    return (await db.execute(query)).first() is not None


async def named(db: AsyncConnection, tenant_id: str, incident_ids: Collection[str]) -> list[Named]:
    """Per incident and face; nothing for those that no answer named."""
    mine = matches.c
    query = (
        sa.select(
            mine.incident_id,
            mine.source,
            sa.func.count().label("answers"),
            (sa.func.count() - sa.func.count(mine.conversation_id)).label("anonymous"),
            sa.func.min(mine.created_at).label("first_at"),
            sa.func.avg(mine.relevance).label("relevance"),
        )
        .where(mine.tenant_id == tenant_id, mine.incident_id.in_(incident_ids))
        .group_by(mine.incident_id, mine.source)
    )
    return [Named(**row) for row in (await db.execute(query)).mappings()]


async def conversations_of(
    db: AsyncConnection, tenant_id: str, incident_ids: Collection[str], sources: Collection[str] | None = None
) -> dict[str, int]:
    """Per incident, the distinct conversations in which an answer (of those faces) named it."""
    query = _conversations(tenant_id, incident_ids, sources)
    return {row[0]: row[1] for row in await db.execute(query)}


async def conversations_of_machines_alone(
    db: AsyncConnection, tenant_id: str, incident_ids: Collection[str], sources: Collection[str]
) -> dict[str, int]:
    """As `conversations_of`, without those in which a human agent was shown any incident as well."""
    seen = conversation_incidents.c
    handed_over = sa.exists().where(
        seen.tenant_id == matches.c.tenant_id, seen.conversation_id == matches.c.conversation_id
    )
    query = _conversations(tenant_id, incident_ids, sources).where(~handed_over)
    return {row[0]: row[1] for row in await db.execute(query)}


async def by_hour(db: AsyncConnection, tenant_id: str, incident_id: str) -> list[tuple[datetime, str, int]]:
    """Answers that named the incident: the hour's beginning (UTC), the face, how many; the earliest first."""
    second = sa.cast(sa.extract("epoch", matches.c.created_at), sa.BigInteger)
    begin = (second // sa.literal_column(str(HOUR), sa.BigInteger)).label("hour")
    query = (
        sa.select(begin, matches.c.source, sa.func.count())
        .where(matches.c.tenant_id == tenant_id, matches.c.incident_id == incident_id)
        .group_by(begin, matches.c.source)
        .order_by(begin, matches.c.source)
    )
    rows = (await db.execute(query)).all()
    return [(datetime.fromtimestamp(int(hour) * HOUR, UTC), source, number) for hour, source, number in rows]


def _conversations(
    tenant_id: str, incident_ids: Collection[str], sources: Collection[str] | None
) -> sa.Select[Any]:
    mine = matches.c
    query = (
        sa.select(mine.incident_id, sa.func.count(sa.distinct(mine.conversation_id)))
        .where(mine.tenant_id == tenant_id, mine.incident_id.in_(incident_ids), mine.conversation_id.is_not(None))
        .group_by(mine.incident_id)
    )
    return query if sources is None else query.where(mine.source.in_(sources))
