"""Branding tools: the owner's agent changes how the page looks, with small files in base64."""

from __future__ import annotations

import base64

from server.models import Scope
from tests.server.test_pictures import lettering
from tests.tools.conftest import Endpoint, answer, refusal


async def test_an_owners_agent_brands_the_page_and_takes_it_back(endpoint: Endpoint) -> None:
    async with endpoint.caller(Scope.ADMIN) as owner:
        await answer(
            owner, "branding_update", title="Acme Cloud", colour="#0a7d55", support_url="mailto:a@acme.example"
        )
        data = base64.b64encode(lettering("#111111")).decode()
        set_to = await answer(owner, "branding_set_picture", role="logo", data=data)
        page = (await endpoint.http.get(f"{endpoint.url}/s/acme")).text
        await answer(owner, "branding_clear_picture", role="logo")
        await answer(owner, "branding_update", title="", colour="")

        assert "/brand/logo-" in set_to["logo_url"]
        assert 'alt="Acme Cloud"' in page
        assert await answer(owner, "branding_get") == {"support_url": "mailto:a@acme.example"}


async def test_what_is_wrong_is_said_so_that_it_can_be_mended(endpoint: Endpoint) -> None:
    async with endpoint.caller(Scope.ADMIN) as owner:
        assert "no base64" in await refusal(owner, "branding_set_picture", role="logo", data="%%%")
        assert "#rrggbb" in await refusal(owner, "branding_update", colour="red")
        assert "nothing would change" in await refusal(owner, "branding_update")
        assert "there is no favicon" in await refusal(owner, "branding_clear_picture", role="favicon")
