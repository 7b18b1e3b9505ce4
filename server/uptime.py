"""What a component's recorded states say of each day: the bars of the page and their uptime figure.

A day is a calendar day of the tenant's time zone, so one has 23 or 25 hours when the clocks change. Uptime is the
share of the recorded time without a partial or major outage; time before the first record counts for nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from server.models import ComponentState, Model, StateChange

SHOWN_DAYS = 90
DOWN = (ComponentState.PARTIAL_OUTAGE, ComponentState.MAJOR_OUTAGE)


class Day(Model):
    """How a component did on one day."""

    date: date
    spent: dict[ComponentState, timedelta]
    """The recorded time in each state, the worst state first."""

    @property
    def worst(self) -> ComponentState | None:
        """None for a day of which nothing is recorded."""
        return next(iter(self.spent), None)


class Uptime(Model):
    days: tuple[Day, ...]
    """Oldest first; the last is today."""
    share: float | None
    """Between 0 and 1; None while nothing is recorded."""


def uptime_of(changes: Sequence[StateChange], zone: ZoneInfo, now: datetime, days: int = SHOWN_DAYS) -> Uptime:
    """Each of the last days until `now`, from the state changes, oldest first."""
    today = now.astimezone(zone).date()
    dates = [today - timedelta(days=ago) for ago in reversed(range(days))]
    spans = list(_spans(changes, now))
    found = tuple(_day(day, zone, spans) for day in dates)
    return Uptime(days=found, share=_share(found))


def _day(day: date, zone: ZoneInfo, spans: Sequence[tuple[datetime, datetime, ComponentState]]) -> Day:
    start, end = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    spent: dict[ComponentState, timedelta] = defaultdict(timedelta)
    for since, until, state in spans:
        inside = min(until, end) - max(since, start)
        if inside > timedelta():
            spent[state] += inside
    worst_first = sorted(spent, key=lambda state: -state.rank)
    return Day(date=day, spent={state: spent[state] for state in worst_first})


def _spans(changes: Sequence[StateChange], now: datetime) -> Iterator[tuple[datetime, datetime, ComponentState]]:
    for change, following in pairwise(changes):
        yield change.at, following.at, change.state
    if changes:
        yield changes[-1].at, now, changes[-1].state


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _share(days: Sequence[Day]) -> float | None:
    recorded = sum((spent for day in days for spent in day.spent.values()), timedelta())
    down = sum((day.spent.get(state, timedelta()) for day in days for state in DOWN), timedelta())
    return 1 - down / recorded if recorded else None
