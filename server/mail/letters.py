"""What each kind of mail says, in the reader's language and time: texts and templates to a `Letter`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.lists import format_list
from jinja2 import Environment, PackageLoader, StrictUndefined

from server import texts
from server.config import Settings
from server.links import incident_url, mail_domain, page_url
from server.mail.messages import Letter, hole, without_controls
from server.markup import safe_html
from server.models import (
    Component,
    Incident,
    IncidentKind,
    Signup,
    Status,
    Tenant,
    Topic,
    TopicKind,
    Update,
    Window,
    translated,
)
from server.timeline import fold

EARLIER_SHOWN = 5
FINAL_NOTES = {
    Status.RESOLVED: "mail.final",
    Status.COMPLETED: "mail.maintenance.completed",
    Status.CANCELLED: "mail.maintenance.cancelled",
}


@dataclass(frozen=True)
class Sender:
    """From whom a tenant's mails are."""

    address: str
    name: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True)
class Stationery:
    """What stands in every mail of a tenant."""

    settings: Settings
    tenant: Tenant
    sender: Sender

    @property
    def page(self) -> str:
        return self.tenant.settings.page_title or self.tenant.name

    @property
    def home(self) -> str:
        return page_url(self.settings, self.tenant)


@dataclass(frozen=True)
class Reader:
    """How someone reads: their language, or the tenant's, and their time zone."""

    language: str
    zone: str

    @classmethod
    def of(cls, tenant: Tenant, language: str | None, time_zone: str | None) -> Reader:
        default = texts.closest(tenant.settings.default_language) or texts.ENGLISH
        return cls(texts.closest(language or "") or default, time_zone or tenant.settings.time_zone)

    @property
    def direction(self) -> str:
        return texts.locale(self.language).text_direction

    def text(self, key: str, **values: Any) -> str:
        return texts.text(key, self.language, **values)

    def time(self, moment: datetime) -> str:
        """In the reader's zone, and in UTC where that differs."""
        local, utc = moment.astimezone(ZoneInfo(self.zone)), moment.astimezone(UTC)
        locale = texts.locale(self.language)
        day, clock = format_date(local, "medium", locale), format_datetime(local, "HH:mm", locale=locale)
        shown = str(locale.datetime_formats["medium"]).format(clock, day)
        if local.utcoffset() == utc.utcoffset():
            return f"{shown} UTC"
        return f"{shown} {texts.zone(local, self.language)} ({utc:%H:%M} UTC)"

    def window(self, window: Window) -> str:
        start, end = self.time(window.starts_at), self.time(window.ends_at)
        return self.text("page.maintenance.window", start=start, end=end)

    def names(self, names: Sequence[str]) -> str:
        return str(format_list(list(names), locale=texts.locale(self.language)))


@dataclass(frozen=True)
class Entry:
    """One update as a mail shows it."""

    time: str
    status: str | None
    message: str | None


def update_letter(stationery: Stationery, reader: Reader, incident: Incident, update_id: str) -> Letter:
    """The mail about one update, as it stands now: an edit before sending is what is sent."""
    told = [update for update in incident.updates if update.id == update_id]
    known = [update for update in incident.updates if _posted(update) <= _posted(told[0])]
    before = [update for update in known if update.id != update_id]
    state = fold(known)
    was_closed = bool(before) and fold(before).status.closes
    note = None
    if state.status.closes and not was_closed:
        note = FINAL_NOTES[state.status]
    elif was_closed and not state.status.closes:
        note = "mail.reopened"
    return _incident_letter(
        stationery,
        reader,
        incident,
        known,
        subject="mail.subject",
        feedback="update",
        latest=_entry(reader, told[0]),
        earlier=[_entry(reader, update) for update in reversed(before[-EARLIER_SHOWN:])],
        note=note and reader.text(note),
        date=told[0].created_at,
    )


def reminder_letter(stationery: Stationery, reader: Reader, incident: Incident, date: datetime) -> Letter:
    """Says that a maintenance that was announced is about to begin, and what was said of it last."""
    return _standing_letter(stationery, reader, incident, "reminder", date)


def welcome_letter(stationery: Stationery, reader: Reader, incident: Incident, date: datetime) -> Letter:
    """Tells someone who said yes elsewhere that they are subscribed, and where the incident stands."""
    return _standing_letter(stationery, reader, incident, "welcome", date)


def verification_letter(
    stationery: Stationery,
    reader: Reader,
    signup: Signup,
    incidents: Sequence[Incident],
    components: Sequence[Component],
) -> Letter:
    """Asks the owner of an address to confirm. Holds nothing that whoever typed the address could choose."""
    wanted = [topic_name(reader, topic, incidents, components) for topic in signup.topics]
    return _letter(
        stationery,
        reader,
        "verify",
        reader.text("mail.verify.subject", page=stationery.page),
        feedback="verification",
        date=signup.created_at,
        thread=None,
        wanted=wanted,
        confirm_url=hole("confirm_url"),
    )


