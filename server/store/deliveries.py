"""Rows of mail: one for each mail to each person, claimed by workers and finished one way or another.

A claim moves a row's due time to the end of the lease, so a worker that dies gives its rows back by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ids import new_id
from server.models import MailKind, MailState
from server.store.database import insert_all_absent
from server.store.schema import deliveries, fanouts, signups, subscribers, subscriptions, tenants


@dataclass(frozen=True)
class Delivery:
    """One mail that a worker holds."""

    tenant_id: str
    id: str
    kind: MailKind
    subscriber_id: str | None
    signup_id: str | None
    incident_id: str | None
    fanout_id: str | None
    message_id: str
    attempts: int
    created_at: datetime


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt. `due_at` is given where it will be tried again."""

    id: str
    state: MailState
    reply: str
    due_at: datetime | None = None
    counts: bool = True
    """Whether the attempt counts; one that the channel's own trouble ended does not."""


@dataclass(frozen=True)
class Cause:
    """What a mail is about, and its place in the order of that incident's mails."""

    kind: MailKind
    incident_id: str | None = None
    fanout_id: str | None = None
    position: int = 0


async def insert_for_signup(
    db: AsyncConnection, tenant_id: str, signup_id: str, mail_domain: str, at: datetime
) -> None:
    row = _row(tenant_id, Cause(MailKind.VERIFICATION), mail_domain, at) | {"signup_id": signup_id}
    await db.execute(sa.insert(deliveries).values(row))


async def insert_for_subscribers(
    db: AsyncConnection,
    tenant_id: str,
    cause: Cause,
    subscriber_ids: Sequence[str],
    mail_domain: str,
    at: datetime,
) -> None:
    """Queue a mail to each; whoever has one of the same fan-out already gets no second."""
    rows = [_row(tenant_id, cause, mail_domain, at) | {"subscriber_id": one} for one in subscriber_ids]
    if rows:
        await insert_all_absent(db, deliveries, rows)


async def tenants_with_due(db: AsyncConnection, now: datetime) -> list[str]:
    mine = sa.select(sa.literal(1)).where(
        deliveries.c.tenant_id == tenants.c.id, deliveries.c.state == MailState.QUEUED, deliveries.c.due_at <= now
    )
    return list((await db.execute(sa.select(tenants.c.id).where(mine.exists()))).scalars())


async def claim(
    db: AsyncConnection, tenant_id: str, owner: str, now: datetime, until: datetime, limit: int
) -> list[Delivery]:
    """Take the next due mails of the tenant until then.

    Mail about an incident waits while another update of it is being expanded (it may overtake) and while an
    earlier mail to the same person about it is under way (it must arrive first).
    """
    if db.dialect.name == "postgresql":  # one claim at a time per tenant, or two could not see each other's
        await db.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(tenant_id, 0))))
    query = (
        sa.select(deliveries.c.id)
        .where(
            deliveries.c.tenant_id == tenant_id,
            deliveries.c.state == MailState.QUEUED,
            deliveries.c.due_at <= now,
            ~_being_expanded().exists(),
            ~_sibling(under_way_at=now).exists(),
        )
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=deliveries)
    )
    found = list((await db.execute(query)).scalars())
    if not found:
        return []
    taken = (
        sa.update(deliveries)
        .where(deliveries.c.tenant_id == tenant_id, deliveries.c.id.in_(found))
        .values(lease_owner=owner, due_at=until)
        .returning(*(deliveries.c[name] for name in Delivery.__dataclass_fields__))
    )
    rows = (await db.execute(taken)).mappings().all()
    return sorted((_delivery(row) for row in rows), key=lambda delivery: delivery.id)


async def overtaken(db: AsyncConnection, tenant_id: str, ids: Collection[str]) -> set[str]:
    """Those of the mails after which a later one about the same incident was queued for the same person."""
    query = sa.select(deliveries.c.id).where(
        deliveries.c.tenant_id == tenant_id,
        deliveries.c.id.in_(ids),
        deliveries.c.kind == MailKind.UPDATE,
        _sibling(newer=True).exists(),
    )
    return set((await db.execute(query)).scalars())


async def unsubscribed(db: AsyncConnection, tenant_id: str, ids: Collection[str]) -> set[str]:
    """Those of the mails whose subscriber hears of nothing any more."""
    hears = sa.select(sa.literal(1)).where(
        subscriptions.c.tenant_id == deliveries.c.tenant_id,
        subscriptions.c.subscriber_id == deliveries.c.subscriber_id,
    )
    query = sa.select(deliveries.c.id).where(
        deliveries.c.tenant_id == tenant_id,
        deliveries.c.id.in_(ids),
        deliveries.c.subscriber_id.is_not(None),
        ~hears.exists(),
    )
    return set((await db.execute(query)).scalars())


