"""Templates to bytes, and the phrases that templates put together. All is escaped; a misspelt name fails."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from server import texts
from server.markup import safe_html
from server.models import ComponentState, Impacts, Incident, Severity, Status, UpdateContent
from server.pages import RECENT, Page
from server.uptime import Day
from status_site.assets import asset
from status_site.changes import changes_of
from status_site.reader import Reader

MOST_NAMED = 3

STATUS_ICONS = {
    Status.RESOLVED: "operational",
    Status.COMPLETED: "operational",
    Status.CANCELLED: "unknown",
    Status.IN_PROGRESS: "maintenance",
    Status.VERIFYING: "monitoring",
}


def render(template: str, reader: Reader, **values: Any) -> bytes:
    return _environment().get_template(template).render(r=reader, **values).encode()


def own_name(language: str) -> str:
    """A language's name in itself, by which its readers find it."""
    locale = texts.locale(language)
    name = locale.get_display_name(locale) or language
    return name[:1].upper() + name[1:]


def sentence(reader: Reader, page: Page) -> str:
    """The one sentence that says how everything is: the worst state, and what is in it."""
    if page.overall is ComponentState.OPERATIONAL:
        return reader.text("overall.operational")
    if not page.unwell:
        return reader.text("overall.untagged")
    names = [component.name for component in page.unwell]
    named = (
        reader.list_of(names) if len(names) <= MOST_NAMED else reader.text("components.count", count=len(names))
    )
    return reader.text("overall.named", state=reader.state(page.overall), components=named)


def day_words(reader: Reader, day: Day) -> str:
    """What a bar says: the date, and for how long which state other than operational."""
    date = reader.weekday(day.date)
    if day.worst in (None, ComponentState.OPERATIONAL):
        return reader.text("bars.day", date=date, state=reader.state(day.worst))
    spent = [
        reader.text("bars.state_minutes", state=reader.state(state), duration=reader.duration(length))
        for state, length in day.spent.items()
        if state is not ComponentState.OPERATIONAL
    ]
    return reader.text("bars.day", date=date, state=reader.list_of(spent))


def affects_now(reader: Reader, components: Impacts, names: Mapping[str, str]) -> str:
    """Which components an update says are affected from then on; deleted ones have no name any more."""
    known = [names[component_id] for component_id in components if component_id in names]
    if not known:
        return reader.text("incident.affects_nothing")
    return reader.text("incident.affects_now", components=reader.list_of(known))


def spoken(reader: Reader, key: str, **values: Any) -> Markup:
    """A text around elements such as times; values that are not HTML are escaped."""
    escaped = {name: escape(value) for name, value in values.items()}
    return Markup(reader.text(key, **escaped))  # noqa: S704 - our own texts, which hold no HTML


def between(reader: Reader, start: datetime, end: datetime) -> Markup:
    return spoken(reader, "maintenance.window", start=reader.time(start), end=reader.time(end))


def last_words(incident: Incident) -> UpdateContent | None:
    """The newest update that says something in words."""
    said = (update.content for update in reversed(incident.updates) if update.content.message)
    return next(said, None)


def status_icon(status: Status) -> str:
    return STATUS_ICONS.get(status, status)


def severity_icon(severity: Severity) -> ComponentState:
    return Severity.impact_of(severity)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("status_site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = safe_html
    environment.globals |= {
        "affects_now": affects_now,
        "asset": asset,
        "between": between,
        "changes_of": changes_of,
        "day_words": day_words,
        "languages": texts.languages(),
        "last_words": last_words,
        "own_name": own_name,
        "recent_days": RECENT.days,
        "sentence": sentence,
        "severity_icon": severity_icon,
        "spoken": spoken,
        "status_icon": status_icon,
    }
    return environment
