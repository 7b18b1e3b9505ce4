"""The public JSON of Atlassian Statuspage (v2), exactly: whatever reads a Statuspage can read this page.

Its words differ from ours: `degraded_performance`, `under_maintenance`, an incident's `impact` for its severity.
Groups are rows among the components. Source: the API page that each Statuspage carries, and recorded answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from server.links import incident_url
from server.models import Component, ComponentState, Incident, IncidentKind, Severity, Status
from server.pages import Group
from server.timeline import Fold, steps
from status_site.documents import Document
from status_site.view import View

MOST = 50

Json = dict[str, Any]

COMPONENT_STATUS = {
    ComponentState.OPERATIONAL: "operational",
    ComponentState.MAINTENANCE: "under_maintenance",
    ComponentState.DEGRADED: "degraded_performance",
    ComponentState.PARTIAL_OUTAGE: "partial_outage",
    ComponentState.MAJOR_OUTAGE: "major_outage",
}


# It deletes what is called off; here it stays readable, in the word that fits best.
INCIDENT_STATUS = {Status.CANCELLED: Status.COMPLETED}


# ------------------------------------------------------------------------------------------------- documents


async def status(view: View) -> Document:
    return _json(view, status=_status(view))


async def summary(view: View) -> Document:
    coming = [one for one in _of_kind(view, IncidentKind.MAINTENANCE) if one.is_active]
    unresolved = [one for one in _of_kind(view, IncidentKind.INCIDENT) if one.is_active]
    return _json(
        view,
        components=_components(view),
        incidents=_incidents(view, unresolved),
        scheduled_maintenances=_incidents(view, coming),
        status=_status(view),
    )


async def components(view: View) -> Document:
    return _json(view, components=_components(view))


async def incidents(view: View) -> Document:
    return _json(view, incidents=_incidents(view, _of_kind(view, IncidentKind.INCIDENT)))


async def unresolved_incidents(view: View) -> Document:
    unresolved = [one for one in _of_kind(view, IncidentKind.INCIDENT) if one.is_active]
    return _json(view, incidents=_incidents(view, unresolved))


async def maintenances(view: View) -> Document:
    return _json(view, scheduled_maintenances=_incidents(view, _of_kind(view, IncidentKind.MAINTENANCE)))


async def upcoming_maintenances(view: View) -> Document:
    upcoming = [one for one in _of_kind(view, IncidentKind.MAINTENANCE) if one.status is Status.SCHEDULED]
    return _json(view, scheduled_maintenances=_incidents(view, upcoming))


async def active_maintenances(view: View) -> Document:
    under_way = (Status.IN_PROGRESS, Status.VERIFYING)
    active = [one for one in _of_kind(view, IncidentKind.MAINTENANCE) if one.status in under_way]
    return _json(view, scheduled_maintenances=_incidents(view, active))


# ----------------------------------------------------------------------------------------------------- parts


def _json(view: View, **parts: Any) -> Document:
    body = json.dumps({"page": _page(view), **parts}, ensure_ascii=False, separators=(",", ":"))
    return Document(body.encode(), "application/json; charset=utf-8", cors=True)


def _page(view: View) -> Json:
    tenant = view.snapshot.tenant
    zone = tenant.settings.time_zone
    return {
        "id": tenant.id,
        "name": view.page.title,
        "url": view.home,
        "time_zone": "Etc/UTC" if zone == "UTC" else zone,
        "updated_at": _stamp(_last_change(view)),
    }


def _last_change(view: View) -> datetime:
    snapshot = view.snapshot
    updates = (update for one in (*snapshot.active, *snapshot.history) for update in one.updates)
    said = (update.edited_at or update.created_at for update in updates)
    shown = (change.at for changes in snapshot.shown_states.values() for change in changes)
    return max((snapshot.tenant.created_at, *said, *shown))


def _status(view: View) -> Json:
    indicator, description = overall(view)
    return {"indicator": indicator, "description": description}


def overall(view: View) -> tuple[str, str]:
    """The page's indicator and one of the seven sentences that Statuspage has for it."""
    states = [component.state for component in view.snapshot.components]
    counts = {state: states.count(state) for state in ComponentState}
    everything = len(states)
    match view.page.overall:
        case ComponentState.OPERATIONAL:
            return "none", "All Systems Operational"
        case ComponentState.MAINTENANCE:
            return "maintenance", "Service Under Maintenance"
        case ComponentState.DEGRADED if everything and counts[ComponentState.DEGRADED] == everything:
            return "minor", "Degraded System Service"
        case ComponentState.DEGRADED:
            return "minor", "Partially Degraded Service"
        case ComponentState.PARTIAL_OUTAGE if counts[ComponentState.PARTIAL_OUTAGE] in (0, everything):
            return "major", "Partial System Outage"
        case ComponentState.PARTIAL_OUTAGE:
            return "minor", "Minor Service Outage"
        case ComponentState.MAJOR_OUTAGE if counts[ComponentState.MAJOR_OUTAGE] in (0, everything):
            return "critical", "Major System Outage"
        case ComponentState.MAJOR_OUTAGE:
            return "major", "Partial System Outage"