async def finish(
    db: AsyncConnection, tenant_id: str, owner: str, outcomes: Sequence[Outcome], at: datetime
) -> None:
    """Write what became of claimed mails. A mail that was sent is sent, even if the lease had passed."""
    rows = [
        {
            "b_id": outcome.id,
            "b_state": outcome.state,
            "b_reply": outcome.reply[:500],
            "b_due": outcome.due_at or at,
            "b_finished": None if outcome.state is MailState.QUEUED else at,
            "b_counts": int(outcome.counts),
        }
        for outcome in outcomes
    ]
    query = (
        sa.update(deliveries)
        .where(
            deliveries.c.tenant_id == tenant_id,
            deliveries.c.id == sa.bindparam("b_id"),
            deliveries.c.state == MailState.QUEUED,
            sa.or_(deliveries.c.lease_owner == owner, sa.bindparam("b_state") == MailState.SENT.value),
        )
        .values(
            state=sa.bindparam("b_state"),
            reply=sa.bindparam("b_reply"),
            due_at=sa.bindparam("b_due", type_=deliveries.c.due_at.type),
            finished_at=sa.bindparam("b_finished", type_=deliveries.c.finished_at.type),
            attempts=deliveries.c.attempts + sa.bindparam("b_counts", type_=sa.Integer),
            lease_owner=None,
        )
    )
    await db.execute(query, rows)


async def extend(db: AsyncConnection, tenant_id: str, owner: str, until: datetime) -> None:
    """Keep what this owner has claimed and not finished."""
    query = sa.update(deliveries).where(
        deliveries.c.tenant_id == tenant_id,
        deliveries.c.lease_owner == owner,
        deliveries.c.state == MailState.QUEUED,
    )
    await db.execute(query.values(due_at=until))


async def release(db: AsyncConnection, tenant_id: str, owner: str, ids: Collection[str], due_at: datetime) -> None:
    """Give claimed mails back untried."""
    query = sa.update(deliveries).where(
        deliveries.c.tenant_id == tenant_id,
        deliveries.c.id.in_(ids),
        deliveries.c.lease_owner == owner,
        deliveries.c.state == MailState.QUEUED,
    )
    await db.execute(query.values(due_at=due_at, lease_owner=None))


async def set_state(
    db: AsyncConnection, tenant_id: str, ids: Collection[str], state: MailState, reply: str, at: datetime
) -> None:
    query = sa.update(deliveries).where(deliveries.c.tenant_id == tenant_id, deliveries.c.id.in_(ids))
    await db.execute(query.values(state=state, reply=reply, finished_at=at, lease_owner=None))


async def find(db: AsyncConnection, delivery_id: str) -> tuple[Delivery, str] | None:
    """A mail and the address it went to. Names no tenant: a bounce does not, and proves the id by its MAC."""
    address = sa.func.coalesce(subscribers.c.address, signups.c.address)
    query = (
        sa.select(*(deliveries.c[name] for name in Delivery.__dataclass_fields__), address.label("address"))
        .outerjoin(
            subscribers,
            sa.and_(
                subscribers.c.tenant_id == deliveries.c.tenant_id, subscribers.c.id == deliveries.c.subscriber_id
            ),
        )
        .outerjoin(
            signups,
            sa.and_(signups.c.tenant_id == deliveries.c.tenant_id, signups.c.id == deliveries.c.signup_id),
        )
        .where(deliveries.c.id == delivery_id)
    )
    row = (await db.execute(query)).mappings().first()
    return None if row is None else (_delivery(row), row["address"])


async def count_states(db: AsyncConnection, tenant_id: str) -> dict[MailState, int]:
    query = (
        sa.select(deliveries.c.state, sa.func.count())
        .where(deliveries.c.tenant_id == tenant_id)
        .group_by(deliveries.c.state)
    )
    return {MailState(state): number for state, number in (await db.execute(query)).all()}


async def states_by_incident(
    db: AsyncConnection, tenant_id: str, incident_ids: Collection[str]
) -> list[tuple[str, MailState, int]]:
    """Of the mails about these incidents: the incident, what became of them, how many."""
    mine = deliveries.c
    query = (
        sa.select(mine.incident_id, mine.state, sa.func.count())
        .where(mine.tenant_id == tenant_id, mine.incident_id.in_(incident_ids))
        .group_by(mine.incident_id, mine.state)
    )
    rows = (await db.execute(query)).all()
    return [(incident_id, MailState(state), number) for incident_id, state, number in rows]


