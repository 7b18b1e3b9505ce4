"""A page under the tenant's own host name: everything of its own, nothing of anybody else's."""

from __future__ import annotations

import httpx2
import pytest

from server.context import App, TenantContext
from server.domains import add_domain, check_domain
from tests.status_site.conftest import post

HOST = "status.acme.example"
AT_HOST = {"Host": HOST}


@pytest.fixture
async def own_host(app: App, acme: TenantContext) -> str:
    """A host that acme has proved to be its own."""
    domain = await add_domain(acme, HOST)

    async def says_so(name: str, kind: str) -> list[str]:
        return [domain.token] if (name, kind) == (f"_herald.{HOST}", "TXT") else []

    await check_domain(acme, HOST, says_so)
    return HOST


@pytest.mark.usefixtures("own_host")
@pytest.mark.parametrize("spelt", [HOST, "STATUS.acme.example", f"{HOST}:8443", f"{HOST}."])
async def test_the_page_is_at_the_root_of_the_tenants_own_host(
    site: httpx2.AsyncClient, acme: TenantContext, spelt: str
) -> None:
    incident = await post(acme)

    page = await site.get("/", headers={"Host": spelt})

    assert page.status_code == 200
    assert f'href="/incidents/{incident.slug}"' in page.text
    assert (await site.get(f"/incidents/{incident.slug}", headers={"Host": spelt})).status_code == 200
    assert (await site.get("/api/v2/summary.json", headers={"Host": spelt})).json()["page"]["name"] == "Acme"


@pytest.mark.usefixtures("own_host", "globex")
async def test_a_host_shows_nothing_of_another_tenant(site: httpx2.AsyncClient) -> None:
    for path in ("/s/globex", "/s/globex/history", "/s/globex/api/v2/summary.json", "/s/globex/subscribe"):
        assert (await site.get(path, headers=AT_HOST)).status_code == 404


@pytest.mark.usefixtures("own_host")
async def test_two_hosts_never_share_what_was_rendered(site: httpx2.AsyncClient, globex: TenantContext) -> None:
    own = (await site.get("/", headers=AT_HOST)).text

    assert "Acme" in own
    assert "Globex" not in own
    assert "Globex" in (await site.get("/s/globex")).text
    assert 'href="/s/acme/history"' in (await site.get("/s/acme")).text
    assert 'href="/history"' in own


@pytest.mark.usefixtures("own_host")
@pytest.mark.parametrize("path", ["/", "/s/acme", "/subscribe", "/anything"])
@pytest.mark.parametrize("host", ["evil.example", "acme.example", f"x.{HOST}", f"{HOST}.evil.example"])
async def test_a_host_that_nobody_proved_is_refused(site: httpx2.AsyncClient, path: str, host: str) -> None:
    answer = await site.get(path, headers={"Host": host})

    assert answer.status_code == 421
    assert "evil" not in answer.text


async def test_health_is_answered_under_every_name(site: httpx2.AsyncClient) -> None:
    assert (await site.get("/healthz", headers={"Host": "whatever.example"})).status_code == 200


@pytest.mark.usefixtures("own_host")
async def test_a_certificate_is_allowed_for_a_proved_host_alone(site: httpx2.AsyncClient) -> None:
    asked = {
        host: (await site.get("/internal/tls-ask", params={"domain": host})).status_code
        for host in (HOST, "evil.example", "")
    }

    assert asked == {HOST: 200, "evil.example": 404, "": 404}
