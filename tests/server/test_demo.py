from __future__ import annotations

import pytest

from server.context import App
from server.demo import SLUG, demo_tenant
from server.errors import Refused
from server.incidents import list_incidents
from server.tenants import TenantDraft, create_tenant


async def test_the_demo_is_seeded_once_and_then_kept(app: App) -> None:
    first = await demo_tenant(app)
    seeded = await list_incidents(first)

    again = await demo_tenant(app)

    assert again.id == first.id
    assert await list_incidents(again) == seeded
    assert [incident.is_active for incident in seeded.incidents].count(True) == 2


async def test_a_demo_that_was_stopped_while_it_was_seeding_is_not_taken_for_a_whole_one(app: App) -> None:
    await create_tenant(app, TenantDraft(slug=SLUG, name="Lumen Shop"))

    with pytest.raises(Refused, match=r"delete its database, herald\.db"):
        await demo_tenant(app)
