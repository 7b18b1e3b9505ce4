"""Settings and key tools: what the owner of a page changes, and that nobody else does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from mcp import Client

from server.models import Scope
from tests.tools.conftest import Endpoint, answer, refusal


@pytest.fixture
async def owner(endpoint: Endpoint) -> AsyncIterator[Client]:
    async with endpoint.caller(Scope.ADMIN) as client:
        yield client


async def test_a_setting_changes_and_the_others_stay(owner: Client, endpoint: Endpoint) -> None:
    before = await answer(owner, "page_settings_get")

    after = await answer(owner, "page_settings_update", page_title="Acme Status", time_zone="Europe/Berlin")

    assert after == before | {"page_title": "Acme Status", "time_zone": "Europe/Berlin"}
    assert await answer(owner, "page_settings_get") == after
    page = await endpoint.http.get(f"{endpoint.url}/s/acme")
    assert "Acme Status" in page.text


async def test_an_empty_text_takes_a_setting_back(owner: Client) -> None:
    await answer(owner, "page_settings_update", page_title="Acme Status")

    after = await answer(owner, "page_settings_update", page_title="")

    assert "page_title" not in after


async def test_a_wrong_setting_is_named_and_nothing_changes(owner: Client) -> None:
    before = await answer(owner, "page_settings_get")

    said = await refusal(owner, "page_settings_update", page_title="New", time_zone="Mars/Olympus")

    assert said == (
        "Invalid arguments for page_settings_update: "
        "time_zone: unknown time zone 'Mars/Olympus'; use an IANA name such as Europe/Berlin"
    )
    assert await answer(owner, "page_settings_get") == before


async def test_a_key_is_shown_once_works_and_can_be_revoked(owner: Client, endpoint: Endpoint) -> None:
    made = await answer(owner, "key_create", name="support bot", scopes=["agent"])
    async with endpoint.client(made["secret"]) as bot:
        assert (await answer(bot, "component_list"))["components"] == []

    await answer(owner, "key_revoke", key_id=made["id"])
    listed = {key["id"]: key for key in (await answer(owner, "key_list"))["keys"]}

    assert made["secret"] not in str(listed)
    assert listed[made["id"]]["scopes"] == ["agent"]
    assert "revoked_at" in listed[made["id"]]
