"""What Herald publishes as a Statuspage, Herald can take over: one tenant's page becomes another's."""

from __future__ import annotations

from typing import Any

import httpx2

from server.context import TenantContext
from server.importing import import_page
from server.incidents import UpdateDraft, post_update
from server.models import Severity, Status
from server.statuspage import read_page
from tests.conftest import Clock
from tests.status_site.conftest import post

DOCUMENTS = ("components", "incidents", "scheduled-maintenances")
OWN = {"id", "page_id", "group_id", "incident_id", "shortlink", "updated_at", "code", "components", "start_date"}


async def published(site: httpx2.AsyncClient, slug: str, name: str) -> Any:
    return (await site.get(f"/s/{slug}/api/v2/{name}.json")).json()


def told(value: Any) -> Any:
    """The same without ids and addresses, which are each page's own."""
    if isinstance(value, dict):
        return {name: told(one) for name, one in value.items() if name not in OWN}
    return [told(one) for one in value] if isinstance(value, list) else value


async def test_a_page_that_is_imported_says_the_same_as_the_one_it_came_from(
    site: httpx2.AsyncClient, acme: TenantContext, globex: TenantContext, clock: Clock
) -> None:
    first = await post(acme)
    clock.advance(minutes=10)
    await post_update(acme, UpdateDraft(incident_id=first.id, message="Found it.", status=Status.IDENTIFIED))
    clock.advance(minutes=10)
    await post_update(acme, UpdateDraft(incident_id=first.id, message="Over.", status=Status.RESOLVED))
    clock.advance(hours=1)
    await post(acme, title="Payments are slow", severity=Severity.MINOR)
    clock.advance(minutes=5)

    documents = [(await site.get(f"/s/acme/api/v2/{name}.json")).content for name in DOCUMENTS]
    await import_page(globex, read_page(documents))

    for name in ("incidents", "components"):
        assert told((await published(site, "globex", name))[name]) == told(
            (await published(site, "acme", name))[name]
        )
    status = (await published(site, "acme", "status"))["status"]
    assert (await published(site, "globex", "status"))["status"] == status
    assert (await import_page(globex, read_page(documents))).is_empty
