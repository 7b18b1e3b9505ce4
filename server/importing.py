"""Takes over the history of a Statuspage: components, incidents and maintenance, with the times they had there.

What was taken over before is known by its id there and left alone, so an import can be repeated: the second one
adds what is new since, or nothing. Nobody gets mail about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from server import history
from server.components import mentioned, record_shown_states
from server.context import TenantContext
from server.errors import Invalid
from server.fetching import fetch
from server.ids import new_id
from server.incidents import TICK, columns_of, slug_of
from server.maintenance import plan_moments
from server.models import Component, ComponentState, IncidentKind, Model, Scope, Update, UpdateContent
from server.statuspage import ReadComponent, ReadIncident, ReadPage, contents_of
from server.store import components as component_rows
from server.store import imported as rows
from server.store import incidents as incident_rows
from server.store.imported import External
from server.timeline import fold

DOCUMENTS = ("components", "incidents", "scheduled-maintenances")
MOST_LISTED = 50
"""So many incidents a Statuspage lists; where there are as many, older ones are not told of."""


class Imported(Model):
    """How much an import added, or would add."""

    components: int
    incidents: int
    maintenances: int
    updates: int
    """All new ones, those of incidents that were known before included."""
    known: int
    """Incidents and maintenance that were taken over before."""

    @property
    def is_empty(self) -> bool:
        return not (self.components or self.updates)


@dataclass
class Taken:
    """The import under way: our ids of what was taken over before, and of what is added now."""

    before: dict[External, str]
    now: dict[External, str]

    def id_of(self, kind: str, external_id: str) -> str | None:
        return self.before.get((kind, external_id)) or self.now.get((kind, external_id))


async def fetch_documents(url: str, *, allow_private: bool = False) -> list[bytes]:
    """What the page at this address says of itself. Raises Invalid and Unavailable."""
    parts = urlsplit(url)
    if parts.path.endswith(".json"):
        return [await fetch(url, allow_private=allow_private)]
    base = url.partition("?")[0].rstrip("/").removesuffix("/api/v2")
    return [await fetch(f"{base}/api/v2/{name}.json", allow_private=allow_private) for name in DOCUMENTS]


async def import_page(tenant: TenantContext, page: ReadPage, dry_run: bool = False) -> Imported:
    """Add what is not there yet; a dry run says what that would be and adds nothing.

    Raises Invalid for what cannot be taken over, naming it, and then adds nothing either.
    """
    tenant.require(Scope.ADMIN)
    async with tenant.publish(dry_run) as db:
        taken = Taken(await rows.of_tenant(db, tenant.id), {})
        await _take_components(db, tenant, page, taken)
        added = [one for one in page.told if await _take_incident(db, tenant, one, taken)]
        await rows.insert(db, tenant.id, taken.now)
        await _correct_shown_states(db, tenant, page, taken)
        report = _report(page, added, taken)
        if not report.is_empty:
            await tenant.audit(db, "import.statuspage", tenant.id, **report.model_dump())
    return report


# --------------------------------------------------------------------------------------------------- components


async def _take_components(db: AsyncConnection, tenant: TenantContext, page: ReadPage, taken: Taken) -> None:
    """Add those that are new. One of the same name in the same group is the same."""
    here = await component_rows.of_tenant(db, tenant.id)
    for source in page.listed:
        if taken.id_of("component", source.id):
            continue
        group = page.group_of(source)
        same = next((one for one in here if (one.name, one.group) == (source.name, group)), None)
        if same is None:
            same = _component(source, group, here)
            here.append(same)
            await _add_component(db, tenant, same, source, page)
        taken.now["component", source.id] = same.id


def _component(source: ReadComponent, group: str, here: Sequence[Component]) -> Component:
    mates = [one for one in here if one.group == group]
    after_all = 1 + max((one.group_position for one in here), default=0)
    return Component(
        id=new_id("cmp"),
        name=source.name,
        description=source.description or "",
        group=group,
        group_position=mates[0].group_position if mates else after_all,
        position=1 + max((one.position for one in mates), default=0),
        own_state=source.state,
        state=source.state,
    )


async def _add_component(
    db: AsyncConnection, tenant: TenantContext, component: Component, source: ReadComponent, page: ReadPage
) -> None:
    """It is known from its start on. A state that no open incident explains is its own, since it last changed."""
    now = tenant.now()
    since = min(_known_since(source, page, now), now)
    await component_rows.insert(db, tenant.id, component, since)
    await component_rows.set_own_state(db, tenant.id, component.id, ComponentState.OPERATIONAL, since)
    explained = any(source.id == tag.id for one in page.told if not _is_closed(one) for tag in one.components)
    if component.own_state is not ComponentState.OPERATIONAL and not explained:
        changed = min(max(source.updated_at or now, since + TICK), now)
        await component_rows.set_own_state(db, tenant.id, component.id, component.own_state, changed)


def _known_since(source: ReadComponent, page: ReadPage, now: datetime) -> datetime:
    """Its start on the other page, but not before the oldest incident, if there may be older ones."""
    start = source.created_at or now
    oldest = min((one.told[0].at for one in page.incidents), default=start)
    return max(start, oldest) if len(page.incidents) >= MOST_LISTED else start


async def _correct_shown_states(db: AsyncConnection, tenant: TenantContext, page: ReadPage, taken: Taken) -> None:
    """Once for all: from the start of each component that is new or that a new update speaks of."""
    changed = {own_id for (kind, _), own_id in taken.now.items() if kind == "component"}
    fresh = [own_id for (kind, _), own_id in taken.now.items() if kind == "incident"]
    grown = {taken.id_of("incident", one.id) for one in page.told if _new_updates(one, taken)}
    moments = [tenant.now()]
    for incident in (await incident_rows.many(db, tenant.id, {*fresh, *filter(None, grown)})).values():
        changed |= mentioned(incident)
        moments.append(incident.started_at)
    own = await component_rows.own_state_changes(db, tenant.id, changed)
    moments += [changes[0].at for changes in own.values() if changes]
    await record_shown_states(db, tenant, changed, min(moments))


# --------------------------------------------------------------------------------------------------- incidents


async def _take_incident(db: AsyncConnection, tenant: TenantContext, source: ReadIncident, taken: Taken) -> bool:
    """Add it, or its new updates. Whether it was new."""
    component_ids = {external: own for (kind, external), own in (taken.before | taken.now).items()
                     if kind == "component"}  # fmt: skip
    own_id = taken.id_of("incident", source.id)
    incident_id = own_id or new_id("inc")
    updates = _updates(source, contents_of(source, component_ids), incident_id, tenant)
    new = [update for external, update in updates.items() if taken.id_of("update", external) is None]
    if own_id is None:
        await _insert(db, tenant, source, incident_id, list(updates.values()))
        taken.now["incident", source.id] = incident_id
    for external, update in updates.items():
        if update in new:
            taken.now["update", external] = update.id
    if new:
        await _append(db, tenant, incident_id, new)
    return own_id is None


def _updates(
    source: ReadIncident, contents: Sequence[UpdateContent], incident_id: str, tenant: TenantContext
) -> dict[str, Update]:
    """By their ids there. Each takes effect after the one before it, also where the other page says at once."""
    found: dict[str, Update] = {}
    at: datetime | None = None
    for told, content in zip(source.told, contents, strict=True):
        at = told.at if at is None else max(told.at, at + TICK)
        if min(at, told.created_at) > tenant.now():
            raise Invalid(f"{source.name!r}: an update lies in the future, at {told.at.isoformat()}")
        found[told.id] = Update(
            id=new_id("upd"),
            incident_id=incident_id,
            at=at,
            created_at=told.created_at,
            edited_at=None,
            author=tenant.actor.name,
            version=1,
            content=content,
        )
    return found


async def _insert(
    db: AsyncConnection, tenant: TenantContext, source: ReadIncident, incident_id: str, updates: Sequence[Update]
) -> None:
    state = fold(updates)
    values = {
        "id": incident_id,
        "slug": slug_of(state.title, incident_id),
        "kind": source.kind,
        "created_at": source.created_at,
        "version": 0,
        "history_head": history.GENESIS,
        "history_length": 0,
    }
    await incident_rows.insert(db, tenant.id, values | columns_of(state))


async def _append(db: AsyncConnection, tenant: TenantContext, incident_id: str, updates: Sequence[Update]) -> None:
    """Write the updates and their links, then everything that follows from them."""
    head, length = await incident_rows.history_totals(db, tenant.id, incident_id)
    for update in updates:
        await incident_rows.insert_update(db, tenant.id, update)
        head, length = await history.append(db, tenant, head, length, update)
    incident = await incident_rows.get(db, tenant.id, incident_id)
    state = fold(incident.updates)
    version = {"version": incident.version + len(updates), "history_head": head, "history_length": length}
    await incident_rows.save(db, tenant.id, incident_id, columns_of(state) | version, state.components)
    if state.window is not None:
        await plan_moments(db, tenant, await incident_rows.get(db, tenant.id, incident_id))


def _is_closed(incident: ReadIncident) -> bool:
    return incident.status in ("resolved", "postmortem", "completed")


def _new_updates(incident: ReadIncident, taken: Taken) -> int:
    return sum(("update", update.id) in taken.now for update in incident.told)


def _report(page: ReadPage, added: Sequence[ReadIncident], taken: Taken) -> Imported:
    maintenances = sum(one.kind is IncidentKind.MAINTENANCE for one in added)
    return Imported(
        components=sum(kind == "component" for kind, _ in taken.now),
        incidents=len(added) - maintenances,
        maintenances=maintenances,
        updates=sum(kind == "update" for kind, _ in taken.now),
        known=len(page.told) - len(added),
    )
