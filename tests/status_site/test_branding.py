"""A page in its tenant's own colours: set over HTTP by its owner, shown at once, and never another's."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as Xml

import httpx2
import pytest

from server.branding import brand_of, clear_branding, edit_branding, read_changes, set_picture
from server.context import TenantContext
from server.models import Scope
from server.pictures import MAX_UPLOAD_BYTES, PictureRole
from tests.server.test_pictures import lettering
from tests.status_site.conftest import post
from tests.status_site.test_sidekick import bearer

API = "/api/v1/branding"
OWN_FILES = re.compile(r"/brand/(logo|favicon|colours)-")
HOSTILE = '"><script>alert(1)</script>'


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match[1]


async def test_an_owner_puts_a_logo_on_the_page_and_takes_it_off_again(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    owner = await bearer(acme, Scope.ADMIN)

    told = await site.put(f"{API}/logo", content=lettering("#111111"), headers=owner)
    page = (await site.get("/s/acme")).text
    address = found(r'<img src="([^"]+)" alt="Acme" width="240" height="64" class="plate-in-dark">', page)
    shown = await site.get(address)
    read = await site.get(f"{API}/logo", headers=owner)
    gone = await site.delete(f"{API}/logo", headers=owner)

    assert told.json()["logo_url"] == f"http://127.0.0.1:8000{address}"
    assert shown.headers["Content-Type"] == "image/png"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert shown.content == read.content
    assert gone.json()["logo"] is None
    assert "<img" not in (await site.get("/s/acme")).text
    assert (await site.get(f"{API}/logo", headers=owner)).status_code == 404


async def test_the_address_without_a_digest_shows_the_logo_of_now_and_an_old_one_nothing(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    old = await set_picture(acme, PictureRole.LOGO, lettering("#111111"))
    new = await set_picture(acme, PictureRole.LOGO, lettering("#ffffff"))
    assert old.logo_url is not None
    assert new.logo_url is not None

    shown, current = await site.get("/s/acme/brand/logo.png"), await site.get(new.logo_url)

    assert shown.content == current.content
    assert shown.headers["Cache-Control"] == "public, max-age=300"
    assert (await site.get(old.logo_url)).status_code == 404


async def test_the_colour_reaches_the_page_as_a_sheet_that_no_state_follows(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    owner = await bearer(acme, Scope.ADMIN)

    await site.patch(API, json={"colour": "#FC0"}, headers=owner)
    page = await site.get("/s/acme")
    sheet = await site.get(found(r'href="(/s/acme/brand/colours-[0-9a-f]{16}\.css)"', page.text))

    assert (
        sheet.text
        == ":root { --brand: light-dark(#8c7000, #ffcc00); --on-brand: light-dark(#ffffff, #000000); }\n"
    )
    assert sheet.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in sheet.headers["Cache-Control"]
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    assert "style=" not in page.text


async def test_a_page_without_branding_has_no_sheet_and_our_icon(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    page = (await site.get("/s/acme")).text

    assert not OWN_FILES.search(page)
    assert "/static/icon.svg" in page
    assert (await site.get("/s/acme/brand/logo-0123456789abcdef.png")).status_code == 404
    assert (await site.get("/s/acme/brand/colours-0123456789abcdef.css")).status_code == 404


async def test_words_and_links_are_shown_and_escaped(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    await edit_branding(
        acme,
        read_changes(
            {
                "title": HOSTILE,
                "description": HOSTILE,
                "home_url": "https://www.acme.example/?a=1&b=2",
                "support_url": "mailto:help@acme.example",
            }
        ),
    )
    await set_picture(acme, PictureRole.LOGO, lettering("#111111"))

    for path in ("/s/acme", "/s/acme/history", "/s/acme/subscribe", "/s/acme/embed"):
        page = (await site.get(path)).text
        assert "<script>alert" not in page, path
    page = (await site.get("/s/acme")).text
    assert '<a href="https://www.acme.example/?a=1&amp;b=2" dir="ltr">acme.example</a>' in page
    assert '<a href="mailto:help@acme.example">Support</a>' in page


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("colour", "red", "colour: write the colour as #rrggbb"),
        ("colour", "#fff;}*{display:none", "colour: write the colour"),
        ("home_url", "javascript:alert(1)", "home_url:"),
        ("home_url", "http://acme.example", "home_url: give an address that starts with https://"),
        ("home_url", "https://user:secret@acme.example", "home_url: give an address that starts with https://"),
        ("support_url", "mailto:help@acme.example?bcc=all@acme.example", "support_url:"),
        ("support_url", "data:text/html,hello", "support_url:"),
        ("title", "two\nlines", "title: write it on one line"),
        ("title", "", "title:"),
        ("colours", "#fff", "colours:"),
    ],
)
async def test_what_cannot_be_is_refused_by_name_and_changes_nothing(
    site: httpx2.AsyncClient, acme: TenantContext, field: str, value: str, said: str
) -> None:
    owner = await bearer(acme, Scope.ADMIN)
    before = (await site.get(API, headers=owner)).json()

    answer = await site.patch(API, json={"description": "New", field: value}, headers=owner)

    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert (await site.get(API, headers=owner)).json() == before


async def test_null_takes_a_word_back_and_what_is_left_out_stays(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    owner = await bearer(acme, Scope.ADMIN)
    await site.patch(API, json={"title": "Acme Cloud", "colour": "#c00"}, headers=owner)

    told = (await site.patch(API, json={"title": None}, headers=owner)).json()

    assert (told["title"], told["colour"]) == (None, "#cc0000")


async def test_only_an_owner_is_let_in_and_only_small_pictures(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    owner, operator = await bearer(acme, Scope.ADMIN), await bearer(acme, Scope.OPERATOR)
    large = b"\x89PNG" + b"\0" * MAX_UPLOAD_BYTES

    assert (await site.get(API)).status_code == 401
    assert (await site.get(API, headers=operator)).status_code == 403
    assert (await site.put(f"{API}/logo", content=lettering("red"), headers=operator)).status_code == 403
    assert (await site.put(f"{API}/banner", content=lettering("red"), headers=owner)).status_code in (400, 404)
    assert (await site.put(f"{API}/logo", content=large, headers=owner)).status_code == 413
    assert (await site.put(f"{API}/logo", content=b"<html>", headers=owner)).status_code == 400


async def test_a_tenant_never_shows_or_changes_the_branding_of_another(
    site: httpx2.AsyncClient, acme: TenantContext, globex: TenantContext
) -> None:
    told = await set_picture(globex, PictureRole.LOGO, lettering("#123456"))
    await edit_branding(globex, read_changes({"colour": "#00ff00", "title": "Only for globex"}))
    assert told.logo is not None

    page = (await site.get("/s/acme")).text
    answer = await site.get(f"/s/acme/brand/logo-{told.logo.digest}.png")
    seen = (await site.get(API, headers=await bearer(acme, Scope.ADMIN))).json()

    assert not OWN_FILES.search(page)
    assert answer.status_code == 404
    assert (seen["logo"], seen["colour"], seen["title"]) == (None, None, None)


async def test_feeds_carry_the_pictures(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    await post(acme)
    told = await set_picture(acme, PictureRole.LOGO, lettering("#111111"))
    await set_picture(acme, PictureRole.FAVICON, lettering("#111111"))

    atom = Xml.fromstring((await site.get("/s/acme/history.atom")).content)
    rss = Xml.fromstring((await site.get("/s/acme/history.rss")).content)
    feed = json.loads((await site.get("/s/acme/feed.json")).content)

    assert atom.findtext("{http://www.w3.org/2005/Atom}logo") == told.logo_url
    assert rss.findtext("channel/image/url") == told.logo_url
    assert feed["icon"] == told.logo_url
    assert "/brand/favicon-" in feed["favicon"]


async def test_the_favicon_is_linked_and_everything_can_be_cleared_at_once(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    await set_picture(acme, PictureRole.FAVICON, lettering("#111111"))
    page = (await site.get("/s/acme/subscribe")).text
    assert '<link rel="icon" type="image/png" sizes="180x180" href="/s/acme/brand/favicon-' in page

    await clear_branding(acme)

    assert not OWN_FILES.search((await site.get("/s/acme")).text)


async def test_a_mail_gets_absolute_addresses_and_readable_colours(acme: TenantContext) -> None:
    await set_picture(acme, PictureRole.LOGO, lettering("#111111"))
    await edit_branding(acme, read_changes({"colour": "#fc0"}))

    brand = brand_of(acme.app.settings, await acme.app.snapshots.get(acme.id))

    assert brand.logo_url == "http://127.0.0.1:8000/s/acme/brand/logo.png"
    assert (brand.palette.light.colour, brand.palette.light.ink) == ("#8c7000", "#ffffff")
