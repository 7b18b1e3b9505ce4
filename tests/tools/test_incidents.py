"""Incident tools: what a post does, what a dry run does not, and what a repeated call does only once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from mcp import Client

from server.components import create_component
from server.models import Component, Scope
from tests.conftest import Clock
from tests.tools.conftest import Endpoint, answer, refusal


@pytest.fixture
async def api(endpoint: Endpoint) -> Component:
    return await create_component(endpoint.tenant, "API")


@pytest.fixture
async def operator(endpoint: Endpoint) -> AsyncIterator[Client]:
    async with endpoint.caller(Scope.OPERATOR) as client:
        yield client


async def test_a_life_from_post_to_resolution(operator: Client, api: Component, clock: Clock) -> None:
    posted = await answer(
        operator, "incident_create", title="API answers 500", severity="major", components=["api"]
    )
    clock.advance(minutes=1)
    updated = await answer(
        operator, "incident_post_update", incident_id=posted["id"], status="identified", message="A bad release."
    )
    clock.advance(minutes=1)
    resolved = await answer(
        operator, "incident_resolve", incident_id=posted["id"], message="The release is rolled back."
    )

    assert posted["components"] == [{"id": api.id, "name": "API", "state": "partial_outage"}]
    assert (posted["next_status"], updated["next_status"]) == ("identified", "monitoring")
    assert "next_status" not in resolved
    assert resolved["resolved_at"] == "2026-03-14T15:11:26Z"
    assert [update.get("message") for update in resolved["updates"]] == [
        None,
        "A bad release.",
        "The release is rolled back.",
    ]


async def test_a_resolved_incident_cannot_be_resolved_again_but_reopened(operator: Client) -> None:
    posted = await answer(operator, "incident_create", title="API answers 500")
    await answer(operator, "incident_resolve", incident_id=posted["id"])

    said = await refusal(operator, "incident_resolve", incident_id=posted["id"])
    reopened = await answer(operator, "incident_post_update", incident_id=posted["id"], status="investigating")

    assert said.startswith("the incident is resolved since 2026-03-14T15:09:26+00:00: nothing was posted.")
    assert "resolved_at" not in reopened


async def test_setting_components_replaces_those_before(
    operator: Client, endpoint: Endpoint, api: Component
) -> None:
    web = await create_component(endpoint.tenant, "Web App")
    posted = await answer(operator, "incident_create", title="Down", components=["API"])

    moved = await answer(
        operator,
        "incident_set_components",
        incident_id=posted["id"],
        components=["Web App"],
        impacts={"Web App": "major_outage"},
    )
    listed = await answer(operator, "component_list")

    assert moved["components"] == [{"id": web.id, "name": "Web App", "state": "major_outage"}]
    assert {part["name"]: part["state"] for part in listed["components"]} == {
        "API": "operational",
        "Web App": "major_outage",
    }


async def test_a_correction_keeps_what_it_replaced(operator: Client) -> None:
    posted = await answer(operator, "incident_create", title="API down", message="Everythign is fine")
    (first,) = posted["updates"]

    corrected = await answer(
        operator,
        "incident_edit_update",
        incident_id=posted["id"],
        update_id=first["id"],
        message="Nothing works",
        title="API answers 500",
    )
    replaced = await answer(operator, "incident_list_revisions", incident_id=posted["id"])

    assert (corrected["title"], corrected["updates"][0]["message"]) == ("API answers 500", "Nothing works")
    assert [(old["version"], old["title"], old["message"]) for old in replaced["revisions"]] == [
        (1, "API down", "Everythign is fine")
    ]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("incident_create", {"title": "Another"}),
        ("incident_post_update", {"status": "identified"}),
        ("incident_resolve", {"message": "Over."}),
        ("incident_set_components", {"components": ["API"]}),
        ("incident_edit_update", {"message": "Otherwise"}),
    ],
)
async def test_a_dry_run_shows_the_outcome_and_changes_nothing(
    operator: Client, api: Component, tool: str, arguments: dict[str, object]
) -> None:
    posted = await answer(operator, "incident_create", title="Down", message="We look into it.")
    named = {"incident_id": posted["id"]} if tool != "incident_create" else {}
    if tool == "incident_edit_update":
        named["update_id"] = posted["updates"][0]["id"]

    tried = await answer(operator, tool, **named, **arguments, dry_run=True)

    assert tried["id"] != posted["id"] or tried["version"] == posted["version"] + 1
    assert await answer(operator, "incident_get", incident_id=posted["id"]) == without_count(posted)
    assert len((await answer(operator, "incident_list"))["incidents"]) == 1
    assert (await answer(operator, "component_list"))["components"][0]["state"] == "operational"


async def test_a_preview_names_what_the_page_would_show_otherwise(operator: Client, api: Component) -> None:
    seen = await answer(operator, "incident_preview", title="Down", severity="critical", components=["API"])

    assert (seen["overall_before"], seen["overall_after"]) == ("operational", "major_outage")
    assert seen["components_changed"] == [
        {"id": api.id, "name": "API", "before": "operational", "after": "major_outage"}
    ]
    assert (await answer(operator, "incident_list"))["incidents"] == []


async def test_a_preview_needs_an_incident_or_a_title(operator: Client) -> None:
    said = await refusal(operator, "incident_preview", message="Hello")

    assert said == "give incident_id to try an update, or title to try a new incident"


async def test_a_repeated_call_with_the_same_idempotency_key_posts_once(operator: Client) -> None:
    first, again = [
        await answer(operator, "incident_create", title="Down", idempotency_key="a-1") for _ in range(2)
    ]
    other = await refusal(operator, "incident_create", title="Up", idempotency_key="a-1")

    assert again == first
    assert other == "the idempotency key 'a-1' was used for another request: choose a new key"


async def test_of_two_that_expect_the_same_version_one_is_told_to_read_again(operator: Client) -> None:
    posted = await answer(operator, "incident_create", title="Down")
    update = {"incident_id": posted["id"], "expected_version": posted["version"]}

    results = await asyncio.gather(
        *(operator.call_tool("incident_post_update", update | {"message": text}) for text in ("A", "B"))
    )

    assert sorted(bool(result.is_error) for result in results) == [False, True]
    said = await refusal(operator, "incident_post_update", **update, message="C")
    assert said == (
        f"the incident is at version {posted['version'] + 1}, not {posted['version']}: "
        "read it again with incident_get and decide anew"
    )


async def test_lists_come_in_pages(operator: Client, clock: Clock) -> None:
    for number in range(3):
        clock.advance(minutes=1)
        await answer(operator, "incident_create", title=f"Incident {number}")

    first = await answer(operator, "incident_list", limit=2)
    second = await answer(operator, "incident_list", limit=2, cursor=first["next_cursor"])

    assert [incident["title"] for incident in first["incidents"]] == ["Incident 2", "Incident 1"]
    assert [incident["title"] for incident in second["incidents"]] == ["Incident 0"]
    assert "next_cursor" not in second


def without_count(posted: dict[str, object]) -> dict[str, object]:
    """The incident alone: how many were told belongs to the post."""
    return {name: value for name, value in posted.items() if name != "subscribers_told"}
