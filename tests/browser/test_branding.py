"""A branded page in a browser: readable in every look, its logo seen on light and dark, its colour on no state."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.test_page import LOOKS, Scheme, opened

pytestmark = pytest.mark.slow

PLATE = {"light": "rgba(0, 0, 0, 0)", "dark": "rgb(251, 250, 247)"}
BRAND = {"light": "rgb(137, 114, 0)", "dark": "rgb(255, 212, 0)"}


@pytest.fixture
def branded(shop: str) -> str:
    return shop.replace("/s/demo", "/s/branded")


@pytest.mark.parametrize(("scheme", "width", "language"), LOOKS)
def test_in_every_look_axe_finds_nothing_wrong_with_a_branded_page(
    chromium: Browser, branded: str, packages: Path, scheme: Scheme, width: int, language: str
) -> None:
    axe = (packages / "axe-core" / "axe.min.js").read_text()
    for url in (branded, f"{branded}/history", f"{branded}/subscribe", f"{branded}/embed"):
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
        )
        page = context.new_page()
        page.goto(f"{url}?lang={language}")
        page.evaluate(axe)
        found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        context.close()
        broken = [(rule["id"], [node["html"] for node in rule["nodes"]][:3]) for rule in found["violations"]]
        assert broken == [], url
        assert fits, url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_logo_is_seen_and_the_colour_marks_the_page_but_no_state(
    chromium: Browser, shop: str, branded: str, scheme: Scheme
) -> None:
    state = "getComputedStyle(document.querySelector('.overall .icon')).color"
    edge = "getComputedStyle(document.documentElement).borderTopColor"
    with opened(chromium, branded, color_scheme=scheme) as page:
        logo = page.locator(".brand img")
        assert logo.evaluate("one => one.complete && one.naturalWidth > 0")
        assert logo.get_attribute("alt") == "Lumen Cloud"
        assert logo.evaluate("one => getComputedStyle(one).backgroundColor") == PLATE[scheme]
        assert page.evaluate(edge) == BRAND[scheme]
        degraded = page.evaluate(state)
    with opened(chromium, shop, color_scheme=scheme) as page:
        page.evaluate("document.querySelector('.overall').className = 'overall degraded'")
        assert page.evaluate(state) == degraded
        assert page.evaluate(edge) != BRAND[scheme]


def test_a_branded_visit_stays_small(chromium: Browser, branded: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))

    page.goto(branded, wait_until="networkidle")

    assert sum(sizes) < 50_000
    context.close()
