"""Rows of incidents, their updates, the revisions that edits left, and the links of their hash chains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.errors import NotFound
from server.models import (
    Affected,
    ComponentState,
    Impacts,
    Incident,
    IncidentKind,
    Model,
    Revision,
    Severity,
    Update,
    UpdateContent,
    Utc,
)
from server.store.schema import (
    components,
    incident_components,
    incident_history,
    incident_update_revisions,
    incident_updates,
    incidents,
)


class Link(Model):
    """One link of an incident's hash chain."""

    position: int
    update_id: str
    version: int
    recorded_at: Utc
    recorded_by: str
    hash: str


# ------------------------------------------------------------------------------------------------- incidents


async def insert(db: AsyncConnection, tenant_id: str, values: dict[str, Any]) -> None:
    await db.execute(sa.insert(incidents).values(tenant_id=tenant_id, **values))


async def save(
    db: AsyncConnection, tenant_id: str, incident_id: str, values: dict[str, Any], affected: Impacts
) -> None:
    """Write the fold of an incident's updates: its own columns and the components it affects."""
    mine = (incidents.c.tenant_id == tenant_id, incidents.c.id == incident_id)
    await db.execute(sa.update(incidents).where(*mine).values(values))
    tagged = incident_components
    await db.execute(sa.delete(tagged).where(tagged.c.tenant_id == tenant_id, tagged.c.incident_id == incident_id))
    rows = [
        {"tenant_id": tenant_id, "incident_id": incident_id, "component_id": component_id, "impact": impact}
        for component_id, impact in affected.items()
    ]
    if rows:
        await db.execute(sa.insert(tagged), rows)


async def get(db: AsyncConnection, tenant_id: str, incident_id: str) -> Incident:
    found = await _load(db, tenant_id, incidents.c.id == incident_id)
    return _only(found, incident_id)


async def many(db: AsyncConnection, tenant_id: str, incident_ids: Collection[str]) -> dict[str, Incident]:
    return {one.id: one for one in await _load(db, tenant_id, incidents.c.id.in_(incident_ids))}


async def by_slug(db: AsyncConnection, tenant_id: str, slug: str) -> Incident:
    found = await _load(db, tenant_id, incidents.c.slug == slug)
    return _only(found, slug)


async def active(db: AsyncConnection, tenant_id: str) -> list[Incident]:
    """Every incident that is not closed, the latest start first."""
    return await _load(db, tenant_id, incidents.c.resolved_at.is_(None))


async def closed_since(db: AsyncConnection, tenant_id: str, moment: datetime) -> list[Incident]:
    return await _load(db, tenant_id, incidents.c.resolved_at >= moment)


async def page(
    db: AsyncConnection, tenant_id: str, *, active: bool | None, before: tuple[datetime, str] | None, limit: int
) -> list[Incident]:
    """At most `limit` incidents, no maintenance, the latest start first, after the one that `before` names."""
    conditions: list[sa.ColumnElement[bool]] = [incidents.c.kind == IncidentKind.INCIDENT]
    if active is not None:
        conditions.append(incidents.c.resolved_at.is_(None) if active else incidents.c.resolved_at.is_not(None))
    if before is not None:
        started_at, incident_id = before
        earlier = incidents.c.started_at < started_at
        same = sa.and_(incidents.c.started_at == started_at, incidents.c.id < incident_id)
        conditions.append(sa.or_(earlier, same))
    return await _load(db, tenant_id, *conditions, limit=limit)


async def started_between(
    db: AsyncConnection, tenant_id: str, since: datetime, until: datetime, limit: int
) -> list[Incident]:
    """Incidents, without maintenance, that started at `since` or later and before `until`, the latest first."""
    return await _load(
        db,
        tenant_id,
        incidents.c.kind == IncidentKind.INCIDENT,
        incidents.c.started_at >= since,
        incidents.c.started_at < until,
        limit=limit,
    )


async def history_totals(db: AsyncConnection, tenant_id: str, incident_id: str) -> tuple[str, int]:
    """The head of the incident's hash chain and the number of its links."""
    query = sa.select(incidents.c.history_head, incidents.c.history_length).where(
        incidents.c.tenant_id == tenant_id, incidents.c.id == incident_id
    )
    head, length = (await db.execute(query)).one()
    return head, length


async def ids(db: AsyncConnection, tenant_id: str) -> list[str]:
    query = sa.select(incidents.c.id).where(incidents.c.tenant_id == tenant_id).order_by(incidents.c.id)
    return list((await db.execute(query)).scalars())


async def _load(
    db: AsyncConnection, tenant_id: str, *conditions: sa.ColumnElement[bool], limit: int | None = None
) -> list[Incident]:
    query = (
        sa.select(incidents)
        .where(incidents.c.tenant_id == tenant_id, *conditions)
        .order_by(incidents.c.started_at.desc(), incidents.c.id.desc())
        .limit(limit)
    )
    rows = (await db.execute(query)).mappings().all()
    found = [row["id"] for row in rows]
    updates = await _updates(db, tenant_id, found)
    affected = await _affected(db, tenant_id, {row["id"]: row["severity"] for row in rows})
    return [_incident(row, updates[row["id"]], affected[row["id"]]) for row in rows]


