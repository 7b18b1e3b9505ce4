"""Components: what customers see on the page, what operators set, and the state shown, which follows from both."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Annotated

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from server.context import TenantContext
from server.errors import Invalid, Refused
from server.ids import new_id
from server.models import (
    Component,
    ComponentState,
    Impacts,
    Incident,
    Line,
    Model,
    Scope,
    StateChange,
    Text,
)
from server.store import components as rows
from server.store import incidents as incident_rows
from server.timeline import Fold, steps

DEFAULT_GROUP = "Core Services"

Name = Annotated[Line, Field(min_length=1, max_length=200)]


class Described(Model):
    """What operators say of a component. What is None stays as it is."""

    name: Name | None = None
    description: Annotated[Text, Field(max_length=2000)] | None = None
    group: Name | None = None


async def create_component(
    tenant: TenantContext,
    name: str,
    description: str = "",
    group: str = DEFAULT_GROUP,
    state: ComponentState = ComponentState.OPERATIONAL,
) -> Component:
    """Add a component at the end of its group; a new group comes after the others.

    Raises Invalid if the group has another component of that name.
    """
    tenant.require(Scope.OPERATOR)
    said = Described(name=name, description=description, group=group)
    name, group = said.name or name, said.group or group
    async with tenant.publish() as db:
        others = await rows.of_tenant(db, tenant.id)
        _check_is_free(others, name, group)
        component = Component(
            id=new_id("cmp"),
            name=name,
            description=said.description or "",
            group=group,
            **_end_of_group(others, group),
            own_state=state,
            state=state,
        )
        now = tenant.now()
        await rows.insert(db, tenant.id, component, now)
        await rows.set_own_state(db, tenant.id, component.id, state, now)
        await record_shown_states(db, tenant, {component.id}, now)
        await tenant.audit(db, "component.create", component.id, name=name)
        return component


async def edit_component(tenant: TenantContext, component_id: str, said: Described) -> Component:
    """Change what is given. In another group it comes last; a new group comes after the others.

    Raises NotFound, and Invalid if the group has another component of that name.
    """
    tenant.require(Scope.OPERATOR)
    changes = said.model_dump(exclude_none=True)
    async with tenant.publish() as db:
        before = await rows.get(db, tenant.id, component_id)
        others = [other for other in await rows.of_tenant(db, tenant.id) if other.id != component_id]
        if said.group not in (None, before.group):
            changes |= _end_of_group(others, changes["group"])
        component = before.model_copy(update=changes)
        _check_is_free(others, component.name, component.group)
        await rows.save(db, tenant.id, component)
        await tenant.audit(db, "component.edit", component_id, **changes)
        return component


async def reorder_components(tenant: TenantContext, component_ids: Sequence[str]) -> list[Component]:
    """Show the components in this order, which names each once. A group stands where its first component does.

    Raises Invalid, naming them, if some are missing, unknown or repeated.
    """
    tenant.require(Scope.OPERATOR)
    async with tenant.publish() as db:
        known = {component.id: component for component in await rows.of_tenant(db, tenant.id)}
        if sorted(component_ids) != sorted(known):
            raise Invalid(_choice("name every component once, in the new order", list(known.values())))
        ordered = [known[component_id] for component_id in component_ids]
        groups = list(dict.fromkeys(component.group for component in ordered))
        for position, component in enumerate(ordered, start=1):
            place = {"group_position": 1 + groups.index(component.group), "position": position}
            await rows.save(db, tenant.id, component.model_copy(update=place))
        await tenant.audit(db, "component.reorder", tenant.id, order=list(component_ids))
        return await rows.of_tenant(db, tenant.id)


async def delete_component(tenant: TenantContext, component_id: str) -> None:
    """Take it off the page; past incidents go on naming it.

    Raises NotFound, and Refused while an active incident affects it.
    """
    tenant.require(Scope.OPERATOR)
    async with tenant.publish() as db:
        component = await rows.get(db, tenant.id, component_id)
        for incident in await incident_rows.active(db, tenant.id):
            if component_id in {affected.id for affected in incident.affected}:
                raise Refused(
                    f"the active incident {incident.id} ({incident.title!r}) affects {component.name!r}: "
                    "resolve it, or take the component out of it first"
                )
        await rows.delete(db, tenant.id, component_id, tenant.now())
        await tenant.audit(db, "component.delete", component_id, name=component.name)


async def set_own_state(tenant: TenantContext, component_id: str, state: ComponentState) -> Component:
    """What the component shows as long as no active incident says worse."""
    tenant.require(Scope.OPERATOR)
    async with tenant.publish() as db:
        await rows.get(db, tenant.id, component_id)
        now = tenant.now()
        await rows.set_own_state(db, tenant.id, component_id, state, now)
        await record_shown_states(db, tenant, {component_id}, now)
        await tenant.audit(db, "component.set_state", component_id, state=state)
        return await rows.get(db, tenant.id, component_id)


async def list_components(tenant: TenantContext) -> list[Component]:
    """In the order of the page."""
    async with tenant.read() as db:
        return await rows.of_tenant(db, tenant.id)


def named_impacts(
    wanted: Collection[str] | None, impacts: Mapping[str, ComponentState] | None = None
) -> Impacts | None:
    """What a caller says of components, by id or name as they wrote it; None if nothing is said of any.

    A component that only `impacts` names is meant too. `resolved_impacts` finds out which those are.
    """
    if wanted is None and impacts is None:
        return None
    said: Impacts = dict.fromkeys(wanted or ())
    return said | dict(impacts or {})


async def resolved_impacts(db: AsyncConnection, tenant: TenantContext, said: Impacts) -> Impacts:
    """The same by id alone. Raises Invalid, naming those there are, for an unknown or ambiguous component."""
    if not said:
        return said
    components = await rows.of_tenant(db, tenant.id)
    return {_meant(name, components): impact for name, impact in said.items()}


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


def _check_is_free(others: Sequence[Component], name: str, group: str) -> None:
    if any(other.name == name and other.group == group for other in others):
        raise Invalid(f"the group {group!r} already has a component {name!r}: choose another name")


def _end_of_group(others: Sequence[Component], group: str) -> dict[str, int]:
    mates = [other for other in others if other.group == group]
    after_all = 1 + max((other.group_position for other in others), default=0)
    return {
        "group_position": mates[0].group_position if mates else after_all,
        "position": 1 + max((mate.position for mate in mates), default=0),
    }
