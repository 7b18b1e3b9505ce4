"""Rows of matches: which incident was named in an answer, and in which conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store import conversations
from server.store.schema import matches


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
