"""The demo's mailbox: everybody's mail to look at, and therefore nowhere but in the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from server.config import Settings
from server.context import App
from server.demo import demo_keys
from server.inference import Inference
from server.models import Ground, Topic, TopicKind
from server.notifications import Worker
from server.opening import open_app
from server.subscriptions import SignupDraft, ask
from server.tenants import TenantDraft, context_of, create_tenant
from status_site.app import create_site
from tests.conftest import Clock, real_matcher


async def answers(app: App, *paths: str) -> list[httpx2.Response]:
    """What the site says, once the mail that waits was sent."""
    tenant = await context_of(app, "acme")
    draft = SignupDraft(address="anna@example.com", topics=(Topic(kind=TopicKind.ALL),))
    await ask(tenant, draft, Ground(source="page"))
    await Worker(app).run_until_idle()
    transport = httpx2.ASGITransport(app=cast(Any, create_site(app)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as browser:
        return [await browser.get(path) for path in paths]


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=sqlite_url, mail_dir=tmp_path / "mail")


async def test_the_demo_shows_the_mail_that_it_would_have_sent(settings: Settings, clock: Clock) -> None:
    async with open_app(settings, clock, demo_keys("ten_demo"), Inference(real_matcher)) as app:
        await create_tenant(app, TenantDraft(slug="acme", name="Acme"))
        (listed,) = await answers(app, "/demo/mail")
        name = listed.text.split('<a href="/demo/mail/')[1].split('"')[0]
        shown, source = await answers(app, f"/demo/mail/{name}", f"/demo/mail/{name}?raw")

    assert "Confirm your subscription to Acme</a> to anna@example.com" in listed.text
    assert "/s/acme/confirm/" in shown.text
    assert "script-src" not in shown.headers["content-security-policy"]
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in source.text


async def test_nothing_else_shows_it(settings: Settings, clock: Clock) -> None:
    async with open_app(settings, clock, None, Inference(real_matcher)) as app:
        await create_tenant(app, TenantDraft(slug="acme", name="Acme"))
        (listed,) = await answers(app, "/demo/mail")

    assert listed.status_code == 404
    assert "anna@example.com" not in listed.text
