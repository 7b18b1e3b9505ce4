"""Maintenance: planned in a window, announced, begun and ended by the clock. The same record as an incident's.

What the clock has to do is written down with the window, in its transaction. Whoever finds a moment due does it
under the tenant's lock, so each is done once, however many processes look, and also when all were down meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from server.components import mentioned, resolved_impacts
from server.context import Actor, App, TenantContext
from server.errors import Invalid, Refused, Unavailable
from server.idempotency import once
from server.incidents import CLOCK_SKEW, Message, Title, add_update, expected_incident, open_record
from server.links import mail_domain
from server.models import (
    ComponentState,
    Impacts,
    Incident,
    IncidentKind,
    MailKind,
    Model,
    Scope,
    Status,
    Translations,
    UpdateContent,
    Utc,
    Window,
)
from server.store import deliveries, subscribers, tenants
from server.store import incidents as incident_rows
from server.store import maintenance as rows
from server.store.deliveries import Cause
from server.store.maintenance import Moment, What
from server.waiting import is_set_within

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

CLOCK = Actor(id="clock", name="schedule", scopes=frozenset({Scope.OPERATOR}))
EVERY_SECONDS = 1.0
BATCH = 500
OLD_NEWS = timedelta(days=1)
MOST_PAST = 50
UNDER_WAY = (Status.IN_PROGRESS, Status.VERIFYING)

log = logging.getLogger(__name__)


class MaintenanceDraft(Model):
    """A maintenance to plan and announce."""

    title: Title
    message: Message | None = None
    components: tuple[str, ...] = ()
    """By id or name; so are an edit's."""
    starts_at: Utc
    ends_at: Utc
    title_translations: Translations = Field(default_factory=dict)
    translations: Translations = Field(default_factory=dict)
    notify: bool = True


class MaintenanceEdit(Model):
    """What changes about a maintenance, as an update of its timeline. What is None stays as it is."""

    incident_id: str
    title: Title | None = None
    message: Message | None = None
    components: tuple[str, ...] | None = None
    starts_at: Utc | None = None
    ends_at: Utc | None = None
    status: Status | None = None
    """To begin or end it by hand, before the clock does."""
    notify: bool = True


class Cancellation(Model):
    incident_id: str
    message: Message | None = None
    notify: bool = True


class MaintenanceList(Model):
    open: tuple[Incident, ...]
    """Scheduled or under way, the next one first."""
    past: tuple[Incident, ...]
    """Completed or cancelled, the latest first."""


# ------------------------------------------------------------------------------------------------- operations


async def schedule_maintenance(
    tenant: TenantContext, draft: MaintenanceDraft, idempotency_key: str | None = None, dry_run: bool = False
) -> Incident:
    """Plan a maintenance, announce it and queue its notice, its reminders, its start and its end, or do nothing.

    Raises Invalid for a window that lies in the past or ends before it starts, or an unknown component.
    """
    tenant.require(Scope.OPERATOR)
    window = _window(draft.starts_at, draft.ends_at)
    _check_is_to_come(window, tenant.now())
    async with tenant.publish(dry_run) as db:
        return await once(
            db, tenant, idempotency_key, draft, Incident, lambda: _schedule(db, tenant, draft, window)
        )


async def edit_maintenance(
    tenant: TenantContext,
    edit: MaintenanceEdit,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
    dry_run: bool = False,
) -> Incident:
    """Post what changes about a maintenance that is not over; a new window brings reminders of its own.

    Raises Invalid if nothing changes or the window cannot be, Refused if it is over, NotFound and Conflict.
    """
    tenant.require(Scope.OPERATOR)
    async with tenant.publish(dry_run) as db:
        return await once(
            db, tenant, idempotency_key, edit, Incident, lambda: _edit(db, tenant, edit, expected_version)
        )


async def cancel_maintenance(
    tenant: TenantContext,
    cancellation: Cancellation,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
    dry_run: bool = False,
) -> Incident:
    """Call off a maintenance that has not begun. Whoever was told of it is told.

    Raises Refused if it has begun or is over, NotFound and Conflict.
    """
    tenant.require(Scope.OPERATOR)
    async with tenant.publish(dry_run) as db:
        return await once(
            db, tenant, idempotency_key, cancellation, Incident,
            lambda: _cancel(db, tenant, cancellation, expected_version),
        )  # fmt: skip


