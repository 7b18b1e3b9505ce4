"""What is published is valid, as those who wrote the rules read it: HTML, Atom, RSS, JSON Feed and iCalendar.

Every kind of page, for a page that is branded and has everything on it, in every language of both directions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as Xml

import feedparser
import html5lib
import httpx2
import jsonschema  # type: ignore[import-untyped]
import pytest
from icalendar import Calendar

from server import texts
from server.branding import edit_branding, read_changes, set_picture
from server.context import TenantContext
from server.incidents import UpdateDraft, UpdateEdit, edit_update, post_update
from server.maintenance import MaintenanceDraft, schedule_maintenance
from server.models import Incident, Status
from server.pictures import PictureRole
from tests.conftest import Clock
from tests.server.test_pictures import lettering
from tests.status_site.conftest import post

HOSTILE = '<b>Cards</b> & ]]> "fail" <!-- \' --> 🚑 العربية'

JSON_FEED = {
    "type": "object",
    "required": ["version", "title", "items"],
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": {"type": "string"},
        "home_page_url": {"type": "string", "format": "uri"},
        "feed_url": {"type": "string", "format": "uri"},
        "icon": {"type": "string", "format": "uri"},
        "favicon": {"type": "string", "format": "uri"},
        "language": {"type": "string"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id"],
                "anyOf": [{"required": ["content_html"]}, {"required": ["content_text"]}],
                "properties": {
                    "id": {"type": "string"},
                    "url": {"type": "string", "format": "uri"},
                    "title": {"type": "string"},
                    "content_html": {"type": "string"},
                    "date_published": {"type": "string", "format": "date-time"},
                    "date_modified": {"type": "string", "format": "date-time"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}
"""What JSON Feed 1.1 asks of the fields that we write."""


@pytest.fixture
async def everything(acme: TenantContext, clock: Clock) -> Incident:
    """A branded page with an edited open incident, a closed one and a maintenance, all in hostile words."""
    await edit_branding(
        acme,
        read_changes(
            {
                "title": HOSTILE,
                "description": HOSTILE,
                "colour": "#0a7d55",
                "home_url": "https://acme.example/?a=1&b=2",
                "support_url": "mailto:help@acme.example",
            }
        ),
    )
    for role in PictureRole:
        await set_picture(acme, role, lettering("#111111"))
    closed = await post(acme, title=HOSTILE, message=HOSTILE)
    await post_update(acme, UpdateDraft(incident_id=closed.id, message=HOSTILE, status=Status.RESOLVED))
    clock.advance(minutes=5)
    starts_at = clock.now + timedelta(days=1)
    ends_at = starts_at + timedelta(hours=2)
    planned = MaintenanceDraft(title=HOSTILE, message=HOSTILE, starts_at=starts_at, ends_at=ends_at)
    await schedule_maintenance(acme, planned)
    opened = await post(acme, title=HOSTILE, message=f"# Heading\n\n- one\n- two\n\n{HOSTILE}")
    await edit_update(acme, UpdateEdit(incident_id=opened.id, update_id=opened.latest.id, message="Other words."))
    return opened


def pages(incident: Incident) -> Iterator[str]:
    yield from ("", "/history", "/subscribe", "/embed", "/none")
    yield f"/incidents/{incident.slug}"
    yield f"/components/{incident.affected[0].id}"
    yield f"/subscribe?incident={incident.id}"


@pytest.mark.parametrize("language", texts.languages())
async def test_every_kind_of_page_is_html_without_a_mistake(
    site: httpx2.AsyncClient, everything: Incident, language: str
) -> None:
    for path in pages(everything):
        answer = await site.get(f"/s/acme{path}", headers={"Accept-Language": language})
        document = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(answer.text)

        ids = [element.get("id") for element in document.iter() if element.get("id")]
        assert len(ids) == len(set(ids)), path
        assert document.get("lang") == language, path
        assert document.get("dir") == texts.locale(language).text_direction, path
        named = {element.get("aria-labelledby") for element in document.iter()} - {None}
        assert named <= set(ids), path


@pytest.mark.parametrize("feed", ["history.atom", "history.rss"])
async def test_a_feed_is_read_without_a_complaint(
    site: httpx2.AsyncClient, everything: Incident, feed: str
) -> None:
    answer = await site.get(f"/s/acme/{feed}")

    read = feedparser.parse(answer.content, response_headers=dict(answer.headers))

    assert not read.bozo, read.get("bozo_exception")
    assert read.version in ("atom10", "rss20")
    assert len(read.entries) == 3
    assert len({entry.id for entry in read.entries}) == 3
    assert all(entry.link.startswith("http://127.0.0.1:8000/s/acme/incidents/") for entry in read.entries)
    assert all(entry.title == HOSTILE for entry in read.entries)
    assert all(entry.published_parsed for entry in read.entries)


async def test_atom_has_each_element_as_often_as_rfc_4287_allows(
    site: httpx2.AsyncClient, everything: Incident
) -> None:
    feed = Xml.fromstring((await site.get("/s/acme/history.atom")).content)
    atom = "{http://www.w3.org/2005/Atom}"

    for element in (feed, *feed.iter(f"{atom}entry")):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"{atom}{name}")) == 1, name
    for name in ("icon", "logo"):
        assert len(feed.findall(f"{atom}{name}")) == 1
    assert [link.get("rel") for link in feed.findall(f"{atom}link")].count("self") == 1
    assert feed.findall(f"{atom}author/{atom}name")


async def test_the_json_feed_fits_its_schema(site: httpx2.AsyncClient, everything: Incident) -> None:
    feed: Any = json.loads((await site.get("/s/acme/feed.json")).content)

    jsonschema.validate(feed, JSON_FEED, format_checker=jsonschema.FormatChecker())

    assert len(feed["items"]) == 3
    assert feed["icon"].endswith(".png")


async def test_the_calendar_is_read_without_an_error(site: httpx2.AsyncClient, everything: Incident) -> None:
    body = (await site.get("/s/acme/maintenance.ics")).content

    calendar: Any = Calendar.from_ical(body)

    (event,) = calendar.walk("VEVENT")
    assert calendar.errors == event.errors == []
    assert {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "SEQUENCE"} <= set(event)
    assert event["SUMMARY"] == HOSTILE
    assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(hours=2)
    assert all(len(line) <= 75 for line in body.split(b"\r\n"))  # RFC 5545 §3.1
