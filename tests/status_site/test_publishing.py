"""Pages from memory: made once for many, made anew when something changed, kept when the database is away."""

from __future__ import annotations

import gzip

import anyio
import brotli
import httpx2
import pytest

from server.components import create_component
from server.context import App, TenantContext
from server.errors import Unavailable
from server.incidents import UpdateDraft, post_update
from server.models import ComponentState, Status
from server.store.database import Database
from status_site import publishing, routes
from status_site.app import create_site
from status_site.documents import accepted
from status_site.view import View
from tests.conftest import Clock
from tests.status_site.conftest import browser, post


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the documents that were made, in order."""
    paths: list[str] = []
    make = routes.make

    async def counted(view: View) -> object:
        paths.append(view.path)
        return await make(view)

    monkeypatch.setattr(routes, "make", counted)
    return paths


async def test_many_who_ask_at_once_get_one_rendering(
    site: httpx2.AsyncClient, acme: TenantContext, made: list[str]
) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(site.get, "/s/acme")

    assert made == [""]


async def test_a_publication_is_on_the_very_next_answer(
    site: httpx2.AsyncClient, acme: TenantContext, made: list[str]
) -> None:
    await site.get("/s/acme")
    incident = await post(acme)
    assert "Card payments fail" in (await site.get("/s/acme")).text

    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))

    assert "All systems operational" in (await site.get("/s/acme")).text
    assert len(made) == 3


async def test_a_new_minute_moves_the_time_that_the_page_is_true_for(
    site: httpx2.AsyncClient, acme: TenantContext, clock: Clock, made: list[str]
) -> None:
    await site.get("/s/acme")
    clock.advance(seconds=20)
    await site.get("/s/acme")
    clock.advance(seconds=60)
    await site.get("/s/acme")

    assert len(made) == 2


async def test_what_a_browser_has_is_not_sent_again(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    first = await site.get("/s/acme", headers={"Accept-Encoding": "br"})
    etag = first.headers["ETag"]

    again = await site.get("/s/acme", headers={"If-None-Match": f'"other", W/{etag}'})

    assert again.status_code == 304
    assert again.content == b""
    assert "Content-Length" not in again.headers
    await create_component(acme, "Payments", state=ComponentState.DEGRADED)
    assert (await site.get("/s/acme", headers={"If-None-Match": etag})).status_code == 200


async def test_each_encoding_holds_the_same_bytes_under_an_etag_of_its_own(app: App, acme: TenantContext) -> None:
    sent: dict[str, tuple[dict[str, str], bytes]] = {}
    for wanted in ("identity", "gzip", "br"):
        async with (
            browser(create_site(app)) as client,
            client.stream("GET", "/s/acme", headers={"Accept-Encoding": wanted}) as answer,
        ):
            sent[wanted] = dict(answer.headers), b"".join([part async for part in answer.aiter_raw()])

    plain = sent["identity"][1]
    assert gzip.decompress(sent["gzip"][1]) == plain
    assert brotli.decompress(sent["br"][1]) == plain
    assert len({headers["etag"] for headers, _ in sent.values()}) == 3
    assert {headers.get("content-encoding") for headers, _ in sent.values()} == {None, "gzip", "br"}


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (b"", ("identity",)),
        (b"gzip, deflate, br, zstd", ("br", "gzip", "identity")),
        (b"gzip;q=1.0, br;q=0", ("gzip", "identity")),
        (b"GZIP", ("gzip", "identity")),
        (b"br;q=0.000", ("identity",)),
    ],
)
def test_only_an_encoding_that_was_allowed_is_sent(header: bytes, chosen: tuple[str, ...]) -> None:
    assert accepted(header) == chosen


async def test_a_head_request_has_the_headers_and_no_body(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    answer = await site.head("/s/acme")

    assert answer.status_code == 200
    assert answer.content == b""
    assert int(answer.headers["Content-Length"]) > 1000


async def test_while_the_database_is_away_the_last_page_is_served_and_later_says_its_age(
    app: App, acme: TenantContext, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post(acme)
    async with browser(create_site(app)) as site:
        before = await site.get("/s/acme")
        monkeypatch.setattr(Database, "read", _away)

        clock.advance(minutes=10)
        after = await site.get("/s/acme")

    assert "could not be refreshed" not in before.text
    assert after.status_code == 200
    assert "Card payments fail" in after.text
    assert "This page could not be refreshed since" in after.text


async def test_a_page_that_was_never_made_says_that_it_cannot_be_now(
    app: App, acme: TenantContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "read", _away)
    async with browser(create_site(app)) as site:
        answer = await site.get("/s/acme/incidents/unknown")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


async def test_memory_is_bounded_and_what_was_dropped_is_made_again(
    app: App, acme: TenantContext, globex: TenantContext, made: list[str]
) -> None:
    site = publishing.Published(app, create_site(app), max_bytes=1)
    async with browser(site) as client:
        for _ in range(2):
            for tenant in ("acme", "globex"):
                assert (await client.get(f"/s/{tenant}/history")).status_code == 200

    assert len(made) == 4


async def test_a_forwarded_host_changes_nothing_in_the_page(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    answer = await site.get(
        "/s/acme", headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    )

    assert answer.status_code == 200
    assert "evil.example" not in answer.text


async def test_public_pages_set_no_cookie_and_carry_the_security_headers(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    for path in ("/s/acme", "/s/acme/api/v2/summary.json", "/s/acme/none", "/healthz"):
        headers = (await site.get(path)).headers
        assert "Set-Cookie" not in headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "unsafe-inline" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors *" in (await site.get("/s/acme/embed")).headers["Content-Security-Policy"]


async def test_static_files_are_kept_for_good_under_their_hash(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    page = (await site.get("/s/acme")).text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]

    hashed, plain = await site.get(address), await site.get(address.split("?")[0])

    assert hashed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert plain.headers["Cache-Control"] == "public, max-age=300"
    assert (await site.get("/static/../app.py")).status_code == 404


def _away(*_: object) -> object:
    raise Unavailable("the database is away")
