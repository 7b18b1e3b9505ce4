"""Components: what customers see on the page, what operators set, and the state shown, which follows from both."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from sqlalchemy.ext.asyncio import AsyncConnection

from server.context import TenantContext
from server.errors import Invalid
from server.ids import new_id
from server.models import Component, ComponentState, Impacts, Incident, Scope, StateChange
from server.store import components as rows
from server.store import incidents as incident_rows
from server.timeline import Fold, steps

DEFAULT_GROUP = "Core Services"


async def create_component(
    tenant: TenantContext,
    name: str,
    description: str = "",
    group: str = DEFAULT_GROUP,
    state: ComponentState = ComponentState.OPERATIONAL,
) -> Component:
    """Add a component at the end of its group; a new group comes after the others."""
    tenant.require(Scope.OPERATOR)
    async with tenant.publish() as db:
        await rows.lock_all(db, tenant.id)
        others = await rows.of_tenant(db, tenant.id)
        if any(other.name == name and other.group == group for other in others):
            raise Invalid(f"the group {group!r} already has a component {name!r}: choose another name")
        component = Component(
            id=new_id("cmp"),
            name=name,
            description=description,
            group=group,
            group_position=_group_position(others, group),
            position=1 + max((other.position for other in others if other.group == group), default=0),
            own_state=state,
            state=state,
        )
        now = tenant.now()
        await rows.insert(db, tenant.id, component, now)
        await rows.set_own_state(db, tenant.id, component.id, state, now)
        await record_shown_states(db, tenant, {component.id}, now)
        await tenant.audit(db, "component.create", component.id, name=name)
        return component


async def set_own_state(tenant: TenantContext, component_id: str, state: ComponentState) -> Component:
    """What the component shows as long as no active incident says worse."""
    tenant.require(Scope.OPERATOR)
    async with tenant.publish() as db:
        await rows.get(db, tenant.id, component_id)
        await rows.lock_all(db, tenant.id)
        now = tenant.now()
        await rows.set_own_state(db, tenant.id, component_id, state, now)
        await record_shown_states(db, tenant, {component_id}, now)
        await tenant.audit(db, "component.set_state", component_id, state=state)
        return await rows.get(db, tenant.id, component_id)


async def list_components(tenant: TenantContext) -> list[Component]:
    """In the order of the page."""
    async with tenant.read() as db:
        return await rows.of_tenant(db, tenant.id)


async def find_impacts(
    tenant: TenantContext, wanted: Collection[str] | None, impacts: Mapping[str, ComponentState] | None = None
) -> Impacts | None:
    """The components meant by ids or names, with their impacts; None if nothing is said of components.

    A component that only `impacts` names is meant too. Raises Invalid, naming those there are, for an unknown or
    ambiguous one.
    """
    if wanted is None and impacts is None:
        return None
    components = await list_components(tenant)
    found: Impacts = {_meant(name, components): None for name in wanted or ()}
    return found | {_meant(name, components): impact for name, impact in (impacts or {}).items()}


async def require_known(db: AsyncConnection, tenant: TenantContext, impacts: Impacts | None) -> None:
    """Raises Invalid, naming the components there are, if one of the given does not exist."""
    if not impacts:
        return
    components = await rows.of_tenant(db, tenant.id)
    known = {component.id for component in components}
    for component_id in impacts:
        if component_id not in known:
            raise Invalid(_choice(f"unknown component {component_id!r}", components))


async def record_shown_states(
    db: AsyncConnection, tenant: TenantContext, component_ids: Collection[str], since: datetime
) -> None:
    """Write down the states in which the components have been shown from `since` on.

    Usually `since` is now and this adds one row where the state changed. After a backdated post or an edited
    status it corrects the span that they changed.
    """
    if not component_ids:
        return
    own = await rows.own_state_changes(db, tenant.id, component_ids)
    active = await incident_rows.active(db, tenant.id)
    closed = await incident_rows.closed_since(db, tenant.id, since)
    timelines = [list(steps(incident.updates)) for incident in (*active, *closed)]
    moments = sorted({since, *(moment for timeline in timelines for moment, _ in timeline if moment > since)})
    for component_id in component_ids:
        set_by_operator = own.get(component_id, [])
        own_moments = {change.at for change in set_by_operator if change.at > since}
        shown = [
            StateChange(at=moment, state=_shown_at(moment, component_id, set_by_operator, timelines))
            for moment in sorted({*moments, *own_moments})
        ]
        before = await rows.shown_before(db, tenant.id, component_id, since)
        await rows.replace_shown(db, tenant.id, component_id, since, _only_changes(before, shown))


def mentioned(incident: Incident) -> set[str]:
    """Every component that any of the incident's updates ever tagged."""
    return {component_id for update in incident.updates for component_id in update.content.components or ()}


def _meant(name: str, components: Sequence[Component]) -> str:
    folded = name.strip().casefold()
    found = [component.id for component in components if folded in (component.id, component.name.casefold())]
    if len(found) == 1:
        return found[0]
    problem = f"unknown component {name!r}" if not found else f"several components are called {name!r}: use the id"
    raise Invalid(_choice(problem, components))


def _choice(problem: str, components: Sequence[Component]) -> str:
    known = ", ".join(f"{component.id} ({component.name})" for component in components) or "none yet"
    return f"{problem}; the components are: {known}"


def _shown_at(
    moment: datetime,
    component_id: str,
    own: Sequence[StateChange],
    timelines: Sequence[Sequence[tuple[datetime, Fold]]],
) -> ComponentState:
    set_before = bisect_right(own, moment, key=lambda change: change.at)
    states = [own[set_before - 1].state if set_before else ComponentState.OPERATIONAL]
    for timeline in timelines:
        passed = bisect_right(timeline, moment, key=lambda step: step[0])
        if passed:
            states.append(timeline[passed - 1][1].impact_on(component_id))
    return ComponentState.worst(states)


def _only_changes(before: ComponentState | None, shown: list[StateChange]) -> list[StateChange]:
    first = [] if shown[0].state == before else shown[:1]
    return first + [after for earlier, after in pairwise(shown) if earlier.state != after.state]


def _group_position(others: Sequence[Component], group: str) -> int:
    same = [other.group_position for other in others if other.group == group]
    return same[0] if same else 1 + max((other.group_position for other in others), default=0)
