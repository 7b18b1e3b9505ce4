"""The demo's support inbox in a browser: a customer writes, the card appears, and two clicks do the rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, FrameLocator, Page, expect

from server import demo
from server.asgi import Herald
from server.config import Settings
from server.context import TenantContext
from server.incidents import UpdateDraft, post_update
from server.models import Status
from server.opening import open_app
from tests.browser.conftest import READY_SECONDS
from tests.served import free_port

pytestmark = pytest.mark.slow

DECLINED = {
    "en": "my card is declined at checkout",
    "es": "mi tarjeta es rechazada al pagar en la tienda",
    "de": "Meine Karte wird an der Kasse abgelehnt",
    "fr": "ma carte est refusée au moment du paiement",
    "ja": "支払いのときにカードが拒否されます",
}
MODEL_MS = 60_000  # the first card waits until the model is loaded


@dataclass
class Desk:
    """The demo, served from a thread of this process."""

    url: str
    tenant: TenantContext
    loop: asyncio.AbstractEventLoop

    def resolve(self) -> None:
        """Resolve the incident about cards, as its operator would meanwhile."""
        asyncio.run_coroutine_threadsafe(self._resolve(), self.loop).result(READY_SECONDS)

    async def _resolve(self) -> None:
        snapshot = await self.tenant.app.snapshots.get(self.tenant.id)
        cards = next(one for one in snapshot.active if "Card payments" in one.title)
        await post_update(self.tenant, UpdateDraft(incident_id=cards.id, status=Status.RESOLVED))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    port, started = free_port(), threading.Event()
    settings = Settings(database_url=f"sqlite:///{folder / 'desk.db'}", port=port, mail_dir=folder / "mail")
    found: list[tuple[uvicorn.Server, Desk]] = []

    async def serve() -> None:
        async with open_app(settings) as app:
            keys = demo.demo_keys((await demo.demo_tenant(app)).id)
        async with open_app(settings, fixed_keys=keys) as app:
            application: Any = Herald(app)
            server = uvicorn.Server(uvicorn.Config(application, port=port, log_config=None))
            tenant = await demo.demo_tenant(app)
            found.append((server, Desk(f"http://127.0.0.1:{port}", tenant, asyncio.get_running_loop())))
            running = asyncio.create_task(server.serve())
            while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            started.set()
            await running

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(READY_SECONDS)
        yield found[0][1]
    finally:
        for server, _ in found:
            server.should_exit = True
        thread.join(READY_SECONDS)


@contextmanager
def inbox(chromium: Browser, desk: Desk, **look: Any) -> Iterator[tuple[Page, FrameLocator]]:
    """A tab with the inbox, and the panel in it. Fails if a script failed or something was refused."""
    context = chromium.new_context(**look)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{desk.url}/demo/inbox")
    try:
        yield page, page.frame_locator("iframe")
        assert said == []
    finally:
        context.close()


@pytest.mark.parametrize("language", DECLINED)
def test_what_a_customer_writes_brings_the_card_and_a_reply_in_their_language(
    chromium: Browser, desk: Desk, language: str
) -> None:
    with inbox(chromium, desk) as (page, panel):
        page.get_by_label("What the customer writes").fill(DECLINED[language])

        expect(panel.locator("#title")).to_have_text("Card payments declined at checkout", timeout=MODEL_MS)
        panel.get_by_role("button", name="Insert reply").click()
        expect(page.get_by_label("Your reply")).to_have_attribute("lang", language)
        expect(page.get_by_label("Your reply")).not_to_be_empty()


def test_link_and_subscribe_is_one_click_and_a_mail_goes_out(chromium: Browser, desk: Desk) -> None:
    with inbox(chromium, desk) as (page, panel):
        page.get_by_label("What the customer writes").fill(DECLINED["en"])
        page.get_by_label("The customer's address").fill("linked@customer.example")
        panel.get_by_role("button", name="Link & subscribe").click(timeout=MODEL_MS)

        expect(panel.locator("#confidence")).to_have_text("Linked, customer subscribed")
        page.get_by_label("What the customer writes").fill("thank you")
        expect(panel.locator("#confidence")).to_have_text("Linked, customer subscribed")

        mailbox = page.context.new_page()
        for _ in range(READY_SECONDS):  # the worker sends it in its next round
            mailbox.goto(f"{desk.url}/demo/mail")
            if mailbox.get_by_text("linked@customer.example").count():
                break
            mailbox.wait_for_timeout(1000)
        expect(mailbox.get_by_text("linked@customer.example").first).to_be_visible()


def test_a_dismissed_card_stays_away_until_the_next_conversation(chromium: Browser, desk: Desk) -> None:
    with inbox(chromium, desk) as (page, panel):
        page.get_by_label("What the customer writes").fill(DECLINED["en"])
        panel.get_by_role("button", name="Not this one").click(timeout=MODEL_MS)
        expect(panel.locator("#card")).to_be_hidden()

        with page.expect_response("**/sidekick/v1/match"):
            page.get_by_label("What the customer writes").fill(f"{DECLINED['en']}, again and again")
        expect(panel.locator("#card")).to_be_hidden()

        page.get_by_role("button", name="Next conversation").click()
        page.get_by_label("What the customer writes").fill(DECLINED["en"])
        expect(panel.locator("#card")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_narrow_screen(chromium: Browser, desk: Desk, scheme: str) -> None:
    narrow = {"width": 320, "height": 800}
    with inbox(chromium, desk, color_scheme=scheme, viewport=narrow) as (page, panel):
        page.get_by_label("What the customer writes").fill(DECLINED["en"])
        expect(panel.locator("#card")).to_be_visible(timeout=MODEL_MS)

        for frame in page.frames:
            root = frame.locator(":root")
            assert root.evaluate("root => root.scrollWidth <= root.clientWidth")


def test_a_resolved_incident_takes_its_card_away_by_itself(chromium: Browser, desk: Desk) -> None:
    """The last test of the module: the incident is over afterwards."""
    with inbox(chromium, desk) as (page, panel):
        page.get_by_label("What the customer writes").fill(DECLINED["en"])
        expect(panel.locator("#card")).to_be_visible(timeout=MODEL_MS)

        desk.resolve()

        expect(panel.locator("#card")).to_be_hidden()
