"""The page for programs: Atom, RSS, JSON Feed, a calendar of maintenance, a badge, a frame, and plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.etree import ElementTree as Xml

from icalendar import Calendar, Event
from markupsafe import Markup

from server.branding import picture_path
from server.links import incident_url
from server.markup import plain, safe_html
from server.models import Incident, Status
from server.pictures import PictureRole
from status_site.documents import Document
from status_site.render import render, sentence
from status_site.view import View

MOST = 25
JSON_NAMES = {PictureRole.LOGO: "icon", PictureRole.FAVICON: "favicon"}
ATOM = "http://www.w3.org/2005/Atom"


async def atom(view: View) -> Document:
    """RFC 4287. One entry per incident, which changes with its updates."""
    feed = Xml.Element("feed", {"xmlns": ATOM, "xml:lang": view.reader.original})
    _add(feed, "id", f"{view.home}/history.atom")
    _add(feed, "title", _title(view))
    _add(feed, "updated", _newest(view).isoformat())
    _add(feed, "author/name", view.page.title)
    _add_pictures(feed, view, {PictureRole.FAVICON: "icon", PictureRole.LOGO: "logo"})
    _add(feed, "link", href=f"{view.home}/history.atom", rel="self")
    _add(feed, "link", href=view.home, rel="alternate")
    for incident in _incidents(view):
        entry = Xml.SubElement(feed, "entry")
        _add(entry, "id", _link(view, incident))
        _add(entry, "title", incident.title)
        _add(entry, "updated", _touched(incident).isoformat())
        _add(entry, "published", incident.created_at.isoformat())
        _add(entry, "link", href=_link(view, incident), rel="alternate")
        _add(entry, "content", _html(view, incident), type="html")
    return _xml(feed, "application/atom+xml")


async def rss(view: View) -> Document:
    """RSS 2.0, with the Atom link that says where the feed itself is."""
    feed = Xml.Element("rss", {"version": "2.0", "xmlns:atom": ATOM})
    channel = Xml.SubElement(feed, "channel")
    _add(channel, "title", _title(view))
    _add(channel, "link", view.home)
    _add(channel, "description", view.page.description or _title(view))
    _add(channel, "language", view.reader.original)
    _add_pictures(channel, view, {PictureRole.LOGO: "image/url"})
    if (image := channel.find("image")) is not None:
        _add(image, "title", _title(view))
        _add(image, "link", view.home)
    _add(channel, "lastBuildDate", format_datetime(_newest(view)))
    _add(channel, "atom:link", href=f"{view.home}/history.rss", rel="self", type="application/rss+xml")
    for incident in _incidents(view):
        item = Xml.SubElement(channel, "item")
        _add(item, "title", incident.title)
        _add(item, "link", _link(view, incident))
        _add(item, "guid", _link(view, incident))
        _add(item, "pubDate", format_datetime(_touched(incident)))
        _add(item, "description", _html(view, incident))
    return _xml(feed, "application/rss+xml")


async def json_feed(view: View) -> Document:
    """JSON Feed 1.1."""
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": _title(view),
        "home_page_url": view.home,
        "feed_url": f"{view.home}/feed.json",
        **{JSON_NAMES[role]: _address(view, role) for role in JSON_NAMES if role in view.snapshot.pictures},
        "language": view.reader.original,
        "items": [
            {
                "id": _link(view, incident),
                "url": _link(view, incident),
                "title": incident.title,
                "content_html": _html(view, incident),
                "date_published": incident.created_at.isoformat(),
                "date_modified": _touched(incident).isoformat(),
                "tags": [incident.status, *(one.name for one in incident.affected)],
            }
            for incident in _incidents(view)
        ],
    }
    body = json.dumps(feed, ensure_ascii=False).encode()
    return Document(body, "application/feed+json; charset=utf-8", cors=True)


async def calendar(view: View) -> Document:
    """RFC 5545: every maintenance window that is scheduled, under way or kept in the history."""
    made: Any = Calendar()  # the library's methods have no types
    made.add("prodid", "-//Herald//status page//EN")
    made.add("version", "2.0")
    made.add("x-wr-calname", _title(view))
    for incident in (*view.page.under_way, *view.page.scheduled, *view.page.history):
        if incident.starts_at is not None:
            made.add_component(_event(view, incident, incident.starts_at))
    return Document(made.to_ical(), "text/calendar; charset=utf-8", cors=True)


async def badge(view: View) -> Document:
    """A small picture for another site: the page's name and how it is."""
    said = sentence(view.reader, view.page)
    body = render("badge.svg", view.reader, page=view.page, said=said)
    return Document(body, "image/svg+xml; charset=utf-8", language=view.reader.language, cors=True)


