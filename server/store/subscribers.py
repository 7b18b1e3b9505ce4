"""Rows of subscribers and what they hear of, of signups that wait to be confirmed, and of suppressed addresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.models import Ground, Offer, Signup, Subscriber, Subscription, Topic, TopicKind
from server.store.database import insert_if_absent
from server.store.schema import deliveries, offers, signups, subscribers, subscriptions, suppressions

# ----------------------------------------------------------------------------------------------- subscribers


async def get(db: AsyncConnection, tenant_id: str, subscriber_id: str) -> Subscriber | None:
    return await _first(db, tenant_id, subscribers.c.id == subscriber_id)


async def by_address(db: AsyncConnection, tenant_id: str, address_key: str) -> Subscriber | None:
    return await _first(db, tenant_id, subscribers.c.address_key == address_key)


async def many(db: AsyncConnection, tenant_id: str, subscriber_ids: Collection[str]) -> dict[str, Subscriber]:
    found = await _load(db, tenant_id, subscribers.c.id.in_(subscriber_ids))
    return {subscriber.id: subscriber for subscriber in found}


async def insert(db: AsyncConnection, tenant_id: str, subscriber: Subscriber, address_key: str) -> bool:
    """Whether it was inserted; False if the address has a row already. Subscriptions are not written."""
    row = subscriber.model_dump(exclude={"subscriptions"}) | {"tenant_id": tenant_id, "address_key": address_key}
    return await insert_if_absent(db, subscribers, row)


async def save_preferences(
    db: AsyncConnection, tenant_id: str, subscriber_id: str, language: str | None, time_zone: str | None
) -> None:
    mine = (subscribers.c.tenant_id == tenant_id, subscribers.c.id == subscriber_id)
    await db.execute(sa.update(subscribers).where(*mine).values(language=language, time_zone=time_zone))


async def add_subscription(
    db: AsyncConnection, tenant_id: str, subscriber_id: str, subscription: Subscription
) -> bool:
    """Whether it is new; False if the subscriber hears of the topic already."""
    row = {
        "tenant_id": tenant_id,
        "subscriber_id": subscriber_id,
        "topic": subscription.topic.kind,
        "subject_id": subscription.topic.id,
        "confirmed_at": subscription.confirmed_at,
        "ground": subscription.ground.model_dump(mode="json", exclude_defaults=True),
    }
    return await insert_if_absent(db, subscriptions, row)


async def end_subscriptions(
    db: AsyncConnection, tenant_id: str, subscriber_id: str, topics: Iterable[Topic] | None = None
) -> None:
    """End those on the topics, or all."""
    mine = [subscriptions.c.tenant_id == tenant_id, subscriptions.c.subscriber_id == subscriber_id]
    if topics is not None:
        pairs = [(topic.kind, topic.id) for topic in topics]
        mine.append(sa.tuple_(subscriptions.c.topic, subscriptions.c.subject_id).in_(pairs))
    await db.execute(sa.delete(subscriptions).where(*mine))


async def erase(db: AsyncConnection, tenant_id: str, address_key: str) -> bool:
    """Delete the person with their subscriptions, requests and mail. Whether there was anything."""
    asked = await signups_of(db, tenant_id, address_key)
    await delete_signups_of(db, tenant_id, address_key)
    subscriber = await by_address(db, tenant_id, address_key)
    if subscriber is None:
        return bool(asked)
    for table, column in ((deliveries, "subscriber_id"), (subscriptions, "subscriber_id"), (subscribers, "id")):
        mine = (table.c.tenant_id == tenant_id, table.c[column] == subscriber.id)
        await db.execute(sa.delete(table).where(*mine))
    return True


async def covered(
    db: AsyncConnection,
    tenant_id: str,
    incident_id: str,
    component_ids: Collection[str],
    asleep_until: datetime | None,
    after: str | None,
    limit: int,
) -> list[str]:
    """Ids, in their order, of the next subscribers after `after` who hear of this incident.

    Subscriptions to the incident alone count only if they were confirmed after `asleep_until`; None: all do.
    """
    query = _covered(tenant_id, incident_id, component_ids, asleep_until)
    if after is not None:
        query = query.where(subscriptions.c.subscriber_id > after)
    found = await db.execute(query.order_by(subscriptions.c.subscriber_id).limit(limit))
    return list(found.scalars())


async def count_covered(
    db: AsyncConnection,
    tenant_id: str,
    incident_id: str,
    component_ids: Collection[str],
    asleep_until: datetime | None,
) -> int:
    """How many `covered` returns, page after page."""
    people = _covered(tenant_id, incident_id, component_ids, asleep_until).subquery()
    found: int = (await db.execute(sa.select(sa.func.count()).select_from(people))).scalar_one()
    return found


def _covered(
    tenant_id: str, incident_id: str, component_ids: Collection[str], asleep_until: datetime | None
) -> sa.Select[Any]:
    kind, subject = subscriptions.c.topic, subscriptions.c.subject_id
    one = [kind == TopicKind.INCIDENT, subject == incident_id]
    if asleep_until is not None:
        one.append(subscriptions.c.confirmed_at > asleep_until)
    topics = sa.or_(
        kind == TopicKind.ALL,
        sa.and_(*one),
        sa.and_(kind == TopicKind.COMPONENT, subject.in_(component_ids)),
    )
    mine = subscriptions.c.tenant_id == tenant_id
    return sa.select(subscriptions.c.subscriber_id).distinct().where(mine, topics)


async def count(db: AsyncConnection, tenant_id: str) -> int:
    """How many people hear of anything."""
    people = sa.select(sa.func.count(subscriptions.c.subscriber_id.distinct()))
    found: int = (await db.execute(people.where(subscriptions.c.tenant_id == tenant_id))).scalar_one()
    return found


async def page(db: AsyncConnection, tenant_id: str, after: str | None, limit: int) -> list[Subscriber]:
    """The next subscribers who hear of anything, in the order of their ids."""
    heard = sa.select(subscriptions.c.subscriber_id).distinct().where(subscriptions.c.tenant_id == tenant_id)
    if after is not None:
        heard = heard.where(subscriptions.c.subscriber_id > after)
    ids = list((await db.execute(heard.order_by(subscriptions.c.subscriber_id).limit(limit))).scalars())
    found = await many(db, tenant_id, ids)
    return [found[subscriber_id] for subscriber_id in ids]


async def _first(db: AsyncConnection, tenant_id: str, condition: sa.ColumnElement[bool]) -> Subscriber | None:
    found = await _load(db, tenant_id, condition)
    return found[0] if found else None


async def _load(db: AsyncConnection, tenant_id: str, condition: sa.ColumnElement[bool]) -> list[Subscriber]:
    query = sa.select(subscribers).where(subscribers.c.tenant_id == tenant_id, condition)
    rows = (await db.execute(query)).mappings().all()
    heard = await _subscriptions(db, tenant_id, [row["id"] for row in rows])
    own = [name for name in Subscriber.model_fields if name != "subscriptions"]
    return [Subscriber(**{name: row[name] for name in own}, subscriptions=tuple(heard[row["id"]])) for row in rows]


async def _subscriptions(
    db: AsyncConnection, tenant_id: str, subscriber_ids: Sequence[str]
) -> dict[str, list[Subscription]]:
    query = (
        sa.select(subscriptions)
        .where(subscriptions.c.tenant_id == tenant_id, subscriptions.c.subscriber_id.in_(subscriber_ids))
        .order_by(subscriptions.c.confirmed_at, subscriptions.c.subject_id)
    )
    found: dict[str, list[Subscription]] = defaultdict(list)
    for row in (await db.execute(query)).mappings():
        topic = Topic(kind=row["topic"], id=row["subject_id"])
        ground = Ground(**row["ground"])
        subscription = Subscription(topic=topic, confirmed_at=row["confirmed_at"], ground=ground)
        found[row["subscriber_id"]].append(subscription)
    return found


# --------------------------------------------------------------------------------------------------- signups


async def insert_signup(
    db: AsyncConnection, tenant_id: str, signup: Signup, address_key: str, token_hash: str, sealed_token: str
) -> None:
    row = signup.model_dump(exclude={"topics", "ground"}) | {
        "tenant_id": tenant_id,
        "address_key": address_key,
        "topics": [topic.model_dump(mode="json") for topic in signup.topics],
        "ground": signup.ground.model_dump(mode="json", exclude_defaults=True),
        "token_hash": token_hash,
        "sealed_token": sealed_token,
    }
    await db.execute(sa.insert(signups).values(row))


async def get_signup(db: AsyncConnection, tenant_id: str, signup_id: str) -> Signup | None:
    return await _signup(db, tenant_id, signups.c.id == signup_id)


async def signup_by_token(db: AsyncConnection, tenant_id: str, token_hash: str) -> Signup | None:
    return await _signup(db, tenant_id, signups.c.token_hash == token_hash)


async def sealed_tokens(
    db: AsyncConnection, tenant_id: str, signup_ids: Collection[str]
) -> dict[str, tuple[Signup, str]]:
    """The signups with their sealed tokens, for the mail that carries them."""
    query = sa.select(signups).where(signups.c.tenant_id == tenant_id, signups.c.id.in_(signup_ids))
    rows = (await db.execute(query)).mappings()
    return {row["id"]: (_read_signup(row), row["sealed_token"]) for row in rows}


async def take_signup(db: AsyncConnection, tenant_id: str, signup_id: str, at: datetime) -> bool:
    """Confirm it. Whether this call did; False if it was confirmed before."""
    query = (
        sa.update(signups)
        .where(signups.c.tenant_id == tenant_id, signups.c.id == signup_id, signups.c.confirmed_at.is_(None))
        .values(confirmed_at=at)
    )
    return (await db.execute(query)).rowcount == 1


async def delete_signups_of(db: AsyncConnection, tenant_id: str, address_key: str) -> None:
    """Forget every request for the address, and the mail that was queued for it."""
    theirs = sa.select(signups.c.id).where(signups.c.tenant_id == tenant_id, signups.c.address_key == address_key)
    await _delete_signups(db, tenant_id, list((await db.execute(theirs)).scalars()))


async def delete_signups_before(db: AsyncConnection, tenant_id: str, moment: datetime) -> None:
    old = sa.select(signups.c.id).where(signups.c.tenant_id == tenant_id, signups.c.created_at < moment)
    await _delete_signups(db, tenant_id, list((await db.execute(old.limit(500))).scalars()))


async def signups_of(db: AsyncConnection, tenant_id: str, address_key: str) -> list[Signup]:
    """The oldest first."""
    query = sa.select(signups).where(signups.c.tenant_id == tenant_id, signups.c.address_key == address_key)
    return [_read_signup(row) for row in (await db.execute(query.order_by(signups.c.created_at))).mappings()]


async def signups_for_address(db: AsyncConnection, address_key: str, since: datetime) -> list[datetime]:
    """When this address was asked for, the newest first, by whichever tenant: a flood may come through many.

    Names no tenant and tells nothing but times.
    """
    query = sa.select(signups.c.created_at).where(
        signups.c.address_key == address_key, signups.c.created_at >= since
    )
    return list((await db.execute(query.order_by(signups.c.created_at.desc()))).scalars())


async def count_unconfirmed(db: AsyncConnection, tenant_id: str, since: datetime) -> int:
    query = sa.select(sa.func.count()).where(
        signups.c.tenant_id == tenant_id, signups.c.created_at >= since, signups.c.confirmed_at.is_(None)
    )
    found: int = (await db.execute(query)).scalar_one()
    return found


async def _delete_signups(db: AsyncConnection, tenant_id: str, signup_ids: Sequence[str]) -> None:
    mail = sa.delete(deliveries).where(deliveries.c.tenant_id == tenant_id, deliveries.c.signup_id.in_(signup_ids))
    await db.execute(mail)
    await db.execute(sa.delete(signups).where(signups.c.tenant_id == tenant_id, signups.c.id.in_(signup_ids)))


async def _signup(db: AsyncConnection, tenant_id: str, condition: sa.ColumnElement[bool]) -> Signup | None:
    query = sa.select(signups).where(signups.c.tenant_id == tenant_id, condition)
    row = (await db.execute(query)).mappings().first()
    return None if row is None else _read_signup(row)


def _read_signup(row: sa.RowMapping) -> Signup:
    return Signup.model_validate({name: row[name] for name in Signup.model_fields})


# ---------------------------------------------------------------------------------------------- suppressions


async def suppress(db: AsyncConnection, tenant_id: str, address_hash: str, reason: str, at: datetime) -> None:
    """Keep the first reason: it says how it began."""
    row = {"tenant_id": tenant_id, "address_hash": address_hash, "reason": reason, "created_at": at}
    await insert_if_absent(db, suppressions, row)


async def suppressed(db: AsyncConnection, tenant_id: str, address_hashes: Collection[str]) -> dict[str, str]:
    """Those of the hashes that get no mail, each with the reason."""
    query = sa.select(suppressions.c.address_hash, suppressions.c.reason).where(
        suppressions.c.tenant_id == tenant_id, suppressions.c.address_hash.in_(address_hashes)
    )
    return {row.address_hash: row.reason for row in await db.execute(query)}


async def lift(db: AsyncConnection, tenant_id: str, address_hashes: Collection[str]) -> bool:
    """Whether one of them was suppressed."""
    query = sa.delete(suppressions).where(
        suppressions.c.tenant_id == tenant_id, suppressions.c.address_hash.in_(address_hashes)
    )
    return (await db.execute(query)).rowcount > 0


async def count_suppressed(db: AsyncConnection, tenant_id: str) -> dict[str, int]:
    """How many addresses get no mail, by reason."""
    query = (
        sa.select(suppressions.c.reason, sa.func.count().label("number"))
        .where(suppressions.c.tenant_id == tenant_id)
        .group_by(suppressions.c.reason)
    )
    return {row.reason: row.number for row in await db.execute(query)}


# ---------------------------------------------------------------------------------------------------- offers


async def insert_offer(db: AsyncConnection, tenant_id: str, offer: Offer, at: datetime) -> None:
    await insert_if_absent(db, offers, offer.model_dump() | {"tenant_id": tenant_id, "created_at": at})


async def get_offer(db: AsyncConnection, tenant_id: str, offer_id: str) -> Offer | None:
    query = sa.select(offers).where(offers.c.tenant_id == tenant_id, offers.c.id == offer_id)
    row = (await db.execute(query)).mappings().first()
    return None if row is None else Offer(**_fields(row, Offer.model_fields))


async def offer_of_text(db: AsyncConnection, tenant_id: str, incident_id: str, text: str) -> Offer | None:
    """The offer on this incident that reads so, word for word."""
    query = sa.select(offers).where(
        offers.c.tenant_id == tenant_id, offers.c.incident_id == incident_id, offers.c.text == text
    )
    row = (await db.execute(query.limit(1))).mappings().first()
    return None if row is None else Offer(**_fields(row, Offer.model_fields))


def _fields(row: sa.RowMapping, names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


async def ways_of(
    db: AsyncConnection, tenant_id: str, incident_ids: Collection[str]
) -> list[tuple[str, str, int]]:
    """How those who follow one of these incidents came to it: the incident, the ground's source, how many."""
    source = subscriptions.c.ground["source"].as_string().label("source")
    query = (
        sa.select(subscriptions.c.subject_id, source, sa.func.count())
        .where(
            subscriptions.c.tenant_id == tenant_id,
            subscriptions.c.topic == TopicKind.INCIDENT,
            subscriptions.c.subject_id.in_(incident_ids),
        )
        .group_by(subscriptions.c.subject_id, source)
    )
    return [(incident_id, way or "", number) for incident_id, way, number in (await db.execute(query)).all()]
