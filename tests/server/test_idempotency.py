from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from server.components import Described, create_component, edit_component, named_impacts
from server.context import TenantContext
from server.errors import Conflict, Invalid
from server.incidents import IncidentDraft, UpdateDraft, create_incident, get_incident, list_incidents, post_update
from server.models import Scope
from tests.conftest import Clock, actor

DRAFT = IncidentDraft(title="API down", message="We are looking")


async def test_a_repeated_request_gets_the_first_result_even_after_the_record_moved_on(
    acme: TenantContext,
) -> None:
    first = await create_incident(acme, DRAFT, idempotency_key="k1")
    post = UpdateDraft(incident_id=first.id, message="Found")
    posted = await post_update(acme, post, expected_version=1, idempotency_key="k2")

    assert await create_incident(acme, DRAFT, idempotency_key="k1") == first
    assert await post_update(acme, post, expected_version=1, idempotency_key="k2") == posted
    assert (await list_incidents(acme)).incidents == (posted,)


async def test_a_key_used_for_another_request_is_refused(acme: TenantContext) -> None:
    first = await create_incident(acme, DRAFT, idempotency_key="k")

    with pytest.raises(Conflict, match="used for another request"):
        await create_incident(acme, IncidentDraft(title="Another"), idempotency_key="k")
    with pytest.raises(Conflict, match="used for another request"):
        await post_update(acme, UpdateDraft(incident_id=first.id, message="x"), idempotency_key="k")

    assert (await list_incidents(acme)).incidents == (first,)


async def test_of_requests_under_one_key_at_the_same_time_one_takes_effect(
    acme: TenantContext, acme_elsewhere: TenantContext
) -> None:
    results = await asyncio.gather(
        *(create_incident(context, DRAFT, idempotency_key="k") for context in [acme, acme_elsewhere] * 3)
    )

    assert (await list_incidents(acme)).incidents == (results[0],)
    assert all(result == results[0] for result in results)


async def test_a_request_that_was_refused_does_not_take_its_key(acme: TenantContext) -> None:
    unknown = IncidentDraft(title="Down", components={"cmp_nope": None})
    with pytest.raises(Invalid):
        await create_incident(acme, unknown, idempotency_key="k")

    assert (await create_incident(acme, DRAFT, idempotency_key="k")).title == "API down"


async def test_a_key_is_forgotten_after_24_hours(acme: TenantContext, clock: Clock) -> None:
    first = await create_incident(acme, DRAFT, idempotency_key="k")
    clock.advance(hours=24)
    still = await create_incident(acme, DRAFT, idempotency_key="k")
    clock.advance(seconds=1)

    again = await create_incident(acme, DRAFT, idempotency_key="k")

    assert still == first
    assert again.id != first.id


async def test_keys_of_one_api_key_and_tenant_are_not_those_of_another(
    acme: TenantContext, globex: TenantContext
) -> None:
    colleague = replace(acme, actor=actor(*Scope, name="colleague"))
    contexts = (acme, colleague, replace(globex, actor=acme.actor))

    made = {(await create_incident(context, DRAFT, idempotency_key="k")).id for context in contexts}

    assert len(made) == 3


@pytest.mark.parametrize("key", ["", "k" * 201, "\ud800"])
async def test_a_key_that_cannot_be_kept_is_refused(acme: TenantContext, key: str) -> None:
    with pytest.raises(Invalid):
        await create_incident(acme, DRAFT, idempotency_key=key)

    assert (await list_incidents(acme)).incidents == ()


async def test_an_update_posted_twice_under_one_key_is_one_update(acme: TenantContext) -> None:
    incident = await create_incident(acme, DRAFT)
    post = UpdateDraft(incident_id=incident.id, message="Found")

    for _ in range(2):
        await post_update(acme, post, idempotency_key="k")

    assert len((await get_incident(acme, incident.id)).updates) == 2


async def test_a_repeated_request_gets_the_first_result_even_after_its_component_was_renamed(
    acme: TenantContext,
) -> None:
    component = await create_component(acme, "Checkout")
    draft = IncidentDraft(title="Checkout is down", components=named_impacts(["checkout"]) or {})
    first = await create_incident(acme, draft, "once")
    await edit_component(acme, component.id, Described(name="Basket"))

    again = await create_incident(acme, draft, "once")

    assert again == first
