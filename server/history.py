"""The hash chain that shows whether an incident's history was tampered with.

A link is SHA-256 over the previous link and the canonical JSON of one version of one update, with who wrote it
and when. Every version is a link, the first post included; the last link, the head, is published with the
incident. Canonical JSON here: keys sorted, no white space, UTF-8, times in UTC to the microsecond, fields that
say nothing left out (so that a field added later changes no old link).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from server.context import TenantContext
from server.models import Impacts, Incident, Revision, Severity, Update, UpdateContent
from server.store import incidents as rows
from server.store.incidents import Link
from server.timeline import Fold, fold

GENESIS = "0" * 64


@dataclass(frozen=True)
class Problem:
    """Something in an incident's history that is not as it was written."""

    incident_id: str
    position: int | None
    what: str


async def append(
    db: AsyncConnection, tenant: TenantContext, head: str, length: int, update: Update
) -> tuple[str, int]:
    """Add the update's current version to its incident's chain. Returns the new head and length."""
    link = Link(
        position=length + 1,
        update_id=update.id,
        version=update.version,
        recorded_at=update.edited_at or update.created_at,
        recorded_by=tenant.actor.name,
        hash="",
    )
    linked = link.model_copy(update={"hash": _hash(head, update.incident_id, update.at, link, update.content)})
    await rows.insert_link(db, tenant.id, update.incident_id, linked)
    return linked.hash, linked.position


async def verify(tenant: TenantContext, incident_id: str | None = None) -> list[Problem]:
    """What is wrong with the history of one incident, or of all: the first broken link of each comes first."""
    async with tenant.read() as db:
        wanted = [incident_id] if incident_id else await rows.ids(db, tenant.id)
        return [problem for wanted_id in wanted for problem in await problems_of(db, tenant.id, wanted_id)]


async def problems_of(db: AsyncConnection, tenant_id: str, incident_id: str) -> list[Problem]:
    """As `verify`, of one incident, as the caller's transaction sees it."""
    try:
        incident = await rows.get(db, tenant_id, incident_id)
        revisions = await rows.revisions(db, tenant_id, incident_id)
        links = await rows.links(db, tenant_id, incident_id)
    except ValidationError as error:
        return [Problem(incident_id, None, f"a row holds what Herald never writes: {error.errors()[0]['msg']}")]
    versions = {(update.id, update.version): update.content for update in incident.updates}
    versions |= {(revision.update_id, revision.version): revision.content for revision in revisions}
    head, length = await rows.history_totals(db, tenant_id, incident_id)
    return [
        *_broken_link(incident, links, versions),
        *_cut_tail(incident_id, links, head, length),
        *_unlinked_versions(incident_id, links, versions),
        *_changed_signature(incident, revisions, links),
        *_changed_fold(incident),
    ]


def _broken_link(
    incident: Incident, links: list[Link], versions: Mapping[tuple[str, int], UpdateContent]
) -> Iterator[Problem]:
    """The first link that does not follow from what is stored; those after it prove nothing more."""
    effective = {update.id: update.at for update in incident.updates}
    previous = GENESIS
    for expected, link in enumerate(links, start=1):
        content = versions.get((link.update_id, link.version))
        if link.position != expected:
            yield Problem(incident.id, expected, f"link {expected} is missing")
            return
        if content is None:
            yield Problem(incident.id, expected, f"version {link.version} of update {link.update_id} is gone")
            return
        if _hash(previous, incident.id, effective[link.update_id], link, content) != link.hash:
            yield Problem(
                incident.id, expected,
                f"version {link.version} of update {link.update_id}, or who wrote it and when, was changed",
            )  # fmt: skip
            return
        previous = link.hash


def _cut_tail(incident_id: str, links: list[Link], head: str, length: int) -> Iterator[Problem]:
    last = links[-1].hash if links else GENESIS
    if len(links) != length:
        yield Problem(incident_id, len(links) + 1, f"the chain has {len(links)} links where {length} were made")
    elif last != head:
        yield Problem(incident_id, length, "the published head is not the last link")


def _unlinked_versions(
    incident_id: str, links: list[Link], versions: Mapping[tuple[str, int], UpdateContent]
) -> Iterator[Problem]:
    linked = {(link.update_id, link.version) for link in links}
    for update_id, version in sorted(set(versions) - linked):
        yield Problem(incident_id, None, f"version {version} of update {update_id} has no link")


def _changed_signature(
    incident: Incident, revisions: Sequence[Revision], links: Sequence[Link]
) -> Iterator[Problem]:
    """What the page shows of who wrote a version and when stands beside the links, so it is compared with them."""
    signed = {(link.update_id, link.version): (link.recorded_by, link.recorded_at) for link in links}
    latest: dict[str, int] = {}
    for link in links:
        latest[link.update_id] = max(link.version, latest.get(link.update_id, 0))
    for update in incident.updates:
        edited_at = signed.get((update.id, update.version), ("", None))[1] if update.version > 1 else None
        if (
            (update.author, update.created_at) != signed.get((update.id, 1))
            or update.edited_at != edited_at
            or update.version != latest.get(update.id)
        ):
            yield Problem(incident.id, None, f"author, time or version of update {update.id} was changed")
    for revision in revisions:
        if (revision.replaced_by, revision.replaced_at) != signed.get((revision.update_id, revision.version + 1)):
            yield Problem(incident.id, None, f"who replaced version {revision.version} of update "
                                             f"{revision.update_id}, or when, was changed")  # fmt: skip


def _changed_fold(incident: Incident) -> Iterator[Problem]:
    try:
        state = fold(incident.updates)
    except ValueError as error:
        yield Problem(incident.id, None, str(error))
        return
    shown = Fold(
        started_at=incident.started_at,
        title=incident.title,
        title_translations=incident.title_translations,
        status=incident.status,
        severity=incident.severity,
        components={affected.id: affected.impact for affected in incident.affected},
        closed_at=incident.resolved_at,
        window=incident.window,
    )
    implied = Severity.impact_of(state.severity)
    impacts: Impacts = {component_id: impact or implied for component_id, impact in state.components.items()}
    if shown != replace(state, components=impacts):
        yield Problem(
            incident.id, None, "title, status, severity, components or times are not what the updates say"
        )


def _hash(previous: str, incident_id: str, at: datetime, link: Link, content: UpdateContent) -> str:
    record = {
        "incident": incident_id,
        "update": link.update_id,
        "version": link.version,
        "at": at.isoformat(timespec="microseconds"),
        "recorded_at": link.recorded_at.isoformat(timespec="microseconds"),
        "recorded_by": link.recorded_by,
        "content": content.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
    }
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous}{canonical}".encode()).hexdigest()
