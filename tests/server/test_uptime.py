"""Days, states and shares from a component's recorded states."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from server.models import ComponentState, StateChange
from server.uptime import uptime_of

UP, DEGRADED = ComponentState.OPERATIONAL, ComponentState.DEGRADED
PARTIAL, MAJOR = ComponentState.PARTIAL_OUTAGE, ComponentState.MAJOR_OUTAGE
UTC_ZONE = ZoneInfo("UTC")


def at(day: int, hour: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def change(moment: datetime, state: ComponentState) -> StateChange:
    return StateChange(at=moment, state=state)


def test_nothing_recorded_has_neither_days_nor_a_share() -> None:
    uptime = uptime_of([], UTC_ZONE, at(5), days=3)

    assert [(day.date, day.worst) for day in uptime.days] == [
        (date(2026, 3, 3), None),
        (date(2026, 3, 4), None),
        (date(2026, 3, 5), None),
    ]
    assert uptime.share is None


def test_a_state_that_lasts_over_midnight_is_in_both_days() -> None:
    changes = [change(at(1), UP), change(at(2, 23), MAJOR), change(at(3, 1), UP)]

    uptime = uptime_of(changes, UTC_ZONE, at(3, 12), days=2)

    assert [day.spent.get(MAJOR) for day in uptime.days] == [timedelta(hours=1), timedelta(hours=1)]
    assert uptime.share == 1 - 2 / 36


def test_degraded_is_shown_but_counts_as_up() -> None:
    uptime = uptime_of([change(at(1), UP), change(at(2), DEGRADED)], UTC_ZONE, at(2, 12), days=2)

    assert [day.worst for day in uptime.days] == [UP, DEGRADED]
    assert uptime.share == 1


def test_the_worst_state_of_a_day_comes_first() -> None:
    changes = [change(at(2), UP), change(at(2, 6), PARTIAL), change(at(2, 7), MAJOR), change(at(2, 8), UP)]

    (day,) = uptime_of(changes, UTC_ZONE, at(2, 20), days=1).days

    assert list(day.spent) == [MAJOR, PARTIAL, UP]
    assert day.spent[UP] == timedelta(hours=18)


def test_only_the_time_since_the_first_record_counts() -> None:
    uptime = uptime_of([change(at(4, 12), UP), change(at(4, 18), MAJOR)], UTC_ZONE, at(5), days=90)

    assert uptime.share == 0.5


def test_days_are_those_of_the_tenants_zone_and_one_is_shorter_in_spring() -> None:
    berlin = ZoneInfo("Europe/Berlin")  # clocks go forward on 29 March 2026

    uptime = uptime_of([change(at(1), UP)], berlin, datetime(2026, 3, 30, 21, tzinfo=UTC), days=3)

    assert [sum(day.spent.values(), timedelta()) for day in uptime.days] == [
        timedelta(hours=24),
        timedelta(hours=23),
        timedelta(hours=23),  # today, until eleven in the evening
    ]
