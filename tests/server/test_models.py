from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from server.components import Described
from server.incidents import IncidentDraft, UpdateDraft
from server.models import (
    ComponentState,
    IncidentKind,
    Severity,
    SeverityChange,
    Slug,
    Status,
    TenantSettings,
    UpdateContent,
    translated,
)
from server.tenants import TenantDraft

NOT_WRITTEN_BY_PEOPLE = [
    "NUL \x00!", "bell \a!", "next line \x85!", "half a pair \ud800!", "reversed \u202e!", "isolated \u2066!",
]  # fmt: skip


def test_each_status_suggests_the_next_one_and_a_closed_one_suggests_nothing() -> None:
    suggested = {status.value: status.next for status in Status}

    assert suggested == {
        "investigating": Status.IDENTIFIED,
        "identified": Status.MONITORING,
        "monitoring": Status.RESOLVED,
        "resolved": None,
        "scheduled": Status.IN_PROGRESS,
        "in_progress": Status.VERIFYING,
        "verifying": Status.COMPLETED,
        "completed": None,
        "cancelled": None,
    }


def test_a_status_belongs_to_incidents_or_to_maintenance() -> None:
    of_incidents = {status.value for status in Status if status.kind is IncidentKind.INCIDENT}

    assert of_incidents == {"investigating", "identified", "monitoring", "resolved"}
    assert {status.value for status in Status if status.closes} == {"resolved", "completed", "cancelled"}


def test_the_worst_state_wins_in_the_documented_order() -> None:
    order = ["operational", "maintenance", "degraded", "partial_outage", "major_outage"]

    assert [state.value for state in sorted(ComponentState, key=lambda state: state.rank)] == order
    assert ComponentState.worst([ComponentState.DEGRADED, ComponentState.MAINTENANCE]) is ComponentState.DEGRADED
    assert ComponentState.worst([]) is ComponentState.OPERATIONAL


@pytest.mark.parametrize(
    ("severity", "impact"),
    [
        (None, ComponentState.DEGRADED),
        (Severity.MINOR, ComponentState.DEGRADED),
        (Severity.MAJOR, ComponentState.PARTIAL_OUTAGE),
        (Severity.CRITICAL, ComponentState.MAJOR_OUTAGE),
    ],
)
def test_an_impact_that_is_not_given_follows_from_the_severity(
    severity: Severity | None, impact: ComponentState
) -> None:
    assert Severity.impact_of(severity) is impact


def test_a_severity_can_be_set_or_cleared() -> None:
    assert SeverityChange("major").after is Severity.MAJOR
    assert SeverityChange("none").after is None


@pytest.mark.parametrize("text", NOT_WRITTEN_BY_PEOPLE)
def test_characters_that_nobody_sees_are_refused_in_every_text(text: str) -> None:
    for make in (
        lambda: IncidentDraft(title=text),
        lambda: IncidentDraft(title="Down", message=text),
        lambda: IncidentDraft(title="Down", title_translations={"de": text}),
        lambda: IncidentDraft(title="Down", translations={"de": text}),
        lambda: UpdateDraft(incident_id="inc_1", message=text),
        lambda: Described(name=text),
        lambda: Described(description=text),
        lambda: Described(group=text),
        lambda: TenantDraft(slug="acme", name=text),
        lambda: TenantSettings(page_title=text),
        lambda: TenantSettings(page_description=text),
    ):
        with pytest.raises(ValidationError):
            make()


@pytest.mark.parametrize("title", ["", " \t ", "two\nlines", "two\u2028lines", "tab\tinside", "x" * 201])
def test_a_title_is_one_line_of_1_to_200_characters(title: str) -> None:
    with pytest.raises(ValidationError):
        IncidentDraft(title=title)


def test_text_is_kept_as_people_write_it() -> None:
    draft = IncidentDraft(
        title="  Ausfall \N{LATIN SMALL LETTER U}\N{COMBINING DIAERESIS}berall 🚨 ", message="a\r\nb\rc\td"
    )

    assert draft.title == "Ausfall überall 🚨"
    assert draft.message == "a\nb\nc\td"
    assert IncidentDraft(title=" " + "x" * 200).title == "x" * 200


def test_an_update_of_blanks_says_nothing() -> None:
    assert UpdateContent(message="  \n ").is_empty
    assert not UpdateContent(status=Status.MONITORING).is_empty
    assert not UpdateContent(severity=SeverityChange.CLEARED).is_empty
    assert not UpdateContent(components={}).is_empty


def test_a_reader_gets_the_translation_of_their_language_else_the_original() -> None:
    translations = {"pt": "Fora do ar", "de-CH": "Ausfall"}

    assert translated("Down", translations, "pt-BR") == "Fora do ar"
    assert translated("Down", translations, "de-CH") == "Ausfall"
    assert translated("Down", translations, "de") == "Down"
    assert translated("Down", translations, None) == "Down"


@pytest.mark.parametrize("language", ["", "english please", "de\n", "x", "de-"])
def test_a_translation_needs_a_language_tag(language: str) -> None:
    with pytest.raises(ValidationError):
        IncidentDraft(title="Down", translations={language: "Text"})


@pytest.mark.parametrize("slug", ["", "Acme", "-acme", "acme-", "a/b", "a.b", "acme\n", "ä", "a" * 64])
def test_a_slug_is_safe_in_an_address(slug: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Slug).validate_python(slug)


def test_settings_name_a_real_time_zone() -> None:
    with pytest.raises(ValidationError, match="unknown time zone"):
        TenantSettings(time_zone="Europe/Atlantis")
    with pytest.raises(ValidationError, match="unknown time zone"):
        TenantSettings(time_zone="../../etc/passwd")