async def list_maintenance(tenant: TenantContext) -> MaintenanceList:
    """All that is open, and the latest of what is past."""
    async with tenant.read() as db:
        open_ids, past_ids = await rows.open_ids(db, tenant.id), await rows.past_ids(db, tenant.id, MOST_PAST)
        found = await incident_rows.many(db, tenant.id, [*open_ids, *past_ids])
    return MaintenanceList(open=tuple(found[one] for one in open_ids), past=tuple(found[one] for one in past_ids))


# -------------------------------------------------------------------------------------------------- the clock


async def keep_schedule(app: App, stop: asyncio.Event) -> None:
    """Begin and end what is planned, when its time comes, until `stop`."""
    while not await is_set_within(stop, EVERY_SECONDS):
        try:
            await do_what_is_due(app)
        except Unavailable as error:
            log.warning("the maintenance schedule waits: %s", error)


async def do_what_is_due(app: App) -> None:
    """Begin and end every maintenance whose moment has come, as of that moment, however late it is now."""
    async with app.database.read() as db:
        due = await rows.due(db, app.clock())
    for moment in due:
        try:
            await _do(TenantContext(app, moment.tenant_id, CLOCK), moment)
        except Unavailable:
            raise
        except Exception:  # one tenant's trouble keeps nobody else waiting
            log.exception("the %s of %s could not be done", moment.what, moment.incident_id)


async def expand_reminder(app: App) -> bool:
    """Queue the next mails of the oldest due reminder. Whether there was one.

    A batch and its cursor are one transaction, under the reminder's lock: a crash repeats or loses nothing.
    """
    now = app.clock()
    async with app.database.read() as db:
        if not await rows.has_due_reminder(db, now):
            return False
    async with app.database.write() as db:
        moment = await rows.lock_due_reminder(db, now)
        if moment is None:
            return False
        incident = await incident_rows.get(db, moment.tenant_id, moment.incident_id)
        found = await _reminded(db, moment, incident, now)
        if found:
            tenant = await tenants.get(db, moment.tenant_id)
            cause = Cause(MailKind.REMINDER, incident.id)
            domain = mail_domain(app.settings, tenant)
            await deliveries.insert_for_subscribers(db, tenant.id, cause, found, domain, now)
            await rows.move_cursor(db, moment, found[-1])
        if len(found) < BATCH:
            await rows.finish(db, moment, now)
    return True


# ------------------------------------------------------------------------------------------------------ parts


async def _schedule(
    db: AsyncConnection, tenant: TenantContext, draft: MaintenanceDraft, window: Window
) -> Incident:
    content = UpdateContent(
        message=draft.message,
        status=Status.SCHEDULED,
        components=await _affected(db, tenant, draft.components),
        title=draft.title,
        window=window,
        translations=draft.translations,
        title_translations=draft.title_translations,
    )
    incident = await open_record(db, tenant, content, tenant.now(), draft.notify)
    await plan_moments(db, tenant, incident)
    await tenant.audit(db, "maintenance.schedule", incident.id, title=incident.title)
    return incident


async def _edit(
    db: AsyncConnection, tenant: TenantContext, edit: MaintenanceEdit, expected_version: int | None
) -> Incident:
    before = await _open(db, tenant, edit.incident_id, expected_version)
    content = UpdateContent(
        message=edit.message,
        status=_status(edit.status, before),
        components=None if edit.components is None else await _affected(db, tenant, edit.components),
        title=edit.title,
        window=_moved(edit, before, tenant.now()),
    )
    if content.is_empty:
        raise Invalid("this changes nothing: give a message, a title, components, a window or a status")
    incident = await add_update(db, tenant, before, content, edit.notify)
    await plan_moments(db, tenant, incident)
    return incident


async def _cancel(
    db: AsyncConnection, tenant: TenantContext, cancellation: Cancellation, expected_version: int | None
) -> Incident:
    before = await _open(db, tenant, cancellation.incident_id, expected_version)
    if before.status is not Status.SCHEDULED:
        raise Refused(f"the maintenance is {before.status} already: end it with the status completed instead")
    content = UpdateContent(message=cancellation.message, status=Status.CANCELLED)
    incident = await add_update(db, tenant, before, content, cancellation.notify)
    await plan_moments(db, tenant, incident)
    return incident


