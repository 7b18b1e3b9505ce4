"""The hash chain that shows whether an incident's history was tampered with.

A link is SHA-256 over the previous link and the canonical JSON of one version of one update, with who wrote it
and when. Every version is a link, the first post included; the last link, the head, is published with the
incident. Canonical JSON here: keys sorted, no white space, UTF-8, times in UTC to the microsecond, fields that
say nothing left out (so that a field added later changes no old link).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from server.context import TenantContext
from server.models import Incident, Update, UpdateContent
from server.store import incidents as rows
from server.store.incidents import Link
from server.timeline import fold

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
        return [problem for wanted_id in wanted for problem in await _verify(db, tenant.id, wanted_id)]


async def _verify(db: AsyncConnection, tenant_id: str, incident_id: str) -> list[Problem]:
    incident = await rows.get(db, tenant_id, incident_id)
    links = await rows.links(db, tenant_id, incident_id)
    versions = {(update.id, update.version): update.content for update in incident.updates}
    for revision in await rows.revisions(db, tenant_id, incident_id):
        versions[revision.update_id, revision.version] = revision.content
    head, length = await rows.history_totals(db, tenant_id, incident_id)
    return [
        *_broken_link(incident, links, versions),
        *_cut_tail(incident_id, links, head, length),
        *_unlinked_versions(incident_id, links, versions),
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


def _changed_fold(incident: Incident) -> Iterator[Problem]:
    state = fold(incident.updates)
    shown = (incident.title, incident.status, incident.severity, incident.resolved_at)
    if shown != (state.title, state.status, state.severity, state.closed_at):
        yield Problem(incident.id, None, "title, status, severity or resolved_at is not what the updates say")


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
