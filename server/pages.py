"""A tenant's status page as data: what to show now, made from its snapshot alone."""

from __future__ import annotations

from itertools import groupby

from server.context import App
from server.models import Component, ComponentState, Incident, IncidentKind, Model, Severity, Tenant, Utc
from server.snapshots import Snapshot
from server.store import incidents


class Group(Model):
    name: str
    state: ComponentState
    components: tuple[Component, ...]


class Page(Model):
    tenant: Tenant
    title: str
    description: str | None
    overall: ComponentState
    groups: tuple[Group, ...]
    active: tuple[Incident, ...]
    maintenance: tuple[Incident, ...]
    history: tuple[Incident, ...]
    as_of: Utc


def page_of(snapshot: Snapshot) -> Page:
    settings = snapshot.tenant.settings
    return Page(
        tenant=snapshot.tenant,
        title=settings.page_title or snapshot.tenant.name,
        description=settings.page_description,
        overall=overall_state(snapshot),
        groups=_groups(snapshot.components),
        active=_of_kind(snapshot, IncidentKind.INCIDENT),
        maintenance=_of_kind(snapshot, IncidentKind.MAINTENANCE),
        history=snapshot.history,
        as_of=snapshot.taken_at,
    )


async def find_incident(app: App, snapshot: Snapshot, slug: str) -> Incident:
    """The incident of that permalink, however old it is. Raises NotFound."""
    for incident in (*snapshot.active, *snapshot.history):
        if incident.slug == slug:
            return incident
    async with app.database.read() as db:
        return await incidents.by_slug(db, snapshot.tenant.id, slug)


def overall_state(snapshot: Snapshot) -> ComponentState:
    """The worst of all components, and of the active incidents that name none."""
    untagged = (
        Severity.impact_of(incident.severity)
        for incident in snapshot.active
        if incident.kind is IncidentKind.INCIDENT and not incident.affected
    )
    return ComponentState.worst([*(component.state for component in snapshot.components), *untagged])


def _groups(components: tuple[Component, ...]) -> tuple[Group, ...]:
    """Components come in the order of the page, so a group's stand together."""
    found = []
    for name, members in groupby(components, key=lambda component: component.group):
        mine = tuple(members)
        state = ComponentState.worst(component.state for component in mine)
        found.append(Group(name=name, state=state, components=mine))
    return tuple(found)


def _of_kind(snapshot: Snapshot, kind: IncidentKind) -> tuple[Incident, ...]:
    return tuple(incident for incident in snapshot.active if incident.kind is kind)
