"""What a Statuspage says of itself in its public JSON (v2), read into our words.

Takes any of its documents (summary, components, incidents, scheduled maintenances) or several together. What such
a document holds besides is left aside; what is missing or wrong is named by its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from server.components import DEFAULT_GROUP
from server.errors import Invalid
from server.models import (
    ComponentState,
    Impacts,
    IncidentKind,
    SeverityChange,
    Status,
    UpdateContent,
    Utc,
    Window,
)

STATES = {
    "operational": ComponentState.OPERATIONAL,
    "under_maintenance": ComponentState.MAINTENANCE,
    "degraded_performance": ComponentState.DEGRADED,
    "partial_outage": ComponentState.PARTIAL_OUTAGE,
    "major_outage": ComponentState.MAJOR_OUTAGE,
}
OTHER_STATUSES = {"postmortem": Status.RESOLVED}
SEVERITIES = ("minor", "major", "critical")
LONGEST_TITLE, LONGEST_MESSAGE = 200, 10_000
USUAL_WINDOW = timedelta(hours=1)
INVISIBLE = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def _visible(value: Any) -> Any:
    """Without the characters that we take from nobody; strangers' text is full of them."""
    return value.translate(INVISIBLE) if isinstance(value, str) else value


def _list(value: Any) -> Any:
    return [] if value is None else value


Said = Annotated[str, BeforeValidator(_visible)]
Id = Annotated[str, Field(min_length=1, max_length=200)]


class Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ReadComponent(Read):
    id: Id
    name: Said
    status: str = "operational"
    description: Said | None = None
    group: bool = False
    group_id: str | None = None
    position: int | None = None
    created_at: Utc | None = None
    updated_at: Utc | None = None

    @property
    def state(self) -> ComponentState:
        return STATES.get(self.status, ComponentState.OPERATIONAL)


class ReadAffected(Read):
    code: str
    new_status: str = "operational"


class ReadUpdate(Read):
    id: Id
    status: str
    body: Said | None = None
    created_at: Utc
    display_at: Utc | None = None
    affected_components: Annotated[list[ReadAffected], BeforeValidator(_list)] = []

    @property
    def at(self) -> datetime:
        return self.display_at or self.created_at


class ReadTag(Read):
    id: str


class ReadIncident(Read):
    id: Id
    name: Said
    status: str
    impact: str | None = None
    created_at: Utc
    scheduled_for: Utc | None = None
    scheduled_until: Utc | None = None
    components: Annotated[list[ReadTag], BeforeValidator(_list)] = []
    incident_updates: Annotated[list[ReadUpdate], BeforeValidator(_list)] = []

    @property
    def kind(self) -> IncidentKind:
        planned = self.scheduled_for is not None or self.impact == "maintenance"
        return IncidentKind.MAINTENANCE if planned else IncidentKind.INCIDENT

    @property
    def told(self) -> list[ReadUpdate]:
        """Its updates, oldest first. One that has none is told by itself."""
        alone = ReadUpdate(id=f"{self.id}/0", status=self.status, created_at=self.created_at)
        return sorted(self.incident_updates, key=lambda update: (update.at, update.created_at)) or [alone]


class ReadPage(Read):
    """Everything that the documents say, each component and incident once."""

    components: Annotated[list[ReadComponent], BeforeValidator(_list)] = []
    incidents: Annotated[list[ReadIncident], BeforeValidator(_list)] = []
    scheduled_maintenances: Annotated[list[ReadIncident], BeforeValidator(_list)] = []

    @property
    def told(self) -> list[ReadIncident]:
        """Incidents and maintenance, the oldest first."""
        return sorted((*self.incidents, *self.scheduled_maintenances), key=lambda one: one.told[0].at)

    def group_of(self, component: ReadComponent) -> str:
        groups = {one.id: one.name for one in self.components if one.group}
        return groups.get(component.group_id or "", DEFAULT_GROUP)

    @property
    def listed(self) -> list[ReadComponent]:
        """The components in the order of the page, without its groups."""
        places = {one.id: one.position or 0 for one in self.components}
        members = [one for one in self.components if not one.group]
        return sorted(members, key=lambda one: (places.get(one.group_id or "", places[one.id]), one.position or 0))


