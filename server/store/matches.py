"""Rows of matches and of the conversations in which they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ids import new_id
from server.store.database import insert_if_absent
from server.store.schema import conversations, matches


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
            "conversation_id": await _conversation(db, record),
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


async def _conversation(db: AsyncConnection, record: MatchRecord) -> str | None:
    """The id of the record's conversation, whose row is written if this is the first match in it."""
    if record.conversation is None:
        return None
    row = {
        "tenant_id": record.tenant_id,
        "id": new_id("cnv"),
        "external_id": record.conversation,
        "customer_ref": record.customer,
        "created_at": record.at,
    }
    await insert_if_absent(db, conversations, row)
    query = sa.select(conversations.c.id).where(
        conversations.c.tenant_id == record.tenant_id, conversations.c.external_id == record.conversation
    )
    conversation_id: str = (await db.execute(query)).scalar_one()
    return conversation_id
