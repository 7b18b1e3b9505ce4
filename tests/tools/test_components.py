"""Component tools: what the page lists, in which order, and what cannot be taken off it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from mcp import Client

from server.models import Scope
from tests.tools.conftest import Endpoint, answer, refusal


@pytest.fixture
async def operator(endpoint: Endpoint) -> AsyncIterator[Client]:
    async with endpoint.caller(Scope.OPERATOR) as client:
        yield client


async def create(client: Client, *names: str) -> list[str]:
    return [(await answer(client, "component_create", name=name))["id"] for name in names]


async def names(client: Client) -> list[str]:
    return [component["name"] for component in (await answer(client, "component_list"))["components"]]


async def test_components_are_listed_in_the_order_that_was_asked_for(operator: Client) -> None:
    web, api, mail = await create(operator, "Web", "API", "Mail")

    await answer(operator, "component_reorder", component_ids=[mail, web, api])

    assert await names(operator) == ["Mail", "Web", "API"]


async def test_an_order_that_forgets_a_component_is_refused(operator: Client) -> None:
    web, api = await create(operator, "Web", "API")

    for order in ([web], [web, web], [web, api, "cmp_none"]):
        said = await refusal(operator, "component_reorder", component_ids=order)
        assert said == (
            f"name every component once, in the new order; the components are: {web} (Web), {api} (API)"
        )
    assert await names(operator) == ["Web", "API"]


async def test_a_component_that_moves_to_another_group_comes_last_there(operator: Client) -> None:
    web, _ = await create(operator, "Web", "API")
    await answer(operator, "component_create", name="Hooks", group="Developers")

    moved = await answer(operator, "component_update", component_id=web, group="Developers")

    assert (moved["name"], moved["group"]) == ("Web", "Developers")
    assert await names(operator) == ["API", "Hooks", "Web"]


async def test_two_components_of_a_group_cannot_share_a_name(operator: Client) -> None:
    web, _ = await create(operator, "Web", "API")

    renamed = await refusal(operator, "component_update", component_id=web, name="API")
    created = await refusal(operator, "component_create", name="API")

    assert renamed == created == "the group 'Core Services' already has a component 'API': choose another name"


async def test_a_name_on_two_lines_is_refused(operator: Client) -> None:
    said = await refusal(operator, "component_create", name="Web\nBcc: all@example.com")

    assert said == "Invalid arguments for component_create: name: write it on one line"


async def test_a_component_that_an_incident_affects_cannot_be_deleted(operator: Client) -> None:
    (web,) = await create(operator, "Web")
    posted = await answer(operator, "incident_create", title="Down", components=[web])

    said = await refusal(operator, "component_delete", component_id=web)
    await answer(operator, "incident_resolve", incident_id=posted["id"])
    await answer(operator, "component_delete", component_id=web)

    assert said == (
        f"the active incident {posted['id']} ('Down') affects 'Web': "
        "resolve it, or take the component out of it first"
    )
    assert await names(operator) == []
    past = await answer(operator, "incident_get", incident_id=posted["id"])
    assert [component["name"] for component in past["components"]] == ["Web"]


async def test_the_own_state_returns_when_no_incident_says_worse(operator: Client) -> None:
    (web,) = await create(operator, "Web")
    set_by_hand = await answer(operator, "component_set_state", component_id=web, state="maintenance")
    posted = await answer(operator, "incident_create", title="Down", components=[web])
    during = (await answer(operator, "component_list"))["components"][0]
    await answer(operator, "incident_resolve", incident_id=posted["id"])
    after = (await answer(operator, "component_list"))["components"][0]

    assert set_by_hand["state"] == "maintenance"
    assert (during["state"], during["own_state"]) == ("degraded", "maintenance")
    assert after["state"] == "maintenance"
