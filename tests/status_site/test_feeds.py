"""What programs read: feeds that parse, a calendar, a badge, and the page as text."""

from __future__ import annotations

import json
from datetime import timedelta
from xml.etree import ElementTree as Xml

import httpx2
from icalendar import Calendar

from server.context import TenantContext
from server.incidents import UpdateDraft, post_update
from server.models import Status
from tests.conftest import Clock
from tests.status_site.conftest import post

ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = '<b>Cards</b> & ]]> "fail"'


async def test_atom_has_an_entry_per_incident_that_moves_with_its_updates(
    site: httpx2.AsyncClient, acme: TenantContext, clock: Clock
) -> None:
    incident = await post(acme, title=HOSTILE, message="**Bold** <script>alert(1)</script>")
    clock.advance(minutes=5)
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))

    answer = await site.get("/s/acme/history.atom")
    feed = Xml.fromstring(answer.content)

    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert [entry.findtext(f"{ATOM}title") for entry in feed.iter(f"{ATOM}entry")] == [HOSTILE]
    assert feed.findtext(f"{ATOM}entry/{ATOM}updated") == "2026-03-14T15:14:26+00:00"
    assert feed.findtext(f"{ATOM}entry/{ATOM}published") == "2026-03-14T15:09:26+00:00"
    content = feed.findtext(f"{ATOM}entry/{ATOM}content") or ""
    assert "<strong>Bold</strong> &lt;script&gt;" in content
    for required in ("id", "title", "updated"):
        assert feed.findtext(f"{ATOM}{required}")


async def test_rss_has_what_readers_require(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    incident = await post(acme, title=HOSTILE)

    channel = Xml.fromstring((await site.get("/s/acme/history.rss")).content).find("channel")
    assert channel is not None

    assert [channel.findtext(name) is not None for name in ("title", "link", "description")] == [True] * 3
    assert channel.findtext("item/title") == HOSTILE
    assert channel.findtext("item/guid", "").endswith(f"/s/acme/incidents/{incident.slug}")
    assert channel.findtext("item/pubDate") == "Sat, 14 Mar 2026 15:09:26 +0000"


async def test_the_json_feed_has_what_its_version_requires(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    incident = await post(acme)

    answer = await site.get("/s/acme/feed.json")
    feed = json.loads(answer.content)

    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"] == "Acme: incidents"
    (item,) = feed["items"]
    assert item["id"] == item["url"]
    assert item["url"].endswith(f"/incidents/{incident.slug}")
    assert "We are looking into it." in item["content_html"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_calendar_without_maintenance_is_valid_and_empty(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    await post(acme)

    calendar = Calendar.from_ical((await site.get("/s/acme/maintenance.ics")).content)

    assert calendar.get("version") == "2.0"
    assert list(calendar.walk("VEVENT")) == []


async def test_the_badge_says_how_it_is_in_the_readers_language(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    await post(acme)

    badge = Xml.fromstring((await site.get("/s/acme/badge.svg?lang=de")).content)

    assert badge.get("aria-label") == "Acme: Teilausfall: Payments"


async def test_the_page_as_text_says_everything_that_is_happening(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    incident = await post(acme, message="**Transfers** work.")

    page, index = await site.get("/s/acme/status.md"), await site.get("/s/acme/llms.txt")

    assert "**Partial outage: Payments** (2026-03-14 15:09 UTC)" in page.text
    assert f"Investigating, Major – Payments – http://127.0.0.1:8000/s/acme/incidents/{incident.slug}" in page.text
    assert "Investigating (Severity: Major): Transfers work." in page.text
    assert "- Payments (Core Services): Partial outage" in page.text
    assert "http://127.0.0.1:8000/s/acme/api/v2/summary.json" in index.text


async def test_the_json_follows_an_incident_from_the_first_post_to_its_end(
    site: httpx2.AsyncClient, acme: TenantContext, clock: Clock
) -> None:
    incident = await post(acme)
    component = incident.affected[0].id
    clock.advance(minutes=10)
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.MONITORING))
    clock.advance(minutes=10)
    await post_update(acme, UpdateDraft(incident_id=incident.id, message="Over.", status=Status.RESOLVED))

    (told,) = (await site.get("/s/acme/api/v2/incidents.json")).json()["incidents"]

    assert (told["status"], told["impact"]) == ("resolved", "major")
    assert told["started_at"] == "2026-03-14T15:09:26.000Z"
    assert told["monitoring_at"] == "2026-03-14T15:19:26.000Z"
    assert told["resolved_at"] == "2026-03-14T15:29:26.000Z"
    assert [(one["status"], one["body"]) for one in told["incident_updates"]] == [
        ("resolved", "Over."),
        ("monitoring", ""),
        ("investigating", "We are looking into it."),
    ]
    assert told["incident_updates"][0]["affected_components"] == [
        {
            "code": component,
            "name": "Core Services - Payments",
            "old_status": "partial_outage",
            "new_status": "operational",
        }
    ]
    assert (await site.get("/s/acme/api/v2/incidents/unresolved.json")).json()["incidents"] == []
    assert clock.now - incident.started_at == timedelta(minutes=20)


async def test_the_status_of_a_page_without_components_follows_its_incidents(
    site: httpx2.AsyncClient, acme: TenantContext
) -> None:
    status = (await site.get("/s/acme/api/v2/status.json")).json()["status"]

    assert status == {"indicator": "none", "description": "All Systems Operational"}
