"""Settings and key tools: what the owner of a page changes, and that nobody else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from mcp import Client

from server.context import TenantContext
from server.incidents import IncidentDraft, create_incident
from server.models import Ground, Scope, Topic, TopicKind
from server.subscriptions import enrol
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


async def test_a_post_says_how_many_are_told_and_the_owner_sees_whom(endpoint: Endpoint, owner: Client) -> None:
    attesting = TenantContext(
        endpoint.tenant.app, endpoint.tenant.id, replace(endpoint.tenant.actor, attests_addresses=True)
    )
    async with endpoint.caller(Scope.OPERATOR) as operator:
        posted = await answer(operator, "incident_create", title="API answers 500")
        await enrol(
            attesting,
            "ada@example.com",
            Topic(kind=TopicKind.INCIDENT, id=posted["id"]),
            Ground(source="test", attested=True),
        )
        named = {"incident_id": posted["id"], "message": "Found it."}
        tried = await answer(operator, "incident_preview", **named)
        quiet = await answer(operator, "incident_post_update", **named, notify=False)
        told = await answer(operator, "incident_post_update", **named)
        report = await answer(operator, "delivery_report")

    listed = await answer(owner, "subscriber_list")

    assert [seen["subscribers_told"] for seen in (posted, tried, quiet, told)] == [0, 1, 0, 1]
    assert report["subscribers"] == listed["total"] == 1
    assert [(person["address"], person["topics"]) for person in listed["subscribers"]] == [
        ("ada@example.com", [{"kind": "incident", "id": posted["id"]}])
    ]
    assert "ada@" not in str(report)


async def test_one_tenants_subscribers_are_not_in_anothers_list(endpoint: Endpoint) -> None:
    attesting = TenantContext(
        endpoint.tenant.app, endpoint.tenant.id, replace(endpoint.tenant.actor, attests_addresses=True)
    )
    incident = await create_incident(endpoint.tenant, IncidentDraft(title="Down"))
    topic = Topic(kind=TopicKind.INCIDENT, id=incident.id)
    await enrol(attesting, "ada@example.com", topic, Ground(source="test", attested=True))

    async with endpoint.caller(Scope.ADMIN, tenant=endpoint.stranger) as stranger:
        listed = await answer(stranger, "subscriber_list")

    assert listed == {"total": 0, "subscribers": []}