async def _open(
    db: AsyncConnection, tenant: TenantContext, incident_id: str, expected_version: int | None
) -> Incident:
    incident = await expected_incident(db, tenant, incident_id, expected_version)
    if incident.kind is not IncidentKind.MAINTENANCE:
        raise Invalid(f"{incident_id} is an incident: use the tools for incidents")
    if not incident.is_active:
        raise Refused(f"the maintenance is {incident.status}: plan another one")
    return incident


async def _affected(db: AsyncConnection, tenant: TenantContext, named: tuple[str, ...]) -> Impacts:
    return await resolved_impacts(db, tenant, dict.fromkeys(named, ComponentState.MAINTENANCE))


def _status(wanted: Status | None, before: Incident) -> Status | None:
    """Raises Invalid for a status that a maintenance does not go to by an update."""
    if wanted is None or wanted in (*UNDER_WAY, Status.COMPLETED):
        return wanted
    if wanted is Status.CANCELLED:
        raise Invalid("to call it off, cancel it")
    fitting = ", ".join((*UNDER_WAY, Status.COMPLETED))
    raise Invalid(f"a {before.kind} that is {before.status} goes to {fitting}; to begin later, move its window")


def _moved(edit: MaintenanceEdit, before: Incident, now: datetime) -> Window | None:
    """The new window, None if the edit leaves it. Raises Invalid for one that cannot be."""
    old = before.window
    if old is None or (edit.starts_at is None and edit.ends_at is None):
        return None
    if before.status is not Status.SCHEDULED and edit.starts_at not in (None, old.starts_at):
        raise Invalid("the maintenance has begun: only its end can still be moved")
    window = _window(edit.starts_at or old.starts_at, edit.ends_at or old.ends_at)
    _check_is_to_come(window, now, begun=before.status is not Status.SCHEDULED)
    return window


def _window(starts_at: datetime, ends_at: datetime) -> Window:
    try:
        return Window(starts_at=starts_at, ends_at=ends_at)
    except ValidationError as error:
        raise Invalid("a window ends after it starts: give ends_at later than starts_at") from error


def _check_is_to_come(window: Window, now: datetime, *, begun: bool = False) -> None:
    moment = window.ends_at if begun else window.starts_at
    if moment < now - CLOCK_SKEW:
        edge = "end" if begun else "start"
        raise Invalid(f"its {edge}, {moment.isoformat()}, is past; it is {now.isoformat(timespec='seconds')} now")


async def plan_moments(db: AsyncConnection, tenant: TenantContext, incident: Incident) -> None:
    """Write down what the clock has to do from now on."""
    hours = (await tenants.get(db, tenant.id)).settings.maintenance_reminders
    await rows.plan(db, tenant.id, incident.id, _moments(incident, hours, tenant.now()))


def _moments(
    incident: Incident, reminder_hours: tuple[int, ...], now: datetime
) -> Iterator[tuple[What, datetime]]:
    window = incident.window
    if window is None or not incident.is_active:
        return
    if incident.status is Status.SCHEDULED:
        reminders = {window.starts_at - timedelta(hours=hours) for hours in reminder_hours}
        yield from ((What.REMINDER, at) for at in reminders if at > now)
        yield What.START, window.starts_at
    yield What.END, window.ends_at


async def _do(tenant: TenantContext, moment: Moment) -> None:
    """Begin or end the maintenance, unless another process or an operator already did."""
    async with tenant.publish() as db:
        if not await rows.waiting(db, moment):
            return
        incident = await incident_rows.get(db, tenant.id, moment.incident_id)
        at = max(moment.at, incident.started_at)
        if moment.what is What.START and incident.status is Status.SCHEDULED:
            begins = UpdateContent(status=Status.IN_PROGRESS)
            await add_update(db, tenant, incident, begins, notify=False, at=at)  # the reminders told it
        elif moment.what is What.END and incident.is_active:
            ends = UpdateContent(status=Status.COMPLETED)
            is_news = tenant.now() - moment.at < OLD_NEWS
            await add_update(db, tenant, incident, ends, notify=is_news, at=at)
        await rows.finish(db, moment, tenant.now())


async def _reminded(db: AsyncConnection, moment: Moment, incident: Incident, now: datetime) -> list[str]:
    """The next subscribers to remind; nobody of what has begun, was called off, or has a later reminder due."""
    is_to_come = incident.status is Status.SCHEDULED and now < incident.begins_at
    if not is_to_come or not await rows.is_last_due(db, moment, now):
        return []
    return await subscribers.covered(
        db, moment.tenant_id, incident.id, mentioned(incident), None, after=moment.cursor, limit=BATCH
    )