async def embed(view: View) -> Document:
    """The one sentence as a page of its own, for a frame on another site."""
    document = await view.html("embed.html")
    return Document(document.body, language=view.reader.language, framed=True)


async def markdown(view: View) -> Document:
    """The page as text, for language models and for terminals."""
    body = render("status.md", view.reader, page=view.page, home=view.home, plain=plain)
    return Document(body, "text/markdown; charset=utf-8", language=view.reader.language, cors=True)


async def llms_txt(view: View) -> Document:
    """What a language model finds here (llmstxt.org)."""
    body = render("llms.txt", view.reader, page=view.page, home=view.home)
    return Document(body, "text/plain; charset=utf-8", cors=True)


def _incidents(view: View) -> list[Incident]:
    everything = (*view.snapshot.active, *view.page.history)
    return sorted(everything, key=_touched, reverse=True)[:MOST]


def _event(view: View, incident: Incident, starts_at: datetime) -> Any:
    event: Any = Event()
    event.add("uid", f"{incident.id}@{view.snapshot.tenant.slug}.herald")
    event.add("dtstamp", _touched(incident))
    event.add("dtstart", starts_at)
    event.add("dtend", incident.ends_at or starts_at + timedelta(hours=1))
    event.add("summary", incident.title)
    event.add("status", "CANCELLED" if incident.status is Status.CANCELLED else "CONFIRMED")
    event.add("url", _link(view, incident))
    event.add("sequence", incident.version)
    said = [plain(update.content.message) for update in incident.updates if update.content.message]
    event.add("description", "\n".join(reversed(said)))
    return event


def _html(view: View, incident: Incident) -> str:
    """The timeline, newest first, as the feed's readers show it."""
    parts: Iterable[Markup] = (
        Markup("<p><strong>{}</strong> {}</p>{}").format(
            view.reader.text(f"status.{update.content.status}") if update.content.status else "",
            view.reader.time(update.at, year=True),
            safe_html(update.content.message or ""),
        )
        for update in reversed(incident.updates)
    )
    return str(Markup("").join(parts))


def _title(view: View) -> str:
    return view.reader.text("feed.updates", name=view.page.title)


def _link(view: View, incident: Incident) -> str:
    return incident_url(view.app.settings, view.snapshot.tenant, incident)


def _touched(incident: Incident) -> datetime:
    return max(update.edited_at or update.created_at for update in incident.updates)


def _newest(view: View) -> datetime:
    return max((_touched(one) for one in _incidents(view)), default=view.snapshot.tenant.created_at)


def _add(parent: Xml.Element, path: str, text: str | None = None, **attributes: str) -> None:
    for name in path.split("/"):
        parent = Xml.SubElement(parent, name)
    parent.text = text
    parent.attrib.update(attributes)


def _add_pictures(parent: Xml.Element, view: View, elements: Mapping[PictureRole, str]) -> None:
    for role, path in elements.items():
        if role in view.snapshot.pictures:
            _add(parent, path, _address(view, role))


def _address(view: View, role: PictureRole) -> str:
    return f"{view.home}{picture_path(view.snapshot.pictures[role])}"


def _xml(root: Xml.Element, media_type: str) -> Document:
    body: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return Document(body, f"{media_type}; charset=utf-8", cors=True)
