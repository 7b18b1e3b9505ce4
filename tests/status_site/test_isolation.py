"""One tenant never shows another's anything: every published address is asked with the other tenant's ids."""

from __future__ import annotations

import httpx2

from server.branding import digest_of, edit_branding, read_changes, set_picture
from server.context import TenantContext
from server.models import Incident
from server.pictures import PictureRole
from status_site import routes
from status_site.branding import sheet_of
from tests.server.test_pictures import lettering
from tests.status_site.conftest import post

SECRET = "Only for globex"
COLOUR = "#123456"


def addresses(incident: Incident) -> list[str]:
    """Every kind of address below a tenant's base, with this incident's ids where one is asked for."""
    return [
        "",
        f"/incidents/{incident.slug}",
        f"/components/{incident.affected[0].id}",
        "/history",
        f"/history/{incident.started_at:%Y-%m}",
        "/brand/card.png",
        "/brand/logo.png",
        f"/brand/colours-{digest_of(sheet_of(COLOUR))}.css",
        "/embed",
        "/badge.svg",
        "/status.md",
        "/llms.txt",
        "/history.atom",
        "/history.rss",
        "/feed.json",
        "/maintenance.ics",
        "/api/v2/status.json",
        "/api/v2/summary.json",
        "/api/v2/components.json",
        "/api/v2/incidents.json",
        "/api/v2/incidents/unresolved.json",
        "/api/v2/scheduled-maintenances.json",
        "/api/v2/scheduled-maintenances/upcoming.json",
        "/api/v2/scheduled-maintenances/active.json",
    ]


async def test_no_address_of_a_tenant_shows_anything_of_the_other(
    site: httpx2.AsyncClient, acme: TenantContext, globex: TenantContext
) -> None:
    own = await post(acme, title="Search is slow")
    for tenant in (acme, globex):
        await set_picture(tenant, PictureRole.LOGO, lettering("#123456"))
        await edit_branding(tenant, read_changes({"colour": COLOUR}))
    secret = await post(globex, title=SECRET)
    theirs = {secret.id, secret.slug, secret.affected[0].id, secret.history_head, SECRET, "Globex", "globex"}

    for mine, foreign in zip(addresses(own), addresses(secret), strict=True):
        answer = await site.get(f"/s/acme{mine}")
        assert answer.status_code == 200, mine
        assert not {word for word in theirs if word in answer.text}, mine

        if foreign != mine:  # it names something of the other tenant's
            assert (await site.get(f"/s/acme{foreign}")).status_code == 404, foreign


async def test_every_published_address_is_tried(acme: TenantContext) -> None:
    incident = await post(acme)

    tried = {routes.find(address)[0].pattern for address in addresses(incident)}  # type: ignore[index]

    assert tried == {route.pattern for route in routes.ROUTES}
