"""Rows of components, of the states that operators set, and of the states that were shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.errors import NotFound
from server.ids import new_id
from server.models import Component, ComponentState, StateChange
from server.store.schema import component_own_states as own_states
from server.store.schema import component_state_history as shown_states
from server.store.schema import components


async def insert(db: AsyncConnection, tenant_id: str, component: Component, at: datetime) -> None:
    row = {
        "tenant_id": tenant_id,
        "id": component.id,
        "name": component.name,
        "description": component.description,
        "group_name": component.group,
        "group_position": component.group_position,
        "position": component.position,
        "created_at": at,
    }
    await db.execute(sa.insert(components).values(row))


async def of_tenant(db: AsyncConnection, tenant_id: str) -> list[Component]:
    """The components in the order of the page: by group, then within it."""
    query = (
        _components()
        .where(components.c.tenant_id == tenant_id, components.c.deleted_at.is_(None))
        .order_by(components.c.group_position, components.c.group_name, components.c.position, components.c.id)
    )
    return [_component(row) for row in (await db.execute(query)).mappings()]


async def get(db: AsyncConnection, tenant_id: str, component_id: str) -> Component:
    query = _components().where(
        components.c.tenant_id == tenant_id, components.c.id == component_id, components.c.deleted_at.is_(None)
    )
    row = (await db.execute(query)).mappings().first()
    if row is None:
        raise NotFound(f"there is no component {component_id!r}; component_list shows those that exist")
    return _component(row)


async def save(db: AsyncConnection, tenant_id: str, component: Component) -> None:
    """Write what operators call a component and where it stands. Its states have functions of their own."""
    values = {
        "name": component.name,
        "description": component.description,
        "group_name": component.group,
        "group_position": component.group_position,
        "position": component.position,
    }
    await db.execute(sa.update(components).where(*_one(tenant_id, component.id)).values(values))


async def delete(db: AsyncConnection, tenant_id: str, component_id: str, at: datetime) -> None:
    """Take it off the page. The row stays, because past incidents name it."""
    await db.execute(sa.update(components).where(*_one(tenant_id, component_id)).values(deleted_at=at))


async def set_own_state(
    db: AsyncConnection, tenant_id: str, component_id: str, state: ComponentState, at: datetime
) -> None:
    row = {"tenant_id": tenant_id, "id": new_id("own"), "component_id": component_id, "at": at, "state": state}
    await db.execute(sa.insert(own_states).values(row))


async def own_state_changes(
    db: AsyncConnection, tenant_id: str, component_ids: Collection[str]
) -> dict[str, list[StateChange]]:
    """What operators set, oldest first, per component."""
    query = (
        sa.select(own_states)
        .where(own_states.c.tenant_id == tenant_id, own_states.c.component_id.in_(component_ids))
        .order_by(own_states.c.at, own_states.c.id)
    )
    return await _changes_by_component(db, query)


async def shown_states_since(
    db: AsyncConnection, tenant_id: str, moment: datetime
) -> dict[str, list[StateChange]]:
    """What was shown from that moment on, oldest first, per component: the state then and every later change."""
    earlier = shown_states.alias()
    then = (
        sa.select(sa.func.max(earlier.c.at))
        .where(
            earlier.c.tenant_id == shown_states.c.tenant_id,
            earlier.c.component_id == shown_states.c.component_id,
            earlier.c.at <= moment,
        )
        .scalar_subquery()
    )
    query = (
        sa.select(shown_states)
        .where(
            shown_states.c.tenant_id == tenant_id,
            sa.or_(shown_states.c.at > moment, shown_states.c.at == then),
        )
        .order_by(shown_states.c.at)
    )
    return await _changes_by_component(db, query)


async def shown_before(
    db: AsyncConnection, tenant_id: str, component_id: str, moment: datetime
) -> ComponentState | None:
    query = (
        sa.select(shown_states.c.state)
        .where(
            shown_states.c.tenant_id == tenant_id,
            shown_states.c.component_id == component_id,
            shown_states.c.at < moment,
        )
        .order_by(shown_states.c.at.desc())
        .limit(1)
    )
    state = (await db.execute(query)).scalar()
    return None if state is None else ComponentState(state)


async def replace_shown(
    db: AsyncConnection, tenant_id: str, component_id: str, since: datetime, changes: Iterable[StateChange]
) -> None:
    """From `since` on the component was shown in exactly these states."""
    gone = sa.delete(shown_states).where(
        shown_states.c.tenant_id == tenant_id,
        shown_states.c.component_id == component_id,
        shown_states.c.at >= since,
    )
    await db.execute(gone)
    rows = [{"tenant_id": tenant_id, "component_id": component_id, **change.model_dump()} for change in changes]
    if rows:
        await db.execute(sa.insert(shown_states), rows)


def _one(tenant_id: str, component_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return components.c.tenant_id == tenant_id, components.c.id == component_id


def _newest(table: sa.Table) -> sa.ScalarSelect[Any]:
    """The state in a component's newest row; the id breaks a tie where the table has one."""
    order = [table.c.at.desc(), *([table.c.id.desc()] if "id" in table.c else [])]
    return (
        sa.select(table.c.state)
        .where(table.c.tenant_id == components.c.tenant_id, table.c.component_id == components.c.id)
        .order_by(*order)
        .limit(1)
        .scalar_subquery()
    )


def _components() -> sa.Select[Any]:
    return sa.select(
        components,
        _newest(own_states).label("own_state"),
        _newest(shown_states).label("state"),
    )


def _component(row: sa.RowMapping) -> Component:
    return Component(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        group=row["group_name"],
        group_position=row["group_position"],
        position=row["position"],
        own_state=row["own_state"],
        state=row["state"],
    )


async def _changes_by_component(db: AsyncConnection, query: sa.Select[Any]) -> dict[str, list[StateChange]]:
    found: dict[str, list[StateChange]] = defaultdict(list)
    for row in (await db.execute(query)).mappings():
        found[row["component_id"]].append(StateChange(at=row["at"], state=row["state"]))
    return found
