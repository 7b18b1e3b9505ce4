"""A tenant's status page as data: what to show at one moment, made from its snapshot alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from server.context import App
from server.errors import NotFound
from server.models import (
    Component,
    ComponentState,
    Incident,
    IncidentKind,
    Model,
    Revision,
    Severity,
    Status,
    Tenant,
    Utc,
)
from server.snapshots import Snapshot
from server.store import incidents
from server.uptime import Uptime, uptime_of

RECENT = timedelta(days=14)


class Shown(Model):
    """A component with its last 90 days."""

    component: Component
    uptime: Uptime


class Group(Model):
    name: str
    members: tuple[Shown, ...]

    @property
    def state(self) -> ComponentState:
        return ComponentState.worst(shown.component.state for shown in self.members)


class Month(Model):
    """The incidents and the maintenance of a calendar month of the tenant's time zone, the latest first."""

    first_day: date
    incidents: tuple[Incident, ...]


class Page(Model):
    tenant: Tenant
    title: str
    description: str | None
    overall: ComponentState
    groups: tuple[Group, ...]
    active: tuple[Incident, ...]
    under_way: tuple[Incident, ...]
    """Maintenance that has begun and is not completed."""
    scheduled: tuple[Incident, ...]
    """Maintenance to come, the next one first."""
    history: tuple[Incident, ...]
    """Everything closed within the time that the tenant keeps history for, the latest start first."""
    revisions: Mapping[str, Sequence[Revision]]
    as_of: Utc
    """Until when it is known that nothing newer had been published."""
    made_at: Utc

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.tenant.settings.time_zone)

    @property
    def shown(self) -> tuple[Shown, ...]:
        return tuple(shown for group in self.groups for shown in group.members)

    @property
    def component_names(self) -> dict[str, str]:
        return {shown.component.id: shown.component.name for shown in self.shown}

    @property
    def recent(self) -> tuple[Incident, ...]:
        """The part of the history that the first page shows."""
        return tuple(one for one in self.history if (one.resolved_at or one.started_at) > self.made_at - RECENT)

    @property
    def unwell(self) -> tuple[Component, ...]:
        """The components that are in the worst state, if that is not operational."""
        if self.overall is ComponentState.OPERATIONAL:
            return ()
        return tuple(shown.component for shown in self.shown if shown.component.state is self.overall)

    @property
    def is_stale(self) -> bool:
        """Whether it has been unknown for some time if something newer was published."""
        return self.made_at - self.as_of > timedelta(minutes=2)

    def months(self) -> tuple[Month, ...]:
        """Every month from now back to the oldest that is kept, those without incidents too."""
        return tuple(
            Month(
                first_day=first_day,
                incidents=tuple(one for one in self._everything if self._month_of(one.begins_at) == first_day),
            )
            for first_day in self._first_days()
        )

    def component(self, component_id: str) -> Shown:
        """Raises NotFound."""
        for shown in self.shown:
            if shown.component.id == component_id:
                return shown
        raise NotFound(f"there is no component {component_id!r} on this page")

    def incidents_of(self, component_id: str) -> tuple[Incident, ...]:
        """What is kept of incidents that any of their updates connected with the component."""
        return tuple(
            incident
            for incident in self._everything
            if any(component_id in (update.content.components or ()) for update in incident.updates)
        )

    @property
    def _everything(self) -> tuple[Incident, ...]:
        begun = (*self.active, *self.under_way, *self.history)
        return tuple(sorted(begun, key=lambda incident: incident.begins_at, reverse=True))

    def _month_of(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date().replace(day=1)

    def _first_days(self) -> list[date]:
        kept_since = self.made_at - timedelta(days=self.tenant.settings.history_days)
        begun = min((one.begins_at for one in self._everything), default=self.made_at)
        oldest = self._month_of(min(begun, max(kept_since, self.tenant.created_at)))
        found = [self._month_of(self.made_at)]
        while found[-1] > oldest:
            found.append((found[-1] - timedelta(days=1)).replace(day=1))
        return found


def page_of(snapshot: Snapshot, now: datetime, true_at: datetime) -> Page:
    """The page at that moment; `true_at` is until when the snapshot is known to be the newest."""
    settings = snapshot.tenant.settings
    kept_since = now - timedelta(days=settings.history_days)
    maintenance = [one for one in snapshot.active if one.kind is IncidentKind.MAINTENANCE]
    return Page(
        tenant=snapshot.tenant,
        title=settings.page_title or snapshot.tenant.name,
        description=settings.page_description,
        overall=overall_state(snapshot),
        groups=_groups(snapshot, now),
        active=tuple(one for one in snapshot.active if one.kind is IncidentKind.INCIDENT),
        under_way=tuple(one for one in maintenance if one.status is not Status.SCHEDULED),
        scheduled=tuple(
            sorted(
                (one for one in maintenance if one.status is Status.SCHEDULED),
                key=lambda one: one.begins_at,
            )
        ),
        history=tuple(one for one in snapshot.history if (one.resolved_at or now) > kept_since),
        revisions=snapshot.revisions,
        as_of=true_at,
        made_at=now,
    )


async def find_incident(
    app: App, snapshot: Snapshot, slug: str
) -> tuple[Incident, Mapping[str, Sequence[Revision]]]:
    """The incident of that permalink, however old it is, with its revisions by update. Raises NotFound."""
    for incident in (*snapshot.active, *snapshot.history):
        if incident.slug == slug:
            return incident, snapshot.revisions
    async with app.database.read() as db:
        incident = await incidents.by_slug(db, snapshot.tenant.id, slug)
        return incident, await incidents.revisions_of(db, snapshot.tenant.id, [incident.id])


def overall_state(snapshot: Snapshot) -> ComponentState:
    """The worst of all components, and of the active incidents that name none."""
    untagged = (
        Severity.impact_of(incident.severity)
        for incident in snapshot.active
        if incident.kind is IncidentKind.INCIDENT and not incident.affected
    )
    return ComponentState.worst([*(component.state for component in snapshot.components), *untagged])


def _groups(snapshot: Snapshot, now: datetime) -> tuple[Group, ...]:
    """Components come in the order of the page, so a group's stand together."""
    zone = ZoneInfo(snapshot.tenant.settings.time_zone)
    found = []
    for name, members in groupby(snapshot.components, key=lambda component: component.group):
        shown = tuple(
            Shown(component=component, uptime=uptime_of(snapshot.shown_states.get(component.id, ()), zone, now))
            for component in members
        )
        found.append(Group(name=name, members=shown))
    return tuple(found)