async def states_of_signups(db: AsyncConnection, tenant_id: str) -> list[MailState]:
    """What became of the verification mails, oldest first."""
    query = sa.select(deliveries.c.state).where(
        deliveries.c.tenant_id == tenant_id, deliveries.c.signup_id.is_not(None)
    )
    return [MailState(state) for state in (await db.execute(query.order_by(deliveries.c.id))).scalars()]


async def troubled(db: AsyncConnection, tenant_id: str, limit: int) -> list[Mapping[str, Any]]:
    """The newest mails that failed or wait after a failure: address, state, attempts and the last reply."""
    address = sa.func.coalesce(subscribers.c.address, signups.c.address)
    failed = deliveries.c.state.in_([MailState.DEAD, MailState.BOUNCED])
    waiting = sa.and_(deliveries.c.state == MailState.QUEUED, deliveries.c.reply.is_not(None))
    query = (
        sa.select(
            deliveries.c.id,
            address.label("address"),
            deliveries.c.state,
            deliveries.c.attempts,
            deliveries.c.reply,
        )
        .outerjoin(
            subscribers,
            sa.and_(
                subscribers.c.tenant_id == deliveries.c.tenant_id, subscribers.c.id == deliveries.c.subscriber_id
            ),
        )
        .outerjoin(
            signups,
            sa.and_(signups.c.tenant_id == deliveries.c.tenant_id, signups.c.id == deliveries.c.signup_id),
        )
        .where(deliveries.c.tenant_id == tenant_id, sa.or_(failed, waiting))
        .order_by(deliveries.c.id.desc())
        .limit(limit)
    )
    return [dict(row) for row in (await db.execute(query)).mappings()]


async def retry(db: AsyncConnection, tenant_id: str, at: datetime) -> int:
    """Queue the dead mails again, and try those that wait at once. Returns how many."""
    dead = deliveries.c.state == MailState.DEAD
    waiting = sa.and_(deliveries.c.state == MailState.QUEUED, deliveries.c.lease_owner.is_(None))
    query = (
        sa.update(deliveries)
        .where(deliveries.c.tenant_id == tenant_id, sa.or_(dead, waiting))
        .values(state=MailState.QUEUED, due_at=at, created_at=at, finished_at=None)
    )
    return (await db.execute(query)).rowcount


async def delete_finished_before(db: AsyncConnection, tenant_id: str, moment: datetime, limit: int) -> int:
    """Forget what became of old mail. Returns how many rows went."""
    old = sa.select(deliveries.c.id).where(
        deliveries.c.tenant_id == tenant_id,
        deliveries.c.state != MailState.QUEUED,
        deliveries.c.finished_at < moment,
    )
    ids = list((await db.execute(old.limit(limit))).scalars())
    await db.execute(sa.delete(deliveries).where(deliveries.c.tenant_id == tenant_id, deliveries.c.id.in_(ids)))
    return len(ids)


def _being_expanded() -> sa.Select[Any]:
    return sa.select(sa.literal(1)).where(
        fanouts.c.tenant_id == deliveries.c.tenant_id,
        fanouts.c.incident_id == deliveries.c.incident_id,
        fanouts.c.done_at.is_(None),
        deliveries.c.kind == MailKind.UPDATE,
    )


def _sibling(newer: bool = False, under_way_at: datetime | None = None) -> sa.Select[Any]:
    """Another update's mail to the same person about the same incident: newer, or older and under way."""
    other = deliveries.alias("sibling")
    conditions: Iterable[sa.ColumnElement[bool]]
    if newer:
        conditions = [other.c.position > deliveries.c.position]
    else:
        conditions = [
            other.c.position < deliveries.c.position,
            other.c.state == MailState.QUEUED,
            other.c.lease_owner.is_not(None),
            other.c.due_at > under_way_at,
        ]
    return (
        sa.select(sa.literal(1))
        .select_from(other)
        .where(
            other.c.tenant_id == deliveries.c.tenant_id,
            other.c.subscriber_id == deliveries.c.subscriber_id,
            other.c.incident_id == deliveries.c.incident_id,
            other.c.kind == MailKind.UPDATE,
            *conditions,
        )
    )


def _row(tenant_id: str, cause: Cause, mail_domain: str, at: datetime) -> dict[str, Any]:
    delivery_id = new_id("dlv")
    return {
        "tenant_id": tenant_id,
        "id": delivery_id,
        "kind": cause.kind,
        "incident_id": cause.incident_id,
        "fanout_id": cause.fanout_id,
        "position": cause.position,
        "message_id": f"{delivery_id}@{mail_domain}",
        "state": MailState.QUEUED,
        "attempts": 0,
        "created_at": at,
        "due_at": at,
    }


def _delivery(row: sa.RowMapping) -> Delivery:
    values = {name: row[name] for name in Delivery.__dataclass_fields__}
    return Delivery(**values | {"kind": MailKind(row["kind"])})
