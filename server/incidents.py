"""Incidents: post one, add updates until it is resolved, edit what was said. One record; every face shows it."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from server import history
from server.components import mentioned, record_shown_states, resolved_impacts
from server.context import TenantContext
from server.errors import Conflict, Invalid, Refused
from server.idempotency import once
from server.ids import new_id
from server.models import (
    Impacts,
    Incident,
    IncidentKind,
    Line,
    Model,
    Revision,
    Scope,
    Severity,
    SeverityChange,
    Status,
    Text,
    Translations,
    Update,
    UpdateContent,
    Utc,
)
from server.snapshots import Snapshot
from server.store import components as component_rows
from server.store import fanouts
from server.store import incidents as rows
from server.timeline import Fold, fold

FIRST_STATUSES = (Status.INVESTIGATING, Status.IDENTIFIED, Status.MONITORING)
CLOCK_SKEW = timedelta(minutes=1)
TICK = timedelta(microseconds=1)
MAX_PAGE = 50

Title = Annotated[Line, Field(min_length=1, max_length=200)]
Message = Annotated[Text, Field(max_length=10_000)]


class IncidentDraft(Model):
    """A new incident with its first update."""

    title: Title
    message: Message | None = None
    status: Status = Status.INVESTIGATING
    severity: Severity | None = None
    components: Impacts = Field(default_factory=dict)
    """By id or name; so is an update's."""
    started_at: Utc | None = None
    """When it began, if that was before now."""
    title_translations: Translations = Field(default_factory=dict)
    translations: Translations = Field(default_factory=dict)
    notify: bool = True


class UpdateDraft(Model):
    """A new entry of a timeline. What is None stays as it is."""

    incident_id: str
    message: Message | None = None
    status: Status | None = None
    severity: SeverityChange | None = None
    components: Impacts | None = None
    at: Utc | None = None
    """When it took effect, if that was before now."""
    translations: Translations = Field(default_factory=dict)
    notify: bool = True


class Resolution(Model):
    """The update that closes an incident."""

    incident_id: str
    message: Message | None = None
    at: Utc | None = None
    """When it was over, if that was before now."""
    notify: bool = True


class UpdateEdit(Model):
    """A correction of what an update says. What is None stays as it is; an empty message is removed."""

    incident_id: str
    update_id: str
    message: Message | None = None
    status: Status | None = None
    severity: SeverityChange | None = None
    title: Title | None = None
    """Only in the first update, which names the incident."""


class IncidentPage(Model):
    incidents: tuple[Incident, ...]
    next_cursor: str | None


# ---------------------------------------------------------------------------------------------- operations


async def create_incident(
    tenant: TenantContext, draft: IncidentDraft, idempotency_key: str | None = None, dry_run: bool = False
) -> Incident:
    """Post an incident with its first update and queue its notification, or do neither.

    A dry run returns what would stand and changes nothing, here as in every operation that can be tried.
    Raises Invalid for a status that an incident cannot start with, a start in the future or an unknown component.
    """
    tenant.require(Scope.OPERATOR)
    _check_first_status(draft.status)
    async with tenant.publish(dry_run) as db:
        return await once(db, tenant, idempotency_key, draft, Incident, lambda: _create(db, tenant, draft))


async def post_update(
    tenant: TenantContext,
    draft: UpdateDraft,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
    dry_run: bool = False,
) -> Incident:
    """Add an update to the timeline and queue its notification, or do neither.

    Raises Invalid for an update that says nothing, NotFound, and Conflict if `expected_version` has passed.
    """
    tenant.require(Scope.OPERATOR)
    content = _content_of(draft)
    async with tenant.publish(dry_run) as db:
        return await once(
            db, tenant, idempotency_key, draft, Incident,
            lambda: _post(db, tenant, draft, content, expected_version),
        )  # fmt: skip


async def resolve_incident(
    tenant: TenantContext,
    resolution: Resolution,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
    dry_run: bool = False,
) -> Incident:
    """Post the update that closes the incident, whatever its kind.

    Raises NotFound, Conflict if `expected_version` has passed, and Refused if it is closed already.
    """
    tenant.require(Scope.OPERATOR)
    async with tenant.publish(dry_run) as db:
        return await once(
            db, tenant, idempotency_key, resolution, Incident,
            lambda: _resolve(db, tenant, resolution, expected_version),
        )  # fmt: skip