def test_letter(stationery: Stationery, reader: Reader, date: datetime) -> Letter:
    """Shows an operator that mail arrives, and how it looks."""
    subject = reader.text("mail.test.subject", page=stationery.page)
    return _letter(stationery, reader, "test", subject, feedback="test", date=date, thread=None)


def topic_name(
    reader: Reader, topic: Topic, incidents: Sequence[Incident], components: Sequence[Component]
) -> str:
    """What a topic is called in a list of them."""
    if topic.kind is TopicKind.ALL:
        return reader.text("mail.all")
    if topic.kind is TopicKind.COMPONENT:
        return next((component.name for component in components if component.id == topic.id), topic.id)
    titled = (incident for incident in incidents if incident.id == topic.id)
    return next((_title(reader, incident) for incident in titled), topic.id)


def thread_id(stationery: Stationery, incident: Incident) -> str:
    return f"incident-{incident.id}@{mail_domain(stationery.settings, stationery.tenant)}"


def _standing_letter(
    stationery: Stationery, reader: Reader, incident: Incident, kind: str, date: datetime
) -> Letter:
    """Where the incident stands, with the subject and the note of this kind of mail."""
    return _incident_letter(
        stationery,
        reader,
        incident,
        incident.updates,
        subject=f"mail.{kind}.subject",
        feedback=kind,
        latest=_entry(reader, incident.latest),
        earlier=[_entry(reader, update) for update in reversed(incident.updates[:-1][-EARLIER_SHOWN:])],
        note=reader.text(f"mail.{kind}.body"),
        date=date,
    )


def _incident_letter(
    stationery: Stationery,
    reader: Reader,
    incident: Incident,
    known: Sequence[Update],
    *,
    subject: str,
    feedback: str,
    latest: Entry,
    earlier: Sequence[Entry],
    note: str | None,
    date: datetime,
) -> Letter:
    state = fold(known)
    title = translated(state.title, state.title_translations, reader.language)
    status = reader.text(f"page.status.{state.status}")
    affected = [component.name for component in incident.affected]
    return _letter(
        stationery,
        reader,
        "update",
        reader.text(subject, title=title, status=status),
        feedback=feedback,
        date=date,
        thread=thread_id(stationery, incident),
        title=title,
        status=status,
        severity=state.severity and reader.text(f"page.severity.{state.severity}"),
        tone=state.status if state.status.closes else state.severity or "none",
        affected=reader.names(affected) if affected else None,
        window=state.window and reader.window(state.window),
        latest=latest,
        earlier=earlier,
        note=note,
        incident_url=incident_url(stationery.settings, stationery.tenant, incident),
        view=reader.text("mail.maintenance.view" if incident.kind is IncidentKind.MAINTENANCE else "mail.view"),
    )


def _letter(
    stationery: Stationery,
    reader: Reader,
    template: str,
    subject: str,
    *,
    feedback: str,
    date: datetime,
    thread: str | None,
    **values: Any,
) -> Letter:
    tenant, domain = stationery.tenant, mail_domain(stationery.settings, stationery.tenant)
    values |= {
        "r": reader,
        "page": stationery.page,
        "home": stationery.home,
        "subject": subject,
        "address": hole("address"),
        "leave_url": hole("leave_url"),
        "manage_url": hole("manage_url"),
    }
    return Letter(
        subject=subject,
        text=_environment(escape=False).get_template(f"{template}.txt").render(values).strip() + "\n",
        html=_environment(escape=True).get_template(f"{template}.html").render(values),
        language=reader.language,
        from_address=stationery.sender.address,
        from_name=stationery.sender.name or stationery.page,
        reply_to=stationery.sender.reply_to,
        date=date,
        list_id=f"{tenant.slug}.status.{domain.strip('[]')}",
        list_name=stationery.page,
        feedback_id=f"{feedback}:{tenant.slug}:status:herald",
        thread=thread,
    )


def _posted(update: Update) -> tuple[datetime, str]:
    """The order in which updates were posted, whenever they took effect."""
    return update.created_at, update.id


def _entry(reader: Reader, update: Update) -> Entry:
    said = update.content
    return Entry(
        time=reader.time(update.at),
        status=said.status and reader.text(f"page.status.{said.status}"),
        message=said.message and translated(said.message, said.translations, reader.language),
    )


def _title(reader: Reader, incident: Incident) -> str:
    return translated(incident.title, incident.title_translations, reader.language)


@cache
def _environment(escape: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("server", "templates/mail"),
        autoescape=escape,  # noqa: S701 - off for the plain text alone
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["safe_html"] = safe_html
    return environment


def _finalized(value: Any) -> Any:
    return without_controls(value) if type(value) is str else value