def read_page(documents: Iterable[bytes]) -> ReadPage:
    """Raises Invalid, naming the place, for what is no such document."""
    merged: dict[str, dict[str, Any]] = {name: {} for name in ReadPage.model_fields}
    for document in documents:
        for name, found in _parts(document):
            merged[name] |= {_id_of(one, name, place): one for place, one in enumerate(found)}
    try:
        return ReadPage.model_validate({name: list(found.values()) for name, found in merged.items()})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise Invalid(f"{_place(problem['loc'])}: {problem['msg']}") from error


def contents_of(incident: ReadIncident, component_ids: Mapping[str, str]) -> list[UpdateContent]:
    """What each of its updates says, in our words. Raises Invalid for a status that does not fit."""
    contents: list[UpdateContent] = []
    tagged: Impacts = {component_ids[tag.id]: None for tag in incident.components if tag.id in component_ids}
    before: Impacts | None = None
    for update in incident.told:
        status = _status(incident, update)
        after = _impacts(incident, update, status, component_ids, before, tagged)
        first = not contents
        contents.append(
            UpdateContent(
                message=_cut(update.body or "", LONGEST_MESSAGE),
                status=status,
                severity=SeverityChange(incident.impact) if first and incident.impact in SEVERITIES else None,
                components=None if after == before else after,
                title=_cut(" ".join(incident.name.split()), LONGEST_TITLE) if first else None,
                window=_window(incident) if first else None,
            )
        )
        before = after
    return contents


def _parts(document: bytes) -> list[tuple[str, list[Any]]]:
    try:
        read = json.loads(document)
    except ValueError as error:
        raise Invalid(f"this is no JSON: {error}") from error
    if not isinstance(read, dict) or not set(read) & set(ReadPage.model_fields):
        raise Invalid(f"this is no Statuspage document: one has {', '.join(ReadPage.model_fields)}")
    parts = [(name, read[name]) for name in ReadPage.model_fields if read.get(name) is not None]
    for name, found in parts:
        if not isinstance(found, list):
            raise Invalid(f"{name}: give a list")
    return parts


def _id_of(one: Any, name: str, place: int) -> str:
    found = one.get("id") if isinstance(one, dict) else None
    if not isinstance(found, str):
        raise Invalid(f"{name}[{place}]: an object with an id is missing here")
    return found


def _place(parts: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _status(incident: ReadIncident, update: ReadUpdate) -> Status:
    try:
        status = OTHER_STATUSES.get(update.status) or Status(update.status)
    except ValueError as error:
        raise Invalid(f"{incident.name!r}: there is no status {update.status!r}") from error
    if status.kind is not incident.kind:
        raise Invalid(f"{incident.name!r}: the status {status} is not one of this {incident.kind}'s")
    return status


def _impacts(
    incident: ReadIncident,
    update: ReadUpdate,
    status: Status,
    component_ids: Mapping[str, str],
    before: Impacts | None,
    tagged: Impacts,
) -> Impacts:
    """The components that it affects from this update on. A closing one sets them free by itself."""
    if before is not None and (status.closes or not update.affected_components):
        return before
    if incident.kind is IncidentKind.MAINTENANCE or not update.affected_components:
        return tagged if before is None else before
    moved = {component_ids[one.code]: STATES.get(one.new_status) for one in update.affected_components
             if one.code in component_ids}  # fmt: skip
    return {component: state for component, state in moved.items() if state is not ComponentState.OPERATIONAL}


def _window(incident: ReadIncident) -> Window | None:
    if incident.kind is IncidentKind.INCIDENT:
        return None
    starts_at = incident.scheduled_for or incident.told[0].at
    until = incident.scheduled_until
    return Window(starts_at=starts_at, ends_at=until if until and until > starts_at else starts_at + USUAL_WINDOW)


def _cut(text: str, longest: int) -> str:
    text = text.strip()
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