def drafted(
    incident_id: str | None,
    title: str | None,
    message: str | None,
    status: Status | None,
    severity: SeverityChange | None,
    components: Impacts | None,
) -> IncidentDraft | UpdateDraft:
    """A new incident, or an update if an incident is named. Raises Invalid if neither or both would fit."""
    if (incident_id is None) == (title is None):
        raise Invalid("give incident_id to try an update, or title to try a new incident")
    if incident_id is not None:
        return UpdateDraft(
            incident_id=incident_id, message=message, status=status, severity=severity, components=components
        )
    return IncidentDraft(
        title=title or "",
        message=message,
        status=status or Status.INVESTIGATING,
        severity=None if severity is None else severity.after,
        components=components or {},
    )


async def preview(tenant: TenantContext, draft: IncidentDraft | UpdateDraft) -> tuple[Incident, Snapshot]:
    """The incident and everything shown as they would be after this post, which is not made.

    Raises what posting it would raise.
    """
    tenant.require(Scope.OPERATOR)
    shown = await tenant.app.snapshots.get(tenant.id)
    async with tenant.publish(dry_run=True) as db:
        if isinstance(draft, IncidentDraft):
            _check_first_status(draft.status)
            incident = await _create(db, tenant, draft)
        else:
            incident = await _post(db, tenant, draft, _content_of(draft), None)
        after = replace(
            shown,
            components=tuple(await component_rows.of_tenant(db, tenant.id)),
            active=tuple(await rows.active(db, tenant.id)),
        )
    return incident, after


async def edit_update(
    tenant: TenantContext, edit: UpdateEdit, expected_version: int | None = None, dry_run: bool = False
) -> Incident:
    """Correct an update. What it said before stays readable as a revision, and in the incident's hash chain.

    Nobody is notified. Raises Invalid if nothing would change or nothing would be left, NotFound, and Conflict.
    """
    tenant.require(Scope.OPERATOR)
    async with tenant.publish(dry_run) as db:
        incident = await expected_incident(db, tenant, edit.incident_id, expected_version)
        old = _update_of(incident, edit.update_id)
        new = _edited(old, edit, incident, tenant.now())
        await rows.replace_update(db, tenant.id, old, new, tenant.actor.name)
        await _write_fold(db, tenant, incident, new)
        await tenant.audit(db, "incident.edit_update", incident.id, update=new.id, version=new.version)
        return await rows.get(db, tenant.id, incident.id)


async def get_incident(tenant: TenantContext, incident_id: str) -> Incident:
    async with tenant.read() as db:
        return await rows.get(db, tenant.id, incident_id)


async def list_incidents(
    tenant: TenantContext, active: bool | None = None, cursor: str | None = None, limit: int = 20
) -> IncidentPage:
    """Incidents, the latest start first. `active` None: all; `next_cursor` None: that was the last page."""
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"limit lies between 1 and {MAX_PAGE}")
    before = None if cursor is None else _read_cursor(cursor)
    async with tenant.read() as db:
        found = await rows.page(db, tenant.id, active=active, before=before, limit=limit + 1)
    shown, more = found[:limit], len(found) > limit
    return IncidentPage(incidents=tuple(shown), next_cursor=_cursor(shown[-1]) if more else None)


async def list_revisions(tenant: TenantContext, incident_id: str) -> list[Revision]:
    """The versions that edits replaced, oldest first within each update."""
    async with tenant.read() as db:
        await rows.get(db, tenant.id, incident_id)
        return await rows.revisions(db, tenant.id, incident_id)


# -------------------------------------------------------------------------------------------------- parts


async def _create(db: AsyncConnection, tenant: TenantContext, draft: IncidentDraft) -> Incident:
    content = UpdateContent(
        message=draft.message,
        status=draft.status,
        severity=SeverityChange(draft.severity) if draft.severity else None,
        components=await resolved_impacts(db, tenant, draft.components),
        title=draft.title,
        translations=draft.translations,
        title_translations=draft.title_translations,
    )
    started_at = _not_in_the_future(draft.started_at, tenant.now())
    incident = await open_record(db, tenant, content, started_at, draft.notify)
    await tenant.audit(db, "incident.create", incident.id, title=incident.title)
    return incident


