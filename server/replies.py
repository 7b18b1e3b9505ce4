"""The Sidekick's reply: an acknowledgement in the customer's language, for a human agent to change and send.

It is put together from sentences that say only what the incident's record says: no cause, no time and no promise
that an operator did not give. A tenant may word any sentence otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Self

from babel import Locale
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from pydantic import Field, model_validator

from server.context import TenantContext
from server.conversations import Id
from server.errors import NotFound
from server.links import incident_url
from server.matching import MAX_CHARACTERS
from server.models import (
    Incident,
    IncidentKind,
    Language,
    Line,
    Model,
    ReplyPart,
    Scope,
    Severity,
    Status,
    TenantSettings,
    translated,
)
from server.snapshots import Snapshot

ENGLISH = "en"
CERTAIN_FROM = 0.5
"""Below this probability a detected language counts as unknown: a wrong one is worse than the tenant's own."""

# Norwegian is `no` to the detector; which Portuguese it is cannot be told from a line, and most is Brazil's.
DETECTED = {"no": "nb", "pt": "pt-BR"}


class Tone(StrEnum):
    FULL = "full"
    BRIEF = "brief"
    """Without the severity, the apology and the link."""


class ReplyRequest(Model):
    incident_id: Id
    language: Language | None = None
    sample: Annotated[str, Field(max_length=MAX_CHARACTERS)] | None = None
    """Something that the customer wrote, to tell the language from; it is not kept."""
    tone: Tone = Tone.FULL
    customer_name: Annotated[Line, Field(max_length=100)] | None = None
    subscribed: bool = False
    """Whether the customer gets updates already; if not, the reply offers them."""

    @model_validator(mode="after")
    def _tells_the_language(self) -> Self:
        if self.language is None and self.sample is None:
            raise ValueError("pass the customer's language, or a sample of what they wrote")
        return self


class Reply(Model):
    text: str
    language: Language
    detected: bool
    """Whether the language was told from the sample."""
    direction: str
    """`ltr` or `rtl`."""


async def write_reply(tenant: TenantContext, asked: ReplyRequest) -> Reply:
    """A draft in the customer's language, else in the tenant's, else in English.

    Of a resolved incident it says so, to close the conversation with. Raises NotFound.
    """
    tenant.require(Scope.SIDEKICK)
    snapshot = await tenant.app.snapshots.get(tenant.id)
    incident = _find(snapshot, asked.incident_id)
    settings = snapshot.tenant.settings
    language, detected = await _language(asked, settings)
    values = {
        "title": translated(incident.title, incident.title_translations, language),
        "name": asked.customer_name or "",
        "url": incident_url(tenant.app.settings, snapshot.tenant, incident),
    }
    wording = sentences(language, settings)
    paragraphs = (
        " ".join(wording[part].format_map(values) for part in paragraph)
        for paragraph in outline(incident, asked)
        if paragraph
    )
    direction = Locale.parse(language, sep="-").text_direction
    return Reply(text="\n\n".join(paragraphs), language=language, detected=detected, direction=direction)


def outline(incident: Incident, asked: ReplyRequest) -> tuple[tuple[ReplyPart, ...], ...]:
    """Which sentences the reply is made of, by paragraph."""
    hello = (ReplyPart.HELLO_NAMED if asked.customer_name else ReplyPart.HELLO,)
    page = (ReplyPart.PAGE,) if asked.tone is Tone.FULL else ()
    if not incident.is_active:
        return (hello, (ReplyPart.RESOLVED,), page)
    known = (ReplyPart.KNOWN, _STATUS[incident.status])
    offer = (ReplyPart.SUBSCRIBED if asked.subscribed else ReplyPart.OFFER,)
    if asked.tone is Tone.BRIEF:
        return (hello, known, offer)
    weight = (_SEVERITY[incident.severity],) if incident.severity in _SEVERITY else ()
    return (hello, (*known, *weight), (ReplyPart.SORRY, *offer), page)


_STATUS = {
    Status.INVESTIGATING: ReplyPart.INVESTIGATING,
    Status.IDENTIFIED: ReplyPart.IDENTIFIED,
    Status.MONITORING: ReplyPart.MONITORING,
}
_SEVERITY: Mapping[Severity | None, ReplyPart] = {
    Severity.MAJOR: ReplyPart.MAJOR,
    Severity.CRITICAL: ReplyPart.CRITICAL,
}


def sentences(language: str, settings: TenantSettings) -> dict[str, str]:
    """Every sentence of a reply in that language of ours, in the tenant's own words where it gave any."""
    own = settings.reply_templates.get(language, {})
    return _written(language) | {part.value: wording for part, wording in own.items()}


@cache
def languages() -> tuple[str, ...]:
    """The languages that replies are written in, in alphabetical order."""
    names = (file.name for file in files("server.texts").joinpath("replies").iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names))


def closest(tag: str) -> str | None:
    """Our language for a tag: itself, its script's or its region's, or the language alone."""
    known = {language.lower(): language for language in languages()}
    folded = tag.lower()
    base, *rest = folded.split("-")
    if base in ("no", "nn"):
        return "nb"
    if base == "zh":
        return "zh-TW" if {"hant", "tw", "hk", "mo"}.intersection(rest) else "zh-CN"
    return known.get(folded) or known.get(base)


def detect(text: str) -> str | None:
    """The language of ours that the text is in, or None where it cannot be told."""
    found, probability = _identifier().classify(text)
    if probability < CERTAIN_FROM:
        return None
    if found == "zh":
        return "zh-TW" if _is_traditional(text) else "zh-CN"
    return closest(DETECTED.get(found, found))


async def _language(asked: ReplyRequest, settings: TenantSettings) -> tuple[str, bool]:
    if asked.language is not None:
        given = closest(asked.language)
        if given is not None:
            return given, False
    if asked.sample:
        detected = await asyncio.to_thread(detect, asked.sample)  # the first call loads the detector
        if detected is not None:
            return detected, True
    return closest(settings.default_language) or ENGLISH, False


@cache
def _identifier() -> LanguageIdentifier:
    """Knows only the languages that there are replies in, which makes it surer of each."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    ours = {language.split("-")[0] for language in languages()} | set(DETECTED)
    identifier.set_languages(ours & set(identifier.labels))
    return identifier


def _is_traditional(text: str) -> bool:
    """Whether it has characters that are of Big5 (Taiwan, Hong Kong) and not of GB 2312 (simplified)."""
    return any(_is_in(character, "big5") and not _is_in(character, "gb2312") for character in text)


def _is_in(character: str, charset: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _find(snapshot: Snapshot, incident_id: str) -> Incident:
    for incident in (*snapshot.active, *snapshot.history):
        if incident.id == incident_id and incident.kind is IncidentKind.INCIDENT:
            return incident
    raise NotFound(f"there is no incident {incident_id!r}: take the id from a card")


@cache
def _written(language: str) -> dict[str, str]:
    path = files("server.texts").joinpath("replies", f"{language}.json")
    found: dict[str, str] = json.loads(path.read_text("utf-8"))
    return found