def _components(view: View) -> list[Json]:
    """Each group before its members, as Statuspage lists them."""
    rows = []
    for position, group in enumerate(view.page.groups, start=1):
        rows.append(_group(view, group, position))
        rows += [_component(view, shown.component) for shown in group.members]
    return rows


def _group(view: View, group: Group, position: int) -> Json:
    members = [_component(view, shown.component) for shown in group.members]
    return {
        "id": _group_id(group.name),
        "name": group.name,
        "status": COMPONENT_STATUS[group.state],
        "created_at": min(member["created_at"] for member in members),
        "updated_at": max(member["updated_at"] for member in members),
        "position": position,
        "description": None,
        "showcase": False,
        "start_date": None,
        "group_id": None,
        "page_id": view.snapshot.tenant.id,
        "group": True,
        "only_show_if_degraded": False,
        "components": [member["id"] for member in members],
    }


def _component(view: View, component: Component) -> Json:
    changes = view.snapshot.shown_states.get(component.id, ())
    first, last = (changes[0].at, changes[-1].at) if changes else (view.snapshot.tenant.created_at,) * 2
    return {
        "id": component.id,
        "name": component.name,
        "status": COMPONENT_STATUS[component.state],
        "created_at": _stamp(first),
        "updated_at": _stamp(last),
        "position": component.position,
        "description": component.description or None,
        "showcase": True,
        "start_date": f"{first:%Y-%m-%d}",
        "group_id": _group_id(component.group),
        "page_id": view.snapshot.tenant.id,
        "group": False,
        "only_show_if_degraded": False,
    }


def _of_kind(view: View, kind: IncidentKind) -> list[Incident]:
    everything = (*view.snapshot.active, *view.page.history)
    mine = [incident for incident in everything if incident.kind is kind]
    return sorted(mine, key=lambda incident: incident.started_at, reverse=True)[:MOST]


def _incidents(view: View, found: Iterable[Incident]) -> list[Json]:
    return [_incident(view, incident) for incident in found]


def _incident(view: View, incident: Incident) -> Json:
    affected = {one.id for one in incident.affected}
    row = {
        "id": incident.id,
        "name": incident.title,
        "status": _word(incident.status),
        "created_at": _stamp(incident.created_at),
        "updated_at": _stamp(max(update.edited_at or update.created_at for update in incident.updates)),
        "monitoring_at": _stamp(_monitored_since(incident)),
        "resolved_at": _stamp(incident.resolved_at),
        "impact": "maintenance" if incident.kind is IncidentKind.MAINTENANCE else _impact(incident.severity),
        "shortlink": incident_url(view.app.settings, view.snapshot.tenant, incident),
        "started_at": _stamp(incident.started_at),
        "page_id": view.snapshot.tenant.id,
        "incident_updates": _updates(view, incident),
        "components": [_component(view, one) for one in view.snapshot.components if one.id in affected],
        "reminder_intervals": None,
    }
    if incident.kind is IncidentKind.MAINTENANCE:
        row["scheduled_for"] = _stamp(incident.starts_at or incident.started_at)
        row["scheduled_until"] = _stamp(incident.ends_at or incident.starts_at or incident.started_at)
    return row


def _word(status: Status) -> Status:
    return INCIDENT_STATUS.get(status, status)


def _impact(severity: Severity | None) -> str:
    return severity or "none"


def _monitored_since(incident: Incident) -> datetime | None:
    moments = [update.at for update in incident.updates if update.content.status is Status.MONITORING]
    return moments[-1] if moments else None


def _updates(view: View, incident: Incident) -> list[Json]:
    names = {one.id: f"{one.group} - {one.name}" for one in view.snapshot.components}
    states = [fold for _, fold in steps(incident.updates)]
    told = zip(incident.updates, pairwise([None, *states]), strict=True)
    rows = [
        {
            "id": update.id,
            "status": _word(after.status if after else incident.status),
            "body": update.content.message or "",
            "incident_id": incident.id,
            "created_at": _stamp(update.created_at),
            "updated_at": _stamp(update.edited_at or update.created_at),
            "display_at": _stamp(update.at),
            "affected_components": _affected(names, before, after),
            "deliver_notifications": True,
            "custom_tweet": None,
            "tweet_id": None,
        }
        for update, (before, after) in told
    ]
    return rows[::-1]


def _affected(names: Mapping[str, str], before: Fold | None, after: Fold | None) -> list[Json] | None:
    """From which state to which the update moved each component, as far as this incident is concerned."""
    tagged = {**(before.components if before else {}), **(after.components if after else {})}
    rows = [
        {
            "code": component_id,
            "name": names[component_id],
            "old_status": COMPONENT_STATUS[_given(before, component_id)],
            "new_status": COMPONENT_STATUS[_given(after, component_id)],
        }
        for component_id in tagged
        if component_id in names
    ]
    return rows or None


def _given(state: Fold | None, component_id: str) -> ComponentState:
    return state.impact_on(component_id) if state else ComponentState.OPERATIONAL


def _group_id(name: str) -> str:
    return f"grp_{hashlib.sha256(name.encode()).hexdigest()[:20]}"


def _stamp(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