async def open_record(
    db: AsyncConnection, tenant: TenantContext, content: UpdateContent, started_at: datetime, notify: bool
) -> Incident:
    """Begin an incident or a maintenance, whichever the content's status belongs to, with this first update."""
    now, incident_id = tenant.now(), new_id("inc")
    update = _new_update(tenant, incident_id, started_at, now, content)
    state = fold([update])
    await rows.insert(
        db,
        tenant.id,
        {
            "id": incident_id,
            "slug": slug_of(state.title, incident_id),
            "kind": state.status.kind,
            "created_at": now,
            "version": 0,
            "history_head": history.GENESIS,
            "history_length": 0,
            **columns_of(state),
        },
    )
    await rows.insert_update(db, tenant.id, update)
    await _write_fold(db, tenant, await rows.get(db, tenant.id, incident_id), update)
    await _queue_notification(db, tenant, update, notify)
    return await rows.get(db, tenant.id, incident_id)


def _content_of(draft: UpdateDraft) -> UpdateContent:
    content = UpdateContent(**draft.model_dump(include=set(UpdateContent.model_fields)))
    if content.is_empty:
        raise Invalid("this update says nothing: give a message, a status, a severity or components")
    return content


async def _post(
    db: AsyncConnection,
    tenant: TenantContext,
    draft: UpdateDraft,
    content: UpdateContent,
    expected_version: int | None,
) -> Incident:
    incident = await expected_incident(db, tenant, draft.incident_id, expected_version)
    _check_kind(content.status, incident)
    if content.components is not None:
        content = content.model_copy(update={"components": await resolved_impacts(db, tenant, content.components)})
    return await add_update(db, tenant, incident, content, draft.notify, draft.at)


async def add_update(
    db: AsyncConnection,
    tenant: TenantContext,
    incident: Incident,
    content: UpdateContent,
    notify: bool,
    at: datetime | None = None,
) -> Incident:
    """Put the update at the end of the timeline, or where `at` says. Raises Invalid for an `at` that cannot be."""
    now = tenant.now()
    update = _new_update(tenant, incident.id, _effective(at, incident, now), now, content)
    await rows.insert_update(db, tenant.id, update)
    await _write_fold(db, tenant, incident, update)
    await _queue_notification(db, tenant, update, notify)
    await tenant.audit(db, "incident.post_update", incident.id, update=update.id)
    return await rows.get(db, tenant.id, incident.id)


async def _resolve(
    db: AsyncConnection, tenant: TenantContext, resolution: Resolution, expected_version: int | None
) -> Incident:
    incident = await expected_incident(db, tenant, resolution.incident_id, expected_version)
    if incident.resolved_at is not None:
        since = incident.resolved_at.isoformat(timespec="seconds")
        raise Refused(
            f"the incident is {incident.status} since {since}: nothing was posted. "
            "To add something, post an update; to reopen it, post one with another status"
        )
    maintenance = incident.kind is IncidentKind.MAINTENANCE
    closed = Status.COMPLETED if maintenance else Status.RESOLVED
    draft = UpdateDraft(**resolution.model_dump(), status=closed)
    content = UpdateContent(message=draft.message, status=closed)
    return await _post(db, tenant, draft, content, expected_version)


async def expected_incident(
    db: AsyncConnection, tenant: TenantContext, incident_id: str, expected_version: int | None
) -> Incident:
    """Raises NotFound, and Conflict if it is at another version than the caller expects."""
    incident = await rows.get(db, tenant.id, incident_id)
    if expected_version is not None and expected_version != incident.version:
        raise Conflict(
            f"the incident is at version {incident.version}, not {expected_version}: "
            "read it again with incident_get and decide anew",
            current_version=incident.version,
        )
    return incident


async def _write_fold(db: AsyncConnection, tenant: TenantContext, before: Incident, update: Update) -> None:
    """Bring everything that follows from the updates into line after `update` was added or edited."""
    head, length = await rows.history_totals(db, tenant.id, before.id)
    head, length = await history.append(db, tenant, head, length, update)
    after = await rows.get(db, tenant.id, before.id)
    state = fold(after.updates)
    columns = columns_of(state) | {"version": before.version + 1, "history_head": head, "history_length": length}
    await rows.save(db, tenant.id, before.id, columns, state.components)
    await record_shown_states(db, tenant, mentioned(before) | mentioned(after), update.at)


