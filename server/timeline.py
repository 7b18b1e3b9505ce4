"""An incident's state as the fold of its updates in the order in which they took effect.

The one place that knows what an update does to a state. Backdating, editing and reopening need no special case:
whoever changes the updates folds them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from server.models import ComponentState, Impacts, IncidentKind, Severity, Status, Translations, Update, Window


@dataclass(frozen=True)
class Fold:
    """What stands after some updates."""

    started_at: datetime
    title: str
    title_translations: Translations
    status: Status
    severity: Severity | None = None
    components: Impacts = field(default_factory=dict)
    closed_at: datetime | None = None
    """The last move into a closed status, None while open."""
    window: Window | None = None
    """When it is planned, for maintenance only."""

    def impact_on(self, component_id: str) -> ComponentState:
        """The state that this gives the component; operational if it does not affect it."""
        if self.status.closes or self.status is Status.SCHEDULED or component_id not in self.components:
            return ComponentState.OPERATIONAL
        if self.status.kind is IncidentKind.MAINTENANCE:
            return ComponentState.MAINTENANCE
        return self.components[component_id] or Severity.impact_of(self.severity)


def fold(updates: Sequence[Update]) -> Fold:
    """The state after all updates, which are in order of effect.

    Raises ValueError unless the first carries a title and a status.
    """
    *_, (_, last) = steps(updates)
    return last


def steps(updates: Sequence[Update]) -> Iterator[tuple[datetime, Fold]]:
    """The state after each update, with the moment from which it held."""
    first = updates[0] if updates else None
    if first is None or first.content.title is None or first.content.status is None:
        raise ValueError("an incident has a first update, which carries its title and its status")
    state = Fold(first.at, first.content.title, first.content.title_translations, first.content.status)
    for update in updates:
        state = _after(state, update)
        yield update.at, state


def _after(state: Fold, update: Update) -> Fold:
    said = update.content
    status = said.status or state.status
    return replace(
        state,
        title=said.title or state.title,
        title_translations=said.title_translations if said.title else state.title_translations,
        status=status,
        severity=state.severity if said.severity is None else said.severity.after,
        components=state.components if said.components is None else said.components,
        closed_at=_closed_at(state, update, status),
        window=said.window or state.window,
    )


def _closed_at(state: Fold, update: Update, status: Status) -> datetime | None:
    if not status.closes:
        return None
    return state.closed_at or update.at
