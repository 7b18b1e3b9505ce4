"""From a posted update to mail in a mailbox: the worker that expands the outbox and sends what is due.

At least once, with the smallest window: a mail is repeated only if the process dies between the server's yes and
the commit that notes it, and there are at most two such mails per connection. The Message-ID stays the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from server.components import mentioned
from server.context import Actor, App, TenantContext
from server.errors import Unavailable
from server.ids import new_id
from server.links import mail_domain
from server.mail.batches import Batch, load_batch
from server.mail.channels import Route, open_outlet, route_of
from server.mail.notes import GIVE_UP_AFTER, Notes
from server.mail.outlets import ChannelTrouble, Mail, Outlet, Reply
from server.mail.smtp import Server
from server.maintenance import expand_reminder
from server.models import Incident, MailKind, MailState, Status, Update
from server.store import channels, deliveries, fanouts, subscribers, tenants
from server.store import incidents as incident_rows
from server.store.deliveries import Cause, Outcome
from server.store.fanouts import Fanout
from server.subscriptions import suppressed
from server.timeline import steps
from server.waiting import is_set_within

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

WORKER = Actor(id="worker", name="mail worker", scopes=frozenset())

WAKES_WITHIN = timedelta(days=7)
SIGNUPS_KEPT = timedelta(days=7)
MAIL_KEPT = timedelta(days=90)
EXPAND_BATCH = 500
SEND_BATCH = 200
MAX_LANES = 16
LONGEST_DELAY = timedelta(minutes=30)
REFUSED_PAUSE = timedelta(minutes=10)
DATABASE_PAUSE_SECONDS = 0.5
STOP_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How patient a worker is."""

    lease: timedelta = timedelta(seconds=60)
    """How long mails that it holds stay with it if it dies."""
    first_delay: timedelta = timedelta(seconds=30)
    """How long it waits before a second attempt, at most; twice as long before each further one."""
    poll_seconds: float = 0.5


# --------------------------------------------------------------------------------------- whom an update concerns


@dataclass(frozen=True)
class Audience:
    """Who hears of an update, besides those who hear of everything."""

    component_ids: frozenset[str]
    asleep_until: datetime | None
    """Subscriptions to this incident alone hear of it only if they were confirmed after that; None: all do."""


def audience_of(incident: Incident, update: Update) -> Audience | None:
    """None if the update says nothing to anybody: it leaves a closed incident closed, without a word.

    A subscription to one incident sleeps from its final mail on. It wakes if the incident reopens within a week.
    """
    asleep_until: datetime | None = None
    closed_at: datetime | None = None
    was_closed = is_closed = False
    for step, (at, state) in zip(incident.updates, steps(incident.updates), strict=True):
        was_closed, is_closed = is_closed, state.status.closes
        if is_closed and not was_closed:
            closed_at = at
        elif was_closed and not is_closed and closed_at is not None and at - closed_at > WAKES_WITHIN:
            asleep_until = closed_at
        if step.id == update.id:
            break
    if was_closed and is_closed:
        if update.content.message is None:
            return None
        asleep_until = update.created_at
    return Audience(frozenset(mentioned(incident)), asleep_until)


async def count_told(tenant: TenantContext, incident: Incident) -> int:
    """How many subscribers hear of the update that was posted last. The incident may be one that is only tried."""
    newest = max(incident.updates, key=lambda update: (update.created_at, update.id))
    audience = audience_of(incident, newest)
    if audience is None:
        return 0
    async with tenant.read() as db:
        return await subscribers.count_covered(
            db, tenant.id, incident.id, audience.component_ids, audience.asleep_until
        )


# ------------------------------------------------------------------------------------------------- the worker


@dataclass(frozen=True)
class Pause:
    """A server that takes nothing now."""

    until: datetime
    times: int
    """How often in a row."""


