"""Rows of conversations, and of what human agents made of the incidents that they were shown in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ids import new_id
from server.models import CardOutcome, CardRecord
from server.store.database import insert_if_absent
from server.store.schema import conversation_incidents, conversations

_OURS = conversation_incidents.c
_NAMES = tuple(CardRecord.model_fields)
_SHOWN = [_OURS[name] for name in _NAMES]


async def get_or_insert(
    db: AsyncConnection, tenant_id: str, reference: str, customer: str | None, at: datetime
) -> str:
    """The id of the conversation with that reference (a keyed hash), whose row is written if it is new."""
    row = {
        "tenant_id": tenant_id,
        "id": new_id("cnv"),
        "external_id": reference,
        "customer_ref": customer,
        "created_at": at,
    }
    await insert_if_absent(db, conversations, row)
    query = sa.select(conversations.c.id).where(
        conversations.c.tenant_id == tenant_id, conversations.c.external_id == reference
    )
    conversation_id: str = (await db.execute(query)).scalar_one()
    return conversation_id


async def cards_in(
    db: AsyncConnection, tenant_id: str, references: Collection[str]
) -> Mapping[str, Sequence[CardRecord]]:
    """Per reference of a conversation, its incidents, the newest first; nothing for those without any."""
    query = (
        sa.select(conversations.c.external_id, *_SHOWN)
        .join_from(
            conversations,
            conversation_incidents,
            (_OURS.tenant_id == conversations.c.tenant_id) & (_OURS.conversation_id == conversations.c.id),
        )
        .where(conversations.c.tenant_id == tenant_id, conversations.c.external_id.in_(references))
        .order_by(_OURS.at.desc())
    )
    found = defaultdict(list)
    for row in (await db.execute(query)).mappings():
        found[row["external_id"]].append(CardRecord.model_validate({name: row[name] for name in _NAMES}))
    return found


async def get(db: AsyncConnection, tenant_id: str, conversation_id: str, incident_id: str) -> CardRecord | None:
    query = sa.select(*_SHOWN).where(
        _OURS.tenant_id == tenant_id, _OURS.conversation_id == conversation_id, _OURS.incident_id == incident_id
    )
    row = (await db.execute(query)).mappings().first()
    return None if row is None else CardRecord.model_validate(dict(row))


async def save(db: AsyncConnection, tenant_id: str, conversation_id: str, card: CardRecord) -> None:
    """Write what was made of an incident in a conversation, in place of what was before."""
    row = card.model_dump() | {"tenant_id": tenant_id, "conversation_id": conversation_id}
    if not await insert_if_absent(db, conversation_incidents, row):
        await db.execute(
            sa.update(conversation_incidents)
            .where(
                _OURS.tenant_id == tenant_id,
                _OURS.conversation_id == conversation_id,
                _OURS.incident_id == card.incident_id,
            )
            .values(card.model_dump(exclude={"incident_id"}))
        )


async def show(db: AsyncConnection, tenant_id: str, conversation_id: str, card: CardRecord) -> None:
    """Note that a card is shown now, unless an agent decided on it meanwhile."""
    row = card.model_dump() | {"tenant_id": tenant_id, "conversation_id": conversation_id}
    if not await insert_if_absent(db, conversation_incidents, row):
        await db.execute(
            sa.update(conversation_incidents)
            .where(
                _OURS.tenant_id == tenant_id,
                _OURS.conversation_id == conversation_id,
                _OURS.incident_id == card.incident_id,
                _OURS.outcome == CardOutcome.SHOWN,
            )
            .values(at=card.at, relevance=card.relevance)
        )


async def outcomes(
    db: AsyncConnection, tenant_id: str, incident_ids: Collection[str]
) -> list[tuple[str, CardOutcome, bool, int]]:
    """Per incident and outcome: whether a card had been shown before it, and in how many conversations."""
    was_shown = _OURS.match_id.is_not(None).label("was_shown")
    query = (
        sa.select(_OURS.incident_id, _OURS.outcome, was_shown, sa.func.count())
        .where(_OURS.tenant_id == tenant_id, _OURS.incident_id.in_(incident_ids))
        .group_by(_OURS.incident_id, _OURS.outcome, was_shown)
    )
    rows = (await db.execute(query)).all()
    return [(incident_id, CardOutcome(made), bool(shown), number) for incident_id, made, shown, number in rows]
