"""What each tenant shows now, kept in memory: answers and pages are made from it, never from the database.

A change replaces the tenant's snapshot at once in the process that made it. Other processes poll the change
counter. While the database is away, the last snapshot goes on being served.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.errors import Unavailable
from server.models import BrandPicture, Component, Incident, Revision, StateChange, Tenant
from server.store import branding, changes, tenants
from server.store import components as component_rows
from server.store import incidents as incident_rows
from server.store.database import Database
from server.uptime import SHOWN_DAYS
from server.waiting import is_set_within

POLL_SECONDS = 0.25
MAX_TENANTS = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """One tenant at one version."""

    tenant: Tenant
    components: tuple[Component, ...]
    active: tuple[Incident, ...]
    """Not closed, the latest start first."""
    history: tuple[Incident, ...]
    """Closed within the time that the tenant keeps history for, the latest start first."""
    revisions: Mapping[str, Sequence[Revision]]
    """Of the updates of these incidents that were edited: the versions replaced, oldest first."""
    shown_states: Mapping[str, Sequence[StateChange]]
    """Of each component: the state `SHOWN_DAYS` ago and every change since, oldest first."""
    pictures: Mapping[str, BrandPicture]
    """Logo and favicon, by role."""
    taken_at: datetime

    @property
    def version(self) -> int:
        return self.tenant.version


class Snapshots:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._kept: OrderedDict[str, Snapshot] = OrderedDict()
        self._ids: dict[str, str] = {}
        self._loading: dict[str, asyncio.Task[Snapshot]] = {}
        self._followed_at: datetime | None = None
        self._watchers: list[Callable[[Snapshot, Snapshot], None]] = []

    def watch(self, watcher: Callable[[Snapshot, Snapshot], None]) -> None:
        """Call it with the old and the new snapshot of a tenant whenever a newer one replaces it."""
        self._watchers.append(watcher)

    def kept(self, tenant_id: str) -> Snapshot | None:
        """The tenant's newest known snapshot if there is one in memory. Costs nothing; asks nobody."""
        return self._kept.get(tenant_id)

    def kept_by_slug(self, slug: str) -> Snapshot | None:
        """As `kept`, for the tenant of that slug."""
        return self._kept.get(self._ids.get(slug, ""))

    def true_at(self, snapshot: Snapshot) -> datetime:
        """The last moment at which it is known that nothing newer had been published."""
        return max(snapshot.taken_at, self._followed_at or snapshot.taken_at)

    async def get(self, tenant_id: str) -> Snapshot:
        """The tenant's newest known snapshot. Raises NotFound, or Unavailable if it was never loaded."""
        kept = self._kept.get(tenant_id)
        if kept is None:
            return await self._load_once(tenant_id)
        self._kept.move_to_end(tenant_id)
        return kept

    async def by_slug(self, slug: str) -> Snapshot:
        """As `get`, for the tenant of that slug."""
        tenant_id = self._ids.get(slug)
        if tenant_id is None:
            async with self._database.read() as db:
                tenant_id = (await tenants.by_slug(db, slug)).id
            self._ids[slug] = tenant_id
        return await self.get(tenant_id)

    async def refresh(self, tenant_id: str) -> None:
        """Take a new snapshot. If the database is away meanwhile, the old one stays until the next poll."""
        try:
            self._keep(await self._load(tenant_id))
        except Unavailable as error:
            log.warning("the snapshot of %s is not the newest: %s", tenant_id, error)

    async def follow(self, stop: asyncio.Event) -> None:
        """Take up what other processes published, until `stop`."""
        seen = 0
        while not await is_set_within(stop, POLL_SECONDS):
            try:
                seen = await self._take_up(seen)
            except Unavailable as error:
                log.warning("changes are not followed now: %s", error)
            except Exception:
                log.exception("changes could not be followed")

    async def _take_up(self, seen: int) -> int:
        now = self._clock()
        async with self._database.read() as db:
            latest = await changes.latest(db)
            changed = await changes.changed_since(db, seen) if latest != seen else []
        for tenant_id in changed:
            if tenant_id in self._kept or tenant_id in self._loading:  # what is being loaded may be older
                self._keep(await self._load(tenant_id))
        self._followed_at = now
        return latest

    async def _load_once(self, tenant_id: str) -> Snapshot:
        """Load it, however many ask at the same time."""
        task = self._loading.get(tenant_id)
        if task is None:
            task = self._loading[tenant_id] = asyncio.create_task(self._load_and_keep(tenant_id))
            task.add_done_callback(lambda _: self._loading.pop(tenant_id, None))
        return await asyncio.shield(task)

    async def _load_and_keep(self, tenant_id: str) -> Snapshot:
        return self._keep(await self._load(tenant_id))

    async def _load(self, tenant_id: str) -> Snapshot:
        now = self._clock()
        async with self._database.read() as db:
            tenant = await tenants.get(db, tenant_id)
            kept_since = now - timedelta(days=tenant.settings.history_days)
            active = await incident_rows.active(db, tenant_id)
            history = await incident_rows.closed_since(db, tenant_id, kept_since)
            ids = [incident.id for incident in (*active, *history)]
            shown_since = now - timedelta(days=SHOWN_DAYS + 1)  # whole days of any time zone
            return Snapshot(
                tenant=tenant,
                components=tuple(await component_rows.of_tenant(db, tenant_id)),
                active=tuple(active),
                history=tuple(history),
                revisions=await incident_rows.revisions_of(db, tenant_id, ids),
                shown_states=await component_rows.shown_states_since(db, tenant_id, shown_since),
                pictures=await branding.of_tenant(db, tenant_id),
                taken_at=now,
            )

    def _keep(self, snapshot: Snapshot) -> Snapshot:
        """Keep it unless a newer one was taken meanwhile. Returns the one that is kept."""
        kept = self._kept.get(snapshot.tenant.id)
        if kept is not None and kept.version > snapshot.version:
            return kept
        self._kept[snapshot.tenant.id] = snapshot
        self._kept.move_to_end(snapshot.tenant.id)
        while len(self._kept) > MAX_TENANTS:
            self._kept.popitem(last=False)
        if kept is not None and kept.version < snapshot.version:
            for watcher in self._watchers:
                watcher(kept, snapshot)
        return snapshot