async def _queue_notification(db: AsyncConnection, tenant: TenantContext, update: Update, notify: bool) -> None:
    if notify:
        await fanouts.insert(db, tenant.id, update.incident_id, update.id, update.created_at)


def columns_of(state: Fold) -> dict[str, Any]:
    return {
        "title": state.title,
        "title_translations": state.title_translations,
        "status": state.status,
        "severity": state.severity,
        "started_at": state.started_at,
        "resolved_at": state.closed_at,
        "starts_at": state.window and state.window.starts_at,
        "ends_at": state.window and state.window.ends_at,
    }


def _new_update(
    tenant: TenantContext, incident_id: str, at: datetime, now: datetime, content: UpdateContent
) -> Update:
    return Update(
        id=new_id("upd"),
        incident_id=incident_id,
        at=at,
        created_at=now,
        edited_at=None,
        author=tenant.actor.name,
        version=1,
        content=content,
    )


def _update_of(incident: Incident, update_id: str) -> Update:
    for update in incident.updates:
        if update.id == update_id:
            return update
    known = ", ".join(update.id for update in incident.updates)
    raise Invalid(f"the incident has no update {update_id!r}; its updates are: {known}")


def _edited(old: Update, edit: UpdateEdit, incident: Incident, now: datetime) -> Update:
    """The update as corrected. Raises Invalid for a correction that the rules do not allow."""
    is_first = old.id == incident.updates[0].id
    if edit.title is not None and not is_first:
        raise Invalid(f"the title stands in the first update: edit {incident.updates[0].id}")
    if edit.status is not None:
        _check_kind(edit.status, incident)
        if is_first:
            _check_first_status(edit.status)
    changes = edit.model_dump(include={"message", "status", "severity", "title"}, exclude_none=True)
    if edit.message is not None:
        changes["translations"] = {}  # they say what the message said before
    if edit.title is not None:
        changes["title_translations"] = {}
    content = UpdateContent(**(old.content.model_dump() | changes))
    if content == old.content:
        raise Invalid("this edit changes nothing: give the text, status or severity as it should have been")
    if content.is_empty:
        raise Invalid("nothing would be left of this update: say what it should say instead")
    return old.model_copy(update={"content": content, "version": old.version + 1, "edited_at": now})


def _check_first_status(status: Status) -> None:
    if status not in FIRST_STATUSES:
        raise Invalid(
            f"an incident starts as {', '.join(FIRST_STATUSES)}; post another update to make it {status}"
        )


def _check_kind(status: Status | None, incident: Incident) -> None:
    if status is not None and status.kind is not incident.kind:
        fitting = ", ".join(status for status in Status if status.kind is incident.kind)
        raise Invalid(f"the status {status} is not one of this {incident.kind}'s: use {fitting}")


def _not_in_the_future(moment: datetime | None, now: datetime) -> datetime:
    if moment is None:
        return now
    if moment > now + CLOCK_SKEW:
        raise Invalid(f"{moment.isoformat()} lies in the future; it is {now.isoformat(timespec='seconds')} now")
    return min(moment, now)


def _effective(moment: datetime | None, incident: Incident, now: datetime) -> datetime:
    """When an update takes effect: at the moment given, else after all others, whatever this machine's clock says.

    Raises Invalid for a moment in the future or before the incident. The first update stays the first.
    """
    if moment is None:
        return max(now, incident.latest.at + TICK)
    at = _not_in_the_future(moment, now)
    if at < incident.started_at:
        raise Invalid(f"the incident began at {incident.started_at.isoformat()}: an update cannot lie before that")
    return max(at, incident.started_at + TICK)


def slug_of(title: str, incident_id: str) -> str:
    """Readable where the title has Latin letters, unique by the end of the id."""
    latin = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", latin).strip("-")[:60].strip("-")
    return "-".join(filter(None, (words, incident_id[-8:])))


def _cursor(incident: Incident) -> str:
    text = f"{incident.started_at.isoformat()} {incident.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, incident_id = text.split(" ")
        started_at = datetime.fromisoformat(moment)
        if started_at.tzinfo is None:
            raise ValueError("no time zone")
    except (ValueError, binascii.Error, UnicodeDecodeError) as error:
        raise Invalid("this cursor is not one of ours: pass next_cursor as it was given, or none") from error
    return started_at, incident_id
