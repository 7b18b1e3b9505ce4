from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.context import App, TenantContext
from server.errors import Unavailable
from server.incidents import IncidentDraft, create_incident
from server.snapshots import POLL_SECONDS
from server.tenants import TenantDraft, create_tenant


@asynccontextmanager
async def following(app: App) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(app.snapshots.follow(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_another_process_shows_what_was_published_within_its_poll(
    acme: TenantContext, acme_elsewhere: TenantContext
) -> None:
    elsewhere = acme_elsewhere.app.snapshots
    before = await elsewhere.get(acme.id)
    replaced = asyncio.Event()
    elsewhere.watch(lambda _old, _new: replaced.set())
    async with following(acme_elsewhere.app):
        incident = await create_incident(acme, IncidentDraft(title="Down"))
        await asyncio.wait_for(replaced.wait(), 20 * POLL_SECONDS)

    assert before.active == ()
    assert (await elsewhere.get(acme.id)).active == (incident,)


async def test_what_was_shown_goes_on_being_shown_while_the_database_is_away(
    acme: TenantContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = await create_incident(acme, IncidentDraft(title="Down"))
    monkeypatch.setattr(acme.app.database, "read", _away)

    await acme.app.snapshots.refresh(acme.id)

    assert (await acme.app.snapshots.get(acme.id)).active == (incident,)


async def test_a_new_tenant_shows_nothing_yet(app: App) -> None:
    tenant = await create_tenant(app, TenantDraft(slug="initech", name="Initech"))

    snapshot = await app.snapshots.by_slug("initech")

    assert (snapshot.tenant, snapshot.active, snapshot.components) == (tenant, (), ())


@asynccontextmanager
async def _away() -> AsyncIterator[None]:
    raise Unavailable("away")
    yield
