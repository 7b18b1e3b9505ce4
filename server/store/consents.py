"""Rows of consents: what a customer was asked and answered, word for word, and who read it as a yes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.models import Consent, Topic
from server.store.database import insert_if_absent
from server.store.schema import consents


async def insert(db: AsyncConnection, tenant_id: str, consent: Consent, address_key: str) -> bool:
    """Whether it is new; False if the conversation has a consent on this topic already."""
    row = consent.model_dump(exclude={"topic"}) | {
        "tenant_id": tenant_id,
        "topic": consent.topic.kind,
        "subject_id": consent.topic.id,
        "address_key": address_key,
    }
    return await insert_if_absent(db, consents, row)


async def in_conversation(db: AsyncConnection, tenant_id: str, conversation: str, topic: Topic) -> Consent | None:
    query = sa.select(consents).where(
        consents.c.tenant_id == tenant_id,
        consents.c.conversation == conversation,
        consents.c.topic == topic.kind,
        consents.c.subject_id == topic.id,
    )
    row = (await db.execute(query)).mappings().first()
    return None if row is None else _consent(row)


async def of_address(db: AsyncConnection, tenant_id: str, address_key: str) -> list[Consent]:
    """The oldest first."""
    query = sa.select(consents).where(consents.c.tenant_id == tenant_id, consents.c.address_key == address_key)
    return [_consent(row) for row in (await db.execute(query.order_by(consents.c.at))).mappings()]


async def count_by_key(db: AsyncConnection, tenant_id: str, key_id: str, since: datetime) -> int:
    query = sa.select(sa.func.count()).where(
        consents.c.tenant_id == tenant_id, consents.c.key_id == key_id, consents.c.at >= since
    )
    found: int = (await db.execute(query)).scalar_one()
    return found


async def delete_of(db: AsyncConnection, tenant_id: str, address_key: str) -> int:
    query = sa.delete(consents).where(consents.c.tenant_id == tenant_id, consents.c.address_key == address_key)
    return (await db.execute(query)).rowcount


async def delete_before(db: AsyncConnection, tenant_id: str, moment: datetime) -> None:
    await db.execute(sa.delete(consents).where(consents.c.tenant_id == tenant_id, consents.c.at < moment))


def _consent(row: Mapping[Any, Any]) -> Consent:
    own = {name: row[name] for name in Consent.model_fields if name != "topic"}
    return Consent(**own, topic=Topic(kind=row["topic"], id=row["subject_id"]))