class Worker:
    """Expands the outbox and sends mail until it is told to stop. Any number may run on one database."""

    def __init__(self, app: App, pace: Pace | None = None, random: Random | None = None) -> None:
        self._app = app
        self._pace = pace or Pace()
        self._random = random or Random()  # noqa: S311 - it spreads retries, no more
        self._owner = new_id("wrk")
        self._outlets: dict[Server | Path, Outlet] = {}
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._paused: dict[Server | Path, Pause] = {}
        self._waits: dict[str, datetime] = {}
        self._sent: dict[Server | Path, deque[datetime]] = {}
        self._next_sweep = app.clock()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then end with the mails that are in flight."""
        try:
            while not await is_set_within(stop, self._pace.poll_seconds):
                await _logged(self._turn(stop))
            if self._lanes:
                await asyncio.wait(self._lanes.values(), timeout=STOP_SECONDS)
        finally:
            for lane in self._lanes.values():  # a server that hangs is not waited for; its mails' leases end
                lane.cancel()
            await asyncio.gather(*self._lanes.values(), return_exceptions=True)
            await asyncio.gather(*(outlet.close() for outlet in self._outlets.values()))

    async def run_until_idle(self) -> None:
        """Do all that can be done now."""
        stop = asyncio.Event()
        await self._turn(stop)
        while self._lanes:
            await asyncio.gather(*self._lanes.values())
            await self._turn(stop)

    async def _turn(self, stop: asyncio.Event) -> None:
        while await self._expand_batch() and not stop.is_set():
            pass
        while await expand_reminder(self._app) and not stop.is_set():
            pass
        await self._sweep()
        now = self._app.clock()
        async with self._app.database.read() as db:
            due = await deliveries.tenants_with_due(db, now)
        self._lanes = {tenant_id: lane for tenant_id, lane in self._lanes.items() if not lane.done()}
        for tenant_id in due:
            may_start = tenant_id not in self._lanes and self._waits.get(tenant_id, now) <= now
            if may_start and len(self._lanes) < MAX_LANES:
                self._lanes[tenant_id] = asyncio.create_task(_logged(self._deliver(tenant_id, stop)))

    # ---------------------------------------------------------------------------------------------- expanding

    async def _expand_batch(self) -> bool:
        """Queue the next mails of the oldest waiting update. Whether there was one.

        A batch and its cursor are one transaction, under the fan-out's lock: a crash repeats or loses nothing.
        """
        async with self._app.database.read() as db:
            if not await fanouts.has_waiting(db):
                return False
        async with self._app.database.write() as db:
            fanout = await fanouts.lock_next(db)
            if fanout is None:
                return False
            incident = await incident_rows.get(db, fanout.tenant_id, fanout.incident_id)
            audience = audience_of(incident, _update(incident, fanout.update_id))
            found = await self._next_subscribers(db, fanout, audience) if audience else []
            if found:
                tenant = await tenants.get(db, fanout.tenant_id)
                position = await fanouts.position(db, fanout)
                cause = Cause(MailKind.UPDATE, fanout.incident_id, fanout.id, position)
                domain, now = mail_domain(self._app.settings, tenant), self._app.clock()
                await deliveries.insert_for_subscribers(db, tenant.id, cause, found, domain, now)
                await fanouts.move_cursor(db, fanout, found[-1])
            if len(found) < EXPAND_BATCH:
                await fanouts.finish(db, fanout, self._app.clock())
        return True

    async def _next_subscribers(self, db: AsyncConnection, fanout: Fanout, audience: Audience) -> list[str]:
        return await subscribers.covered(
            db,
            fanout.tenant_id,
            fanout.incident_id,
            audience.component_ids,
            audience.asleep_until,
            after=fanout.cursor,
            limit=EXPAND_BATCH,
        )

    # ------------------------------------------------------------------------------------------------ sending

    async def _deliver(self, tenant_id: str, stop: asyncio.Event) -> None:
        """Send the tenant's due mails, batch after batch."""
        while not stop.is_set():
            async with self._app.database.read() as db:
                tenant = await tenants.get(db, tenant_id)
                route = await route_of(self._app, db, tenant)
            room = self._room(tenant_id, route)
            if route is None or room == 0:
                return
            batch = await self._claim(route, room)
            if batch is None:
                return
            await self._send(route, batch, stop)

    def _room(self, tenant_id: str, route: Route | None) -> int:
        """How many mails may go this way now. With none, the tenant waits a while."""
        now = self._app.clock()
        if route is None:
            log.warning("mail of %s waits: there is no mail server; set HERALD_SMTP_URL", tenant_id)
            self._waits[tenant_id] = now + timedelta(minutes=1)
            return 0
        pause = self._paused.get(route.place)
        if pause is not None and pause.until > now:
            self._waits[tenant_id] = pause.until
            return 0
        if route.per_minute is None:
            return SEND_BATCH
        sent = self._sent.setdefault(route.place, deque())
        while sent and sent[0] <= now - timedelta(minutes=1):
            sent.popleft()
        room = min(SEND_BATCH, route.per_minute - len(sent))
        if room <= 0:
            self._waits[tenant_id] = sent[0] + timedelta(minutes=1)
        return max(room, 0)

    async def _claim(self, route: Route, limit: int) -> Batch | None:
        """Take the next due mails, and set aside those that shall not be sent any more. None if none were due."""
        tenant_id, now = route.tenant.id, self._app.clock()
        async with self._app.database.write() as db:
            taken = await deliveries.claim(db, tenant_id, self._owner, now, now + self._pace.lease, limit)
            if not taken:
                return None
            batch = await load_batch(db, route, taken)
            set_aside = await self._set_aside(db, batch, now)
        return batch.without(set_aside)

    async def _set_aside(self, db: AsyncConnection, batch: Batch, now: datetime) -> set[str]:
        tenant_id, ids = batch.route.tenant.id, [delivery.id for delivery in batch.deliveries]
        tenant = TenantContext(self._app, tenant_id, WORKER)
        refused = await suppressed(db, tenant, {batch.address(delivery) for delivery in batch.deliveries})
        expired = [one.id for one in batch.deliveries if one.created_at <= now - GIVE_UP_AFTER]
        unwanted = [one.id for one in batch.deliveries if batch.address(one) in refused]
        begun = {incident.id for incident in batch.incidents.values() if incident.status is not Status.SCHEDULED}
        late = [one.id for one in batch.deliveries if one.kind is MailKind.REMINDER and one.incident_id in begun]
        reasons = {
            **dict.fromkeys(expired, (MailState.DEAD, "given up after 48 hours")),
            **dict.fromkeys(unwanted, (MailState.SUPPRESSED, "the address is suppressed")),
            **dict.fromkeys(late, (MailState.SUPERSEDED, "the maintenance has begun or was called off")),
            **dict.fromkeys(
                await deliveries.unsubscribed(db, tenant_id, ids), (MailState.SUPPRESSED, "unsubscribed meanwhile")
            ),
            **dict.fromkeys(
                await deliveries.overtaken(db, tenant_id, ids), (MailState.SUPERSEDED, "a later update told it")
            ),
        }
        outcomes = [Outcome(one, state, why, counts=False) for one, (state, why) in reasons.items()]
        if outcomes:
            await deliveries.finish(db, tenant_id, self._owner, outcomes, now)
        return set(reasons)

    async def _send(self, route: Route, batch: Batch, stop: asyncio.Event) -> None:
        outlet = self._outlets.get(route.place)
        if outlet is None:
            outlet = self._outlets[route.place] = open_outlet(route.place)
        notes = Notes(self._app, route.tenant.id, self._owner, batch, self._backoff)
        keeping = asyncio.create_task(self._keep_leases(route.tenant.id))
        try:
            async with notes.being_written():
                await outlet.send(self._mails(batch, notes, stop), notes.report)
            await self._works_again(route)
        except ChannelTrouble as trouble:
            await self._pause(route, trouble)
        finally:
            keeping.cancel()
            self._sent.setdefault(route.place, deque()).extend([self._app.clock()] * notes.reported)
        await self._give_back(route.tenant.id, notes.unreported)

    def _mails(self, batch: Batch, notes: Notes, stop: asyncio.Event) -> Iterator[Mail]:
        """Each made when its turn comes. One that cannot be made is given up, and the others go on."""
        for delivery in batch.deliveries:
            if stop.is_set():
                return
            try:
                mail = batch.mail(self._app, delivery)
            except Exception as error:
                log.exception("the mail %s could not be written", delivery.id)
                notes.report(delivery.id, Reply(554, f"could not be written: {type(error).__name__}"))
            else:
                yield mail

    async def _give_back(self, tenant_id: str, ids: Collection[str]) -> None:
        if ids:
            async with self._app.database.write() as db:
                await deliveries.release(db, tenant_id, self._owner, ids, self._app.clock())

    async def _keep_leases(self, tenant_id: str) -> None:
        """Go on holding what is held while a slow server answers."""
        while True:
            await asyncio.sleep(self._pace.lease.total_seconds() / 3)
            with suppress(Unavailable):
                async with self._app.database.write() as db:
                    until = self._app.clock() + self._pace.lease
                    await deliveries.extend(db, tenant_id, self._owner, until)

    def _backoff(self, attempts: int) -> timedelta:
        """Twice as long after each attempt, anywhere up to that, so that many do not come back together."""
        longest = min(self._pace.first_delay * (1 << min(attempts, 10)), LONGEST_DELAY)
        return longest * self._random.uniform(0.5, 1)

    async def _pause(self, route: Route, trouble: ChannelTrouble) -> None:
        """Leave the server alone for a while. The mails' attempts do not count: it is not their fault."""
        before = self._paused.get(route.place)
        times = before.times + 1 if before else 0
        length = REFUSED_PAUSE if trouble.refused else min(self._backoff(times), REFUSED_PAUSE)
        until = self._app.clock() + length
        self._paused[route.place] = Pause(until, times)
        self._waits[route.tenant.id] = until
        log.warning(
            "mail of %s waits until %s: %s", route.tenant.slug, until.isoformat(timespec="seconds"), trouble
        )
        if route.is_own:
            async with self._app.database.write() as db:
                await channels.pause(db, route.tenant.id, until, str(trouble))

    async def _works_again(self, route: Route) -> None:
        if self._paused.pop(route.place, None) is not None and route.is_own:
            async with self._app.database.write() as db:
                await channels.pause(db, route.tenant.id, None, None)

    # ----------------------------------------------------------------------------------------------- sweeping

    async def _sweep(self) -> None:
        """Once an hour: forget requests that nobody confirmed, and what became of old mail."""
        now = self._app.clock()
        if now < self._next_sweep:
            return
        self._next_sweep = now + timedelta(hours=1)
        async with self._app.database.read() as db:
            everyone = await tenants.every(db)
        for tenant in everyone:
            async with self._app.database.write() as db:
                await subscribers.delete_signups_before(db, tenant.id, now - SIGNUPS_KEPT)
                await deliveries.delete_finished_before(db, tenant.id, now - MAIL_KEPT, limit=5_000)


async def _logged(work: Awaitable[None]) -> None:
    """The worker goes on, whatever happens to one turn or one tenant's mail."""
    try:
        await work
    except Unavailable as error:
        log.warning("mail waits: %s", error)
        await asyncio.sleep(DATABASE_PAUSE_SECONDS)
    except Exception:
        log.exception("mail could not be sent")
        await asyncio.sleep(DATABASE_PAUSE_SECONDS)


def _update(incident: Incident, update_id: str) -> Update:
    return next(update for update in incident.updates if update.id == update_id)
