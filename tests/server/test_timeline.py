from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.models import ComponentState, Impacts, Severity, SeverityChange, Status, Update, UpdateContent
from server.timeline import Fold, fold, steps

START = datetime(2026, 3, 14, 9, tzinfo=UTC)
INCIDENT_STATUSES = [Status.INVESTIGATING, Status.IDENTIFIED, Status.MONITORING, Status.RESOLVED]


def update(minute: int, **said: object) -> Update:
    at = START + timedelta(minutes=minute)
    return Update(
        id=f"upd_{minute}", incident_id="inc_1", at=at, created_at=at, edited_at=None, author="ann", version=1,
        content=UpdateContent.model_validate(said),
    )  # fmt: skip


def first(**said: object) -> Update:
    return update(0, **({"title": "Down", "status": Status.INVESTIGATING} | said))


def test_what_an_update_does_not_mention_stays() -> None:
    state = fold([first(severity="major", components={"cmp_api": None}), update(5, message="Still looking")])

    assert state == Fold(START, "Down", {}, Status.INVESTIGATING, Severity.MAJOR, {"cmp_api": None}, None)


def test_severity_has_three_forms_unchanged_set_and_cleared() -> None:
    timeline = [
        first(severity="major"),
        update(1, message="x"),
        update(2, severity="minor"),
        update(3, severity="none"),
    ]

    assert [state.severity for _, state in steps(timeline)] == [
        Severity.MAJOR,
        Severity.MAJOR,
        Severity.MINOR,
        None,
    ]


def test_components_are_replaced_as_a_whole() -> None:
    timeline = [
        first(components={"cmp_api": None, "cmp_web": "degraded"}),
        update(1, components={"cmp_web": "major_outage"}),
        update(2, components={}),
    ]

    assert [state.components for _, state in steps(timeline)] == [
        {"cmp_api": None, "cmp_web": ComponentState.DEGRADED},
        {"cmp_web": ComponentState.MAJOR_OUTAGE},
        {},
    ]


def test_resolving_stamps_the_last_move_into_resolved() -> None:
    timeline = [
        first(),
        update(10, status="resolved"),
        update(20, message="A closing word"),
        update(25, status="resolved", message="Again the same"),
        update(30, status="investigating"),
        update(40, status="resolved"),
    ]

    closed = [state.closed_at for _, state in steps(timeline)]

    ten, forty = START + timedelta(minutes=10), START + timedelta(minutes=40)
    assert closed == [None, ten, ten, ten, None, forty]


def test_a_new_title_takes_its_own_translations_along() -> None:
    renamed = [
        first(title="Down", title_translations={"de": "Ausfall"}),
        update(1, message="x"),
        update(2, title="Slow", title_translations={"de": "Langsam"}),
    ]

    assert [state.title_translations for _, state in steps(renamed)] == [
        {"de": "Ausfall"}, {"de": "Ausfall"}, {"de": "Langsam"},
    ]  # fmt: skip


def test_an_incident_affects_its_components_only_while_it_is_open() -> None:
    tags: Impacts = {"cmp_api": None, "cmp_web": ComponentState.MAJOR_OUTAGE}
    opened = fold([first(severity="major", components=tags)])
    closed = fold([first(severity="major", components=tags), update(1, status="resolved")])

    assert opened.impact_on("cmp_api") is ComponentState.PARTIAL_OUTAGE
    assert opened.impact_on("cmp_web") is ComponentState.MAJOR_OUTAGE
    assert opened.impact_on("cmp_other") is ComponentState.OPERATIONAL
    assert closed.impact_on("cmp_web") is ComponentState.OPERATIONAL


def test_maintenance_puts_its_components_under_maintenance_while_it_is_under_way() -> None:
    planned = update(0, title="Upgrade", status="scheduled", components={"cmp_api": None})
    timeline = [
        planned,
        update(1, status="in_progress"),
        update(2, status="verifying"),
        update(3, status="completed"),
    ]

    assert [state.impact_on("cmp_api").value for _, state in steps(timeline)] == [
        "operational", "maintenance", "maintenance", "operational",
    ]  # fmt: skip


@pytest.mark.parametrize("missing", [{"title": None}, {"status": None}])
def test_a_first_update_without_title_or_status_is_no_incident(missing: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="first update"):
        fold([first(**missing)])


# ------------------------------------------------------------------------------- the fold as a property

contents = st.builds(
    UpdateContent,
    message=st.one_of(st.none(), st.just("Still looking")),
    status=st.one_of(st.none(), st.sampled_from(INCIDENT_STATUSES)),
    severity=st.one_of(st.none(), st.sampled_from(SeverityChange)),
    components=st.one_of(
        st.none(),
        st.dictionaries(
            st.sampled_from(["cmp_a", "cmp_b", "cmp_c"]), st.one_of(st.none(), st.sampled_from(ComponentState))
        ),
    ),
    title=st.one_of(st.none(), st.sampled_from(["Slow", "Down"])),
)
timelines = st.lists(contents, max_size=12).map(
    lambda later: [first(), *(update(minute, **dict(content)) for minute, content in enumerate(later, start=1))]
)


def newest(timeline: list[Update], field: str) -> object:
    """What the last update that mentions the field says of it: the fold, as one would explain it."""
    said = [getattr(update.content, field) for update in timeline]
    return next((value for value in reversed(said) if value is not None), None)


@given(timelines)
@settings(derandomize=True, max_examples=300)
def test_each_part_of_the_state_is_what_the_last_update_that_mentions_it_says(timeline: list[Update]) -> None:
    state = fold(timeline)

    severity = newest(timeline, "severity")
    assert state.title == newest(timeline, "title")
    assert state.status == newest(timeline, "status")
    assert state.severity == (severity.after if isinstance(severity, SeverityChange) else None)
    assert state.components == (newest(timeline, "components") or {})
    assert state.started_at == timeline[0].at


@given(timelines)
@settings(derandomize=True, max_examples=300)
def test_an_incident_is_closed_since_the_move_after_the_last_open_status(timeline: list[Update]) -> None:
    state = fold(timeline)

    moves = [update for update in timeline if update.content.status is not None]
    while_closed: list[Update] = []
    for move in reversed(moves):
        if move.content.status is not Status.RESOLVED:
            break
        while_closed.append(move)
    assert state.closed_at == (while_closed[-1].at if while_closed else None)


@given(timelines, st.data())
@settings(derandomize=True, max_examples=100)
def test_folding_step_by_step_is_folding_every_beginning(timeline: list[Update], data: st.DataObject) -> None:
    end = data.draw(st.integers(1, len(timeline)))

    *_, (at, state) = steps(timeline[:end])

    assert (at, state) == list(steps(timeline))[end - 1]
