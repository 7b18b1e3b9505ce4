from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa

from server.components import Described, create_component, edit_component, set_own_state
from server.context import App, TenantContext
from server.errors import Invalid, NotFound, Refused
from server.incidents import IncidentDraft, UpdateDraft, UpdateEdit, create_incident, edit_update, post_update
from server.keys import create_key, list_keys, revoke_key
from server.models import ComponentState, Scope
from server.store.schema import metadata
from tests.conftest import Clock, actor


async def test_a_key_lets_its_holder_in_with_its_scopes(acme: TenantContext) -> None:
    key, secret = await create_key(acme, " Helpdesk ", {Scope.AGENT, Scope.SIDEKICK}, attests_addresses=True)

    holder = await acme.app.keyring.holder(secret)

    assert holder is not None
    assert holder.tenant_id == acme.id
    assert (holder.actor.id, holder.actor.name) == (key.id, "Helpdesk")
    assert holder.actor.scopes == {Scope.AGENT, Scope.SIDEKICK}
    assert holder.actor.attests_addresses


async def test_a_keys_secret_is_nowhere_in_the_database(app: App, acme: TenantContext) -> None:
    _, secret = await create_key(acme, "Helpdesk", {Scope.AGENT})

    dump: list[str] = []
    async with app.database.read() as db:
        for table in metadata.sorted_tables:
            dump += [str(row) for row in (await db.execute(sa.select(table))).all()]

    assert any("Helpdesk" in row for row in dump)
    assert not any(secret in row or secret.removeprefix("herald_") in row for row in dump)


@pytest.mark.parametrize("secret", ["", "herald_", "herald_wrong", "\ud800", "x" * 100_000])
async def test_what_is_no_key_lets_nobody_in(app: App, acme: TenantContext, secret: str) -> None:
    await create_key(acme, "Helpdesk", {Scope.AGENT})

    assert await app.keyring.holder(secret) is None


async def test_a_revoked_key_is_refused_within_a_second_in_every_process(
    app: App, other_app: App, acme: TenantContext
) -> None:
    key, secret = await create_key(acme, "Helpdesk", {Scope.AGENT})
    assert await app.keyring.holder(secret)
    assert await other_app.keyring.holder(secret)

    await revoke_key(acme, key.id)
    revoked = time.monotonic()
    while await app.keyring.holder(secret) or await other_app.keyring.holder(secret):
        assert time.monotonic() - revoked < 1
        await asyncio.sleep(0.02)


async def test_revoking_twice_keeps_the_first_time_and_an_unknown_key_is_not_found(
    acme: TenantContext, clock: Clock
) -> None:
    key, _ = await create_key(acme, "Helpdesk", {Scope.AGENT})
    first = clock.advance(minutes=1)
    await revoke_key(acme, key.id)
    clock.advance(minutes=1)

    await revoke_key(acme, key.id)

    assert [kept.revoked_at for kept in await list_keys(acme)] == [first]
    with pytest.raises(NotFound, match="'key_nope'"):
        await revoke_key(acme, "key_nope")


async def test_the_last_use_is_written_later_off_the_path_of_the_call(acme: TenantContext, clock: Clock) -> None:
    _, secret = await create_key(acme, "Helpdesk", {Scope.AGENT})
    used = clock.advance(minutes=3)
    await acme.app.keyring.holder(secret)
    before = [key.last_used_at for key in await list_keys(acme)]

    await acme.app.recorder.flush()

    assert before == [None]
    assert [key.last_used_at for key in await list_keys(acme)] == [used]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "two\nlines", "NUL\x00!", "half\ud800!", "turned\u202e!"])
async def test_a_keys_name_is_one_line_of_1_to_200_characters(acme: TenantContext, name: str) -> None:
    with pytest.raises(Invalid):
        await create_key(acme, name, {Scope.AGENT})

    assert await list_keys(acme) == []


async def test_a_key_has_a_scope(acme: TenantContext) -> None:
    with pytest.raises(Invalid, match="agent, sidekick, operator, admin"):
        await create_key(acme, "Helpdesk", set())


async def test_each_write_needs_its_scope_and_says_which(acme: TenantContext) -> None:
    api = await create_component(acme, "API")
    incident = await create_incident(acme, IncidentDraft(title="Down"))
    outsider = replace(acme, actor=actor(Scope.AGENT, Scope.SIDEKICK))
    operator = replace(acme, actor=actor(Scope.OPERATOR))
    edit = UpdateEdit(incident_id=incident.id, update_id=incident.latest.id, message="x")

    for write in (
        create_incident(outsider, IncidentDraft(title="Down")),
        post_update(outsider, UpdateDraft(incident_id=incident.id, message="x")),
        edit_update(outsider, edit),
        create_component(outsider, "Web"),
        edit_component(outsider, api.id, Described(name="Web")),
        set_own_state(outsider, api.id, ComponentState.DEGRADED),
    ):
        with pytest.raises(Refused, match="needs the scope operator"):
            await write
    for admin in (create_key(operator, "Mine", {Scope.ADMIN}), revoke_key(operator, "key_1"), list_keys(operator)):
        with pytest.raises(Refused, match="needs the scope admin"):
            await admin