def _incident(row: sa.RowMapping, updates: Sequence[Update], affected: Sequence[Affected]) -> Incident:
    own = {name: value for name, value in row.items() if name not in ("tenant_id", "history_length")}
    return Incident(**own, updates=tuple(updates), affected=tuple(affected))


def _only(found: list[Incident], name: str) -> Incident:
    if not found:
        raise NotFound(f"there is no incident {name!r}; take an id from status_check or incident_list")
    return found[0]


async def _affected(
    db: AsyncConnection, tenant_id: str, severities: dict[str, str | None]
) -> dict[str, list[Affected]]:
    tagged = incident_components
    query = (
        sa.select(tagged.c.incident_id, tagged.c.component_id, tagged.c.impact, components.c.name)
        .join(
            components,
            sa.and_(components.c.tenant_id == tagged.c.tenant_id, components.c.id == tagged.c.component_id),
        )
        .where(tagged.c.tenant_id == tenant_id, tagged.c.incident_id.in_(severities))
        .order_by(components.c.group_position, components.c.position, components.c.id)
    )
    found: dict[str, list[Affected]] = defaultdict(list)
    for incident_id, component_id, impact, name in (await db.execute(query)).all():
        severity = severities[incident_id]
        implied = Severity.impact_of(None if severity is None else Severity(severity))
        state = implied if impact is None else ComponentState(impact)
        found[incident_id].append(Affected(id=component_id, name=name, impact=state))
    return found


# --------------------------------------------------------------------------------------- updates and revisions


async def insert_update(db: AsyncConnection, tenant_id: str, update: Update) -> None:
    await db.execute(sa.insert(incident_updates).values(_update_row(tenant_id, update)))


async def replace_update(db: AsyncConnection, tenant_id: str, old: Update, new: Update, by: str) -> None:
    """Put an edited update in the place of the old one, whose content becomes a revision."""
    revision = {"tenant_id": tenant_id, "update_id": old.id, "version": old.version, **_content(old.content)}
    revision |= {"replaced_at": new.edited_at, "replaced_by": by}
    await db.execute(sa.insert(incident_update_revisions).values(revision))
    mine = (incident_updates.c.tenant_id == tenant_id, incident_updates.c.id == old.id)
    await db.execute(sa.update(incident_updates).where(*mine).values(_update_row(tenant_id, new)))


async def revisions(db: AsyncConnection, tenant_id: str, incident_id: str) -> list[Revision]:
    """The versions that edits replaced, oldest first within each update."""
    found = await revisions_of(db, tenant_id, [incident_id])
    return [revision for of_one_update in found.values() for revision in of_one_update]


async def revisions_of(
    db: AsyncConnection, tenant_id: str, incident_ids: Collection[str]
) -> dict[str, list[Revision]]:
    """The versions that edits replaced, oldest first, per update that was edited."""
    kept = incident_update_revisions
    query = (
        sa.select(kept)
        .join(
            incident_updates,
            sa.and_(incident_updates.c.tenant_id == kept.c.tenant_id, incident_updates.c.id == kept.c.update_id),
        )
        .where(kept.c.tenant_id == tenant_id, incident_updates.c.incident_id.in_(incident_ids))
        .order_by(kept.c.update_id, kept.c.version)
    )
    found: dict[str, list[Revision]] = defaultdict(list)
    for row in (await db.execute(query)).mappings():
        revision = Revision(
            update_id=row["update_id"],
            version=row["version"],
            content=_read_content(row),
            replaced_at=row["replaced_at"],
            replaced_by=row["replaced_by"],
        )
        found[revision.update_id].append(revision)
    return found


async def _updates(db: AsyncConnection, tenant_id: str, incident_ids: Iterable[str]) -> dict[str, list[Update]]:
    query = (
        sa.select(incident_updates)
        .where(incident_updates.c.tenant_id == tenant_id, incident_updates.c.incident_id.in_(list(incident_ids)))
        .order_by(incident_updates.c.at, incident_updates.c.id)
    )
    found: dict[str, list[Update]] = defaultdict(list)
    for row in (await db.execute(query)).mappings():
        own = {name: row[name] for name in Update.model_fields if name != "content"}
        found[row["incident_id"]].append(Update(**own, content=_read_content(row)))
    return found


def _update_row(tenant_id: str, update: Update) -> dict[str, Any]:
    return {"tenant_id": tenant_id, **update.model_dump(exclude={"content"}), **_content(update.content)}


def _content(content: UpdateContent) -> dict[str, Any]:
    return content.model_dump(mode="json")


def _read_content(row: sa.RowMapping) -> UpdateContent:
    return UpdateContent(**{name: row[name] for name in UpdateContent.model_fields})


# ---------------------------------------------------------------------------------------------- hash chains


async def insert_link(db: AsyncConnection, tenant_id: str, incident_id: str, link: Link) -> None:
    row = {"tenant_id": tenant_id, "incident_id": incident_id, **link.model_dump()}
    await db.execute(sa.insert(incident_history).values(row))


async def links(db: AsyncConnection, tenant_id: str, incident_id: str) -> list[Link]:
    query = (
        sa.select(*(incident_history.c[name] for name in Link.model_fields))
        .where(incident_history.c.tenant_id == tenant_id, incident_history.c.incident_id == incident_id)
        .order_by(incident_history.c.position)
    )
    return [Link(**row) for row in (await db.execute(query)).mappings()]
