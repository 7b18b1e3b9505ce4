"""The picture beside a link: it says what the page says, in the tenant's language, and is never a stale one."""

from __future__ import annotations

import re
from io import BytesIO

import httpx2
import pytest
from PIL import Image

from server import texts
from server.branding import edit_branding, read_changes, set_picture
from server.context import TenantContext
from server.pages import page_of
from server.pictures import PictureRole
from server.tenants import edit_settings
from status_site import fonts
from status_site.opengraph import drawing_of
from status_site.reader import Reader
from status_site.view import View
from tests.server.test_pictures import lettering
from tests.status_site.conftest import post


async def view_of(tenant: TenantContext) -> View:
    snapshot = await tenant.app.snapshots.get(tenant.id)
    page = page_of(snapshot, tenant.now(), tenant.now())
    return View(tenant.app, snapshot, page, Reader("en", base="/s/acme"), "")


async def address(site: httpx2.AsyncClient) -> str:
    found = re.search(r'<meta property="og:image" content="([^"]+)">', (await site.get("/s/acme")).text)
    assert found is not None
    return found[1]


async def test_the_picture_is_linked_and_kept_for_good_while_it_is_true(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    before = await address(site)
    shown = await site.get(before)
    await post(acme)
    after = await address(site)

    with Image.open(BytesIO(shown.content)) as image:
        assert (image.format, image.size) == ("PNG", (1200, 630))
        assert image.getpixel((116, 308)) != image.getpixel((600, 100))  # a mark on paper
    assert shown.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert after != before
    lasting = await site.get("/s/acme/brand/card.png")
    assert lasting.headers["Cache-Control"] == "public, max-age=300"
    assert lasting.content == (await site.get(after)).content != shown.content
    assert (await site.get(before)).status_code == 404


async def test_it_says_whose_page_it_is_and_how_everything_is(acme: TenantContext) -> None:
    await edit_branding(acme, read_changes({"title": "<Acme> & sons", "colour": "#c00"}))
    await post(acme)

    drawing = drawing_of(await view_of(acme))

    assert "&lt;Acme&gt; &amp; sons" in drawing
    assert "Partial outage: Payments" in drawing
    assert "127.0.0.1:8000/s/acme" in drawing
    assert 'height="20" fill="#cc0000"' in drawing


async def test_a_logo_stands_in_it_on_a_plate_if_it_needs_one(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    await set_picture(acme, PictureRole.LOGO, lettering("#ffffff"))

    with Image.open(BytesIO((await site.get(await address(site))).content)) as image:
        picture = image.convert("RGB")

    assert picture.getpixel((90, 120)) == (0x16, 0x16, 0x1A)
    assert (255, 255, 255) in {picture.getpixel((x, 130)) for x in range(80, 300)}


@pytest.mark.parametrize("language", texts.languages())
async def test_every_language_of_the_page_can_be_drawn(acme: TenantContext, language: str) -> None:
    await edit_settings(acme, {"default_language": language})
    said = Reader(language, base="").text("overall.operational")

    assert fonts.can_draw(said)
    assert said.split()[0] in drawing_of(await view_of(acme))


async def test_what_no_font_has_is_said_in_english_and_by_the_address(acme: TenantContext) -> None:
    await edit_branding(acme, read_changes({"title": "ระบบ"}))
    await post(acme)

    drawing = drawing_of(await view_of(acme))

    assert "ระบบ" not in drawing
    assert drawing.count("127.0.0.1:8000/s/acme") == 2


def test_long_words_are_broken_into_lines_that_fit_and_the_rest_is_cut() -> None:
    lines = fonts.lines_of("Degraded performance: " + "Payments " * 40 + "x" * 200, 64, 900, 3)

    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert all(fonts.width(line, 64) <= 900 for line in lines)
