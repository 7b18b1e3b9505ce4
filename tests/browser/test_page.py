"""The page as people see it in a browser: every look of it, by eye's rules, by keyboard, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import another_site

pytestmark = pytest.mark.slow

Scheme = Literal["light", "dark"]

LOOKS: list[tuple[Scheme, int, str]] = [
    (scheme, width, language)
    for scheme in get_args(Scheme)
    for width in (390, 1100)
    for language in ("en", "ar")
]  # fmt: skip


@contextmanager
def opened(chromium: Browser, url: str, *, scripts: bool = True, **options: Any) -> Iterator[Page]:
    """A tab at that address. Fails if the page said anything on the console, such as a refused style or script."""
    context = chromium.new_context(java_script_enabled=scripts, **options)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(url)
    try:
        yield page
        assert said == []
    finally:
        context.close()


def addresses(chromium: Browser, shop: str) -> list[str]:
    with opened(chromium, shop) as page:
        incident = page.locator("article h3 a").first.get_attribute("href")
        component = page.locator(".component-head a").first.get_attribute("href")
    host = shop.removesuffix("/s/demo")
    return [shop, f"{host}{incident}", f"{host}{component}", f"{shop}/history", f"{shop}/embed", f"{shop}/none"]


@pytest.mark.parametrize(("scheme", "width", "language"), LOOKS)
def test_in_every_look_axe_finds_nothing_wrong_and_nothing_is_wider_than_the_window(
    chromium: Browser, shop: str, packages: Path, scheme: Scheme, width: int, language: str
) -> None:
    axe = (packages / "axe-core" / "axe.min.js").read_text()
    for url in addresses(chromium, shop):
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
        )
        page = context.new_page()
        page.goto(f"{url}?lang={language}")
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        page.evaluate(axe)
        found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        context.close()
        broken = [(rule["id"], [node["html"] for node in rule["nodes"]][:3]) for rule in found["violations"]]
        assert broken == [], url
        assert fits, url
        assert len(found["passes"]) > 15


def test_without_scripts_everything_is_there_and_times_say_utc(chromium: Browser, shop: str) -> None:
    with opened(chromium, shop, scripts=False) as page:
        assert page.locator("h1").inner_text() == "Major outage: Checkout and Payments"
        assert page.locator("article time").first.inner_text().endswith("UTC")
        assert page.get_by_text("Times are in UTC.").is_visible()
        assert not page.locator("#herald-theme").is_visible()
        page.locator(".edits summary").first.click()
        assert page.locator(".edits ins").first.is_visible()


def test_times_become_the_readers_own_and_go_back_to_utc_on_request(chromium: Browser, shop: str) -> None:
    with opened(chromium, shop, timezone_id="Asia/Tokyo") as page:
        time = page.locator("article time").first
        assert time.inner_text().endswith("GMT+9")

        page.select_option("#herald-zone", "utc")

        assert time.inner_text().endswith("UTC")


def test_a_theme_stays_chosen_on_the_next_visit(chromium: Browser, shop: str) -> None:
    with opened(chromium, shop, color_scheme="light") as page:
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.select_option("#herald-theme", "dark")
        page.reload()

        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        assert page.locator("#herald-theme").input_value() == "dark"


def test_the_keyboard_alone_reaches_the_content_the_groups_and_the_bars(chromium: Browser, shop: str) -> None:
    with opened(chromium, shop) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"

        summary = page.locator(".group > summary").first
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator(".group").first.get_attribute("open") is None
        page.keyboard.press("Enter")

        page.locator(".bars li[tabindex='0']").first.focus()
        page.keyboard.press("ArrowLeft")
        yesterday = page.evaluate("document.activeElement.textContent")
        page.keyboard.press("Home")
        assert page.evaluate("document.activeElement.textContent") != yesterday
        assert (
            page.evaluate("document.querySelectorAll('.bars')[0].querySelectorAll('[tabindex=\"0\"]').length") == 1
        )


def test_subscribing_opens_above_the_page_and_the_keyboard_alone_does_it(chromium: Browser, shop: str) -> None:
    with opened(chromium, shop) as page:
        follow = page.get_by_role("article").first.get_by_role("link", name="Get updates")
        follow.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Subscribe to updates")
        expect(dialog.get_by_label("E-mail address")).to_be_focused()
        expect(dialog.get_by_role("checkbox", name="Card payments declined at checkout")).to_be_checked()
        expect(dialog.get_by_role("checkbox", name="All updates")).not_to_be_checked()

        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(follow).to_be_focused()

        page.keyboard.press("Enter")
        expect(dialog.get_by_label("E-mail address")).to_be_focused()
        page.keyboard.type("ada@example.org")
        page.wait_for_timeout(2_100)  # a person takes longer than a script: the form wants that proved
        page.keyboard.press("Enter")

        sent = page.get_by_role("dialog", name="Look into your mailbox")
        expect(sent.get_by_text("If ada@example.org can receive our mail")).to_be_visible()
        expect(sent.get_by_role("heading")).to_be_focused()
        sent.get_by_role("button", name="Close").click()
        expect(sent).to_be_hidden()
        assert page.url == shop


def test_what_is_wrong_with_the_form_is_said_in_the_dialog_and_axe_finds_nothing(
    chromium: Browser, shop: str, packages: Path
) -> None:
    context = chromium.new_context(bypass_csp=True, viewport={"width": 390, "height": 900})
    page = context.new_page()
    page.goto(shop)
    page.get_by_role("link", name="Subscribe", exact=True).click()
    dialog = page.get_by_role("dialog", name="Subscribe to updates")
    dialog.get_by_label("E-mail address").fill("ada@example.org")
    page.keyboard.press("Enter")

    expect(dialog.get_by_role("alert")).to_be_visible()
    page.evaluate((packages / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    assert [(rule["id"], [node["html"] for node in rule["nodes"]][:3]) for rule in found["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_without_scripts_each_active_incident_leads_to_its_own_form(chromium: Browser, shop: str) -> None:
    with opened(chromium, shop, scripts=False) as page:
        page.get_by_role("article").first.get_by_role("link", name="Get updates").click()

        assert page.get_by_role("checkbox", name="Card payments declined at checkout").is_checked()


def test_news_arrive_without_a_reload_and_are_spoken(chromium: Browser, shop: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(shop)
    with page.expect_response(lambda answer: answer.url == shop):
        page.clock.run_for(30_000)

    def changed(route: Any) -> None:
        answer = route.fetch(headers={})
        route.fulfill(
            response=answer, body=answer.text().replace("Major outage: Checkout and Payments", "All is well")
        )

    page.route(shop, changed)
    page.clock.run_for(31_000)

    expect(page.locator("h1")).to_have_text("All is well")
    expect(page.locator("#news")).to_contain_text("All is well")
    context.close()


def test_animations_stop_where_the_reader_wants_no_motion(chromium: Browser, shop: str) -> None:
    with opened(chromium, shop, reduced_motion="reduce") as page:
        assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_a_visit_transfers_less_than_fifty_kilobytes(chromium: Browser, shop: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    hosts: list[str] = []
    page.on("request", lambda request: hosts.append(re.sub(r"^(https?://[^/]+).*", r"\1", request.url)))

    page.goto(shop, wait_until="networkidle")

    assert len(sizes) >= 4
    assert sum(sizes) < 50_000
    assert set(hosts) == {shop.removesuffix("/s/demo")}
    context.close()


def test_in_print_the_groups_are_open_and_the_controls_gone(chromium: Browser, shop: str) -> None:
    with opened(chromium, shop) as page:
        page.emulate_media(media="print")
        assert not page.locator(".footer").is_visible()
        assert page.locator("h1").is_visible()


def test_the_widget_shows_a_card_on_another_site_while_something_is_wrong(chromium: Browser, shop: str) -> None:
    script = f"{shop.removesuffix('/s/demo')}/static/widget.js"
    html = f'<!doctype html><title>Shop</title><script async src="{script}" data-page="{shop}"></script>'
    with another_site(html) as url, opened(chromium, url) as page:
        expect(page.get_by_role("status").get_by_role("link")).to_have_text("Card payments declined at checkout")


def test_atlassians_own_widget_reads_a_page_on_a_host_of_its_own(
    chromium: Browser, shop_at_own_host: str, packages: Path
) -> None:
    """It asks `/api/v2/summary.json` of the host, as at Statuspage."""
    script = (packages / "@statuspage" / "status-widget" / "dist" / "index.js").read_text()
    html = f'<!doctype html><title>Shop</title><statuspage-widget src="{shop_at_own_host}"></statuspage-widget>'
    with another_site(html) as url:
        page = chromium.new_page()
        page.goto(url)
        page.add_script_tag(content=f"var parcelRequire; {script}")  # it forgets to declare its own loader

        expect(page.locator("statuspage-widget")).to_contain_text("Partial System Outage")
        page.close()
