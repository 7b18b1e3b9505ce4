"""What people read on the page: through the site's front door, on both databases."""

from __future__ import annotations

import html
import re

import html5lib
import httpx2
import pytest

from server.components import create_component
from server.context import TenantContext
from server.incidents import IncidentDraft, UpdateDraft, UpdateEdit, create_incident, edit_update, post_update
from server.models import ComponentState, Incident, Severity, SeverityChange, Status
from server.tenants import edit_settings
from tests.conftest import Clock
from tests.status_site.conftest import post


def words(markup: str) -> str:
    """The text of a page as a reader without styles and scripts has it."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


async def read(site: httpx2.AsyncClient, path: str, language: str = "en") -> str:
    answer = await site.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    return answer.text


async def heading(site: httpx2.AsyncClient, path: str = "/s/acme", language: str = "en") -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", await read(site, path, language), re.S)
    assert found is not None
    return words(found[1])


async def test_the_sentence_says_that_all_is_well(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    await create_component(acme, "Payments")

    assert await heading(site) == "All systems operational"


async def test_the_sentence_names_the_worst_state_and_what_is_in_it(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    await create_component(acme, "Search", state=ComponentState.DEGRADED)
    await post(acme)

    assert await heading(site) == "Partial outage: Payments"


async def test_an_incident_that_names_no_component_is_not_hidden_behind_operational_ones(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    await create_component(acme, "Payments")
    await create_incident(acme, IncidentDraft(title="Some of you see errors"))

    assert await heading(site) == "An incident affects our service"


async def test_a_timeline_shows_every_update_newest_first(
    site: httpx2.AsyncClient, acme: TenantContext, clock: Clock
) -> None:
    incident = await post(acme)
    clock.advance(minutes=12)
    await post_update(acme, UpdateDraft(incident_id=incident.id, severity=SeverityChange.CRITICAL))
    clock.advance(minutes=8)
    await post_update(
        acme, UpdateDraft(incident_id=incident.id, message="A replica fell behind.", status=Status.IDENTIFIED)
    )

    page = words(await read(site, "/s/acme"))

    order = ["Identified Mar 14, 3:29", "A replica fell behind.", "Severity: Critical", "We are looking into it."]
    places = [page.find(text.replace("3:29", "15:29")) for text in order]
    assert -1 not in places
    assert places == sorted(places)


async def test_an_edit_shows_what_was_struck_out_and_what_was_put_in(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    incident = await post(acme, message="All cards are declined.")
    await edit_update(
        acme,
        UpdateEdit(
            incident_id=incident.id, update_id=incident.updates[0].id, message="Some cards are declined & slow."
        ),
    )

    for path in ("/s/acme", f"/s/acme/incidents/{incident.slug}"):
        page = await read(site, path)
        assert "Edited" in page
        assert "<del>All</del><ins>Some</ins> cards are declined<ins> &amp; slow</ins>." in page


async def test_a_group_with_a_problem_is_open_and_a_quiet_one_closed(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    await create_component(acme, "Mail", group="Quiet")
    await create_component(acme, "Search", group="Loud", state=ComponentState.DEGRADED)

    page = await read(site, "/s/acme")

    opened = dict(re.findall(r"<details class=\"group\"[^>]*?(open)?>\s*<summary><h3>(\w+)", page))
    assert {name: bool(state) for state, name in opened.items()} == {"Quiet": False, "Loud": True}


async def test_each_of_ninety_bars_says_its_date_state_and_minutes(
    site: httpx2.AsyncClient, acme: TenantContext, clock: Clock
) -> None:
    incident = await post(acme)
    clock.advance(minutes=42)
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))
    clock.advance(days=3)
    component = incident.affected[0].id

    page = await read(site, f"/s/acme/components/{component}")

    bars = re.findall(r"<li class=\"\w+\"><span>(.*?)</span></li>", page)
    assert len(bars) == 90
    assert bars[-4] == "Sat, Mar 14, 2026: Partial outage for 42 minutes"
    assert bars[-1] == "Tue, Mar 17, 2026: Operational"
    assert bars[0] == "Thu, Dec 18, 2025: No record"
    assert "99.03% uptime" in page
    assert "42 minutes" in words(page.split("<table>")[1])


async def test_history_shows_the_months_and_says_which_were_quiet(
    site: httpx2.AsyncClient, acme: TenantContext, clock: Clock
) -> None:
    incident = await post(acme, title="The march incident")
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))
    clock.advance(days=62)

    page = words(await read(site, "/s/acme/history"))

    assert re.search(r"May 2026 No incidents\. April 2026 No incidents\. March 2026 .*The march incident", page)


async def test_history_is_paged_by_three_months(
    site: httpx2.AsyncClient, acme: TenantContext, clock: Clock
) -> None:
    await edit_settings(acme, {"history_days": 365})
    incident = await post(acme, title="Long ago")
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))
    clock.advance(days=100)

    newest = await read(site, "/s/acme/history")
    older = re.search(r'rel="next" href="([^"]+)"', newest)
    assert older is not None

    assert "Long ago" not in newest
    assert older[1] == "/s/acme/history/2026-03"
    assert "Long ago" in await read(site, older[1])


async def test_what_is_older_than_the_tenant_keeps_leaves_the_page_without_a_change(
    site: httpx2.AsyncClient, acme: TenantContext, clock: Clock
) -> None:
    incident = await post(acme, title="Soon forgotten")
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))
    assert "Soon forgotten" in await read(site, "/s/acme")

    clock.advance(days=91)

    assert "Soon forgotten" not in await read(site, "/s/acme/history/2026-03".removesuffix("/2026-03"))
    assert "Soon forgotten" in await read(site, f"/s/acme/incidents/{incident.slug}")


async def test_a_translation_is_shown_to_its_readers_and_the_original_is_marked_for_others(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    await post(
        acme,
        message="We are on it.",
        title_translations={"de": "Kartenzahlung gestört"},
        translations={"de": "Wir sind dran."},
    )

    german, french = await read(site, "/s/acme", "de"), await read(site, "/s/acme", "fr")

    assert "Kartenzahlung gestört" in german
    assert "Wir sind dran." in german
    assert '<div class="said" lang="en" dir="auto"><p>We are on it.</p></div>' in french


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "![x](https://tracker.example/p.png)",
    '"><svg onload=alert(1)>',
    "<style>*{display:none}</style>",
    "{{ 7 * 7 }}",
)


@pytest.mark.parametrize("attack", HOSTILE)
async def test_text_from_operators_stays_text(site: httpx2.AsyncClient, acme: TenantContext, attack: str) -> None:
    component = await create_component(acme, f"C {attack}"[:200], attack, f"G {attack}"[:200])
    await edit_settings(acme, {"page_title": attack, "page_description": attack})
    incident: Incident = await create_incident(
        acme,
        IncidentDraft(title=attack, message=attack, severity=Severity.MINOR, components={component.id: None}),
    )
    await edit_update(
        acme, UpdateEdit(incident_id=incident.id, update_id=incident.updates[0].id, message=f"{attack} again")
    )
    paths = ("", f"/incidents/{incident.slug}", f"/components/{component.id}", "/history", "/embed")

    for path in paths:
        page = await read(site, f"/s/acme{path}")
        document = html5lib.parse(page, namespaceHTMLElements=False)
        assert {script.get("src", "").split("?")[0] for script in document.iter("script")} == {
            "/static/theme.js",
            "/static/herald.js",
        }
        attributes = [name for element in document.iter() for name in element.attrib]
        assert not [name for name in attributes if name.startswith("on")]
        assert not list(document.iter("img"))
        assert not list(document.iter("style"))
        assert not [a for a in document.iter("a") if a.get("href", "").lower().startswith("javascript:")]
        assert "49" not in re.findall(r"\b49\b", words(page))


@pytest.mark.parametrize("path", ["", "/history", "/embed"])
async def test_every_page_is_valid_html(site: httpx2.AsyncClient, acme: TenantContext, path: str) -> None:
    await post(acme, message="**Bold** and a [link](https://acme.example).\n\n- one\n- two")

    parser = html5lib.HTMLParser(strict=True)  # raises for the first parse error

    parser.parse(await read(site, f"/s/acme{path}"))


@pytest.mark.parametrize(
    "path", ["/s/nobody", "/s/acme/nothing", "/s/acme/incidents/none", "/s/acme/history/1999-01"]
)
async def test_what_does_not_exist_says_so_in_the_readers_language(
    site: httpx2.AsyncClient, acme: TenantContext, path: str
) -> None:
    answer = await site.get(path, headers={"Accept-Language": "de"})

    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"
    assert '<html lang="de"' in answer.text


async def test_a_tenant_never_shows_anothers_incident(
    site: httpx2.AsyncClient, acme: TenantContext, globex: TenantContext
) -> None:
    secret = await post(globex, title="Only for globex")
    component = secret.affected[0].id
    for path in ("", "/history", "/status.md", "/history.atom", "/api/v2/incidents.json"):
        assert "Only for globex" not in await read(site, f"/s/acme{path}")
    for path in (f"/incidents/{secret.slug}", f"/components/{component}"):
        assert (await site.get(f"/s/acme{path}")).status_code == 404
