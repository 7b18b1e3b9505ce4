"""Subscribing through the page, as a browser without scripts, a mail provider and a link scanner do it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2
import pytest
import sqlalchemy as sa

from server.components import create_component
from server.context import App, TenantContext
from server.incidents import IncidentDraft, create_incident
from server.models import Ground, Topic, TopicKind
from server.store import deliveries, subscribers
from server.store.schema import signups
from server.subscriptions import (
    SignupDraft,
    ask,
    confirm,
    find_signup,
    leave_token,
    manage_token,
    subscribe_url,
)
from status_site.app import create_site
from tests.conftest import Clock
from tests.server.test_subscriptions import mailed_token

ANNA = "anna@example.com"
ALL = Topic(kind=TopicKind.ALL)


@pytest.fixture
async def browser(app: App) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=cast(Any, create_site(app)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def subscriber_of(tenant: TenantContext, address: str = ANNA, *topics: Topic) -> str:
    await ask(tenant, SignupDraft(address=address, topics=topics or (ALL,)), Ground(source="t"))
    return (await confirm(tenant, await mailed_token(tenant))).id


def fields(html: str) -> dict[str, Any]:
    """What a browser would send of the first form, unchanged."""
    form = html.split("<form", 1)[1].split("</form>")[0]
    found: dict[str, Any] = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    found["topic"] = re.findall(r'name="topic" value="([^"]+)" checked', form)
    found["language"] = re.findall(r'<option value="([^"]+)"[^>]* selected', form)[0]
    return found


async def heard(tenant: TenantContext) -> int:
    async with tenant.read() as db:
        return await subscribers.count(db, tenant.id)


async def asked_for(tenant: TenantContext) -> int:
    async with tenant.read() as db:
        return len(await deliveries.states_of_signups(db, tenant.id))


async def test_from_the_form_to_the_button_in_the_mail(
    acme: TenantContext, browser: httpx2.AsyncClient, clock: Clock
) -> None:
    form = await browser.get("/s/acme/subscribe")
    clock.advance(seconds=5)
    sent = await browser.post("/s/acme/subscribe", data=fields(form.text) | {"address": ANNA})
    link = f"/s/acme/confirm/{await mailed_token(acme)}"
    shown = await browser.get(link)

    assert (sent.status_code, await heard(acme)) == (202, 0)
    assert ANNA in shown.text
    assert "All updates" in shown.text

    confirmed = await browser.post(link)

    assert "You are subscribed" in confirmed.text
    assert await heard(acme) == 1


async def test_the_link_of_an_offer_has_its_incident_chosen(
    acme: TenantContext, browser: httpx2.AsyncClient, clock: Clock
) -> None:
    await create_incident(acme, IncidentDraft(title="Search is slow"))
    incident = await create_incident(acme, IncidentDraft(title="Payments fail"))
    url = (await subscribe_url(acme, incident)).removeprefix(acme.app.settings.base_url)

    form = fields((await browser.get(url)).text)
    clock.advance(seconds=5)
    await browser.post("/s/acme/subscribe", data=form | {"address": ANNA})

    assert form["topic"] == [f"incident:{incident.id}"]
    signup = await find_signup(acme, await mailed_token(acme))
    assert signup.ground.source == "status_check"


async def test_the_answer_is_the_same_for_every_address(
    acme: TenantContext, browser: httpx2.AsyncClient, clock: Clock
) -> None:
    await subscriber_of(acme, "known@example.com")
    await ask(acme, SignupDraft(address="shy@example.com", topics=(ALL,)), Ground(source="t"))
    async with acme.read() as db:
        shy = (
            await db.execute(sa.select(signups.c.id).where(signups.c.address == "shy@example.com"))
        ).scalar_one()
    await browser.post(f"/s/acme/unsubscribe/{leave_token(acme.app, acme.id, shy)}")
    form = fields((await browser.get("/s/acme/subscribe")).text)
    clock.advance(seconds=5)

    answers = {}
    for address in ("new@example.com", "known@example.com", "shy@example.com"):
        answer = await browser.post("/s/acme/subscribe", data=form | {"address": address})
        answers[answer.status_code, answer.text.replace(address, "…")] = address

    assert len(answers) == 1


@pytest.mark.parametrize(
    ("change", "wait", "status"),
    [
        ({"website": "https://spam.example"}, 5, 202),
        ({}, 1, 409),
        ({}, 90_000, 409),
        ({"shown": "2026-03-14T15:09:26+00:00 x"}, 5, 409),
        ({"topic": []}, 5, 400),
        ({"topic": ["everything"]}, 5, 400),
        ({"address": "nobody"}, 5, 400),
        ({"address": "a@example.com\r\nBcc: b@example.com"}, 5, 400),
    ],
)
async def test_scripts_and_mistakes_send_no_mail(
    acme: TenantContext,
    browser: httpx2.AsyncClient,
    clock: Clock,
    change: dict[str, Any],
    wait: int,
    status: int,
) -> None:
    form = fields((await browser.get("/s/acme/subscribe")).text) | {"address": ANNA}
    clock.advance(seconds=wait)

    answer = await browser.post("/s/acme/subscribe", data=form | change)

    assert answer.status_code == status
    assert await asked_for(acme) == 0


async def test_one_network_may_ask_five_times_a_minute(
    acme: TenantContext, browser: httpx2.AsyncClient, clock: Clock
) -> None:
    form = fields((await browser.get("/s/acme/subscribe")).text)
    clock.advance(seconds=5)

    answers = [
        (await browser.post("/s/acme/subscribe", data=form | {"address": f"p{number}@example.com"})).status_code
        for number in range(7)
    ]

    assert answers == [202] * 5 + [429] * 2
    assert await asked_for(acme) == 5


async def test_fetching_every_link_changes_nothing(acme: TenantContext, browser: httpx2.AsyncClient) -> None:
    subscriber_id = await subscriber_of(acme)
    await ask(acme, SignupDraft(address="ben@example.com", topics=(ALL,)), Ground(source="t"))
    token = await mailed_token(acme)
    async with acme.read() as db:
        signup_id = (await db.execute(sa.select(signups.c.id).order_by(signups.c.id.desc()).limit(1))).scalar_one()
    links = [
        f"/s/acme/confirm/{token}",
        f"/s/acme/unsubscribe/{leave_token(acme.app, acme.id, signup_id)}",
        f"/s/acme/unsubscribe/{leave_token(acme.app, acme.id, subscriber_id)}",
        f"/s/acme/manage/{manage_token(acme.app, acme.id, subscriber_id)}",
    ]

    for link in links:
        assert (await browser.get(link)).status_code == 200
        await browser.head(link)
        await browser.request("OPTIONS", link)

    assert await heard(acme) == 1
    assert await asked_for(acme) == 2
    assert (await find_signup(acme, token)).confirmed_at is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (
            b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (b"", "text/plain"),
    ],
)
async def test_a_bare_post_unsubscribes_without_a_cookie_or_a_question(
    acme: TenantContext, browser: httpx2.AsyncClient, body: bytes, kind: str
) -> None:
    subscriber_id = await subscriber_of(acme)
    link = f"/s/acme/unsubscribe/{leave_token(acme.app, acme.id, subscriber_id)}"

    first = await browser.post(
        link, content=body, headers={"Content-Type": kind, "Origin": "https://mail.example"}
    )
    second = await browser.post(link, content=body, headers={"Content-Type": kind})

    assert (first.status_code, second.status_code) == (200, 200)
    assert "set-cookie" not in first.headers
    assert await heard(acme) == 0


async def test_the_manage_page_shows_and_changes_what_someone_gets(
    acme: TenantContext, browser: httpx2.AsyncClient
) -> None:
    component = await create_component(acme, "Payments")
    subscriber_id = await subscriber_of(acme)
    link = f"/s/acme/manage/{manage_token(acme.app, acme.id, subscriber_id)}"
    before = fields((await browser.get(link)).text)

    saved = await browser.post(
        link, data={"topic": [f"component:{component.id}"], "language": "en", "time_zone": "Europe/Berlin"}
    )

    assert before["topic"] == ["all"]
    assert fields(saved.text)["topic"] == [f"component:{component.id}"]
    assert "<option selected>Europe/Berlin</option>" in saved.text


async def test_links_of_another_tenant_open_nothing(
    acme: TenantContext, globex: TenantContext, browser: httpx2.AsyncClient
) -> None:
    subscriber_id = await subscriber_of(acme)
    await ask(acme, SignupDraft(address="ben@example.com", topics=(ALL,)), Ground(source="t"))
    token = await mailed_token(acme)

    for path in (
        f"confirm/{token}",
        f"manage/{manage_token(acme.app, acme.id, subscriber_id)}",
        f"unsubscribe/{leave_token(acme.app, acme.id, subscriber_id)}",
    ):
        assert (await browser.get(f"/s/globex/{path}")).status_code == 404
        await browser.post(f"/s/globex/{path}")

    assert await heard(acme) == 1


async def test_what_people_typed_is_shown_as_text(
    acme: TenantContext, browser: httpx2.AsyncClient, clock: Clock
) -> None:
    await create_incident(acme, IncidentDraft(title="<script>alert(1)</script>"))
    form = await browser.get("/s/acme/subscribe")
    clock.advance(seconds=5)
    answer = await browser.post(
        "/s/acme/subscribe", data=fields(form.text) | {"address": '"><script>alert(2)</script>'}
    )

    assert "<script>alert" not in form.text + answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
