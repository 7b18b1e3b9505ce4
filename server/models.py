"""The product's nouns as frozen data, and the rules that hold of one value alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from string import Formatter
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    field_validator,
    model_validator,
)
from pydantic.networks import validate_email

# ------------------------------------------------------------------------------------------------- fixed sets


class Scope(StrEnum):
    """What a key may do. A set, not a ladder: each scope stands alone."""

    AGENT = "agent"
    SIDEKICK = "sidekick"
    OPERATOR = "operator"
    ADMIN = "admin"


class ComponentState(StrEnum):
    """How a component is doing, from best to worst."""

    OPERATIONAL = "operational"
    MAINTENANCE = "maintenance"
    DEGRADED = "degraded"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"

    @property
    def rank(self) -> int:
        return list(ComponentState).index(self)

    @staticmethod
    def worst(states: Iterable[ComponentState]) -> ComponentState:
        return max(states, key=lambda state: state.rank, default=ComponentState.OPERATIONAL)


class Severity(StrEnum):
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"

    @staticmethod
    def impact_of(severity: Severity | None) -> ComponentState:
        """The state that an incident gives its components where none is named."""
        return _IMPACT[severity]


_IMPACT = {
    None: ComponentState.DEGRADED,
    Severity.MINOR: ComponentState.DEGRADED,
    Severity.MAJOR: ComponentState.PARTIAL_OUTAGE,
    Severity.CRITICAL: ComponentState.MAJOR_OUTAGE,
}


class SeverityChange(StrEnum):
    """What an update says of the severity; saying nothing of it is `None`."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"
    CLEARED = "none"

    @property
    def after(self) -> Severity | None:
        return None if self is SeverityChange.CLEARED else Severity(self.value)


class IncidentKind(StrEnum):
    INCIDENT = "incident"
    MAINTENANCE = "maintenance"


class Status(StrEnum):
    """Where an incident stands; the last five belong to maintenance."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    """It will not take place. Nothing leads here by itself."""

    @property
    def next(self) -> Status | None:
        """The usual next step: a suggestion, never a rule. A closed incident suggests nothing."""
        return _NEXT[self]

    @property
    def closes(self) -> bool:
        return self in (Status.RESOLVED, Status.COMPLETED, Status.CANCELLED)

    @property
    def kind(self) -> IncidentKind:
        return IncidentKind.INCIDENT if self in _INCIDENT_PATH else IncidentKind.MAINTENANCE


_INCIDENT_PATH = (Status.INVESTIGATING, Status.IDENTIFIED, Status.MONITORING, Status.RESOLVED)
_MAINTENANCE_PATH = (Status.SCHEDULED, Status.IN_PROGRESS, Status.VERIFYING, Status.COMPLETED)
_NEXT: dict[Status, Status | None] = {
    status: following
    for path in (_INCIDENT_PATH, _MAINTENANCE_PATH)
    for status, following in zip(path, (*path[1:], None), strict=True)
} | {Status.CANCELLED: None}

# ------------------------------------------------------------------------------------------------------ text


def plain_text(value: str) -> str:
    """Text as people write it: composed (NFC), trimmed, line ends as LF, without control characters.

    Raises ValueError for control characters other than tab and line feed, and for the invisible characters
    that reorder text (they make a page or a mail read otherwise than it is written).
    """
    text = unicodedata.normalize("NFC", value).replace("\r\n", "\n").replace("\r", "\n").strip()
    for character in text:
        if character in "\n\t":
            continue
        if unicodedata.category(character) in ("Cc", "Cs") or character in _REORDERING:
            raise ValueError(f"remove the invisible character U+{ord(character):04X}")
    return text


def one_line(value: str) -> str:
    """`plain_text` on a single line: titles and names also stand in mail headers."""
    text = plain_text(value)
    if "\t" in text or len(text.splitlines()) > 1:  # U+2028 and U+2029 break lines too
        raise ValueError("write it on one line")
    return text


_REORDERING = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as Europe/Berlin") from error
    return name


def hex_colour(value: str) -> str:
    """`#rrggbb`, also where it was written `#RGB`."""
    digits = value.strip().removeprefix("#").lower()
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    if not re.fullmatch(r"[0-9a-f]{6}", digits):
        raise ValueError("write the colour as #rrggbb, such as #34407f")
    return f"#{digits}"


def web_link(value: str) -> str:
    """An `https:` address without credentials, as browsers write it."""
    url = HttpUrl(value.strip())
    if url.scheme != "https" or url.username is not None or url.password is not None:
        raise ValueError("give an address that starts with https:// and holds no password")
    return str(url)


def contact_link(value: str) -> str:
    """A `web_link`, or `mailto:` and one address."""
    if not value.strip().lower().startswith("mailto:"):
        return web_link(value)
    address = value.strip()[len("mailto:") :]
    return f"mailto:{validate_email(address)[1]}"


def to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Utc = Annotated[AwareDatetime, AfterValidator(to_utc)]
# Length is counted after trimming, so that a title of blanks is an empty title.
Line = Annotated[str, AfterValidator(one_line)]
Text = Annotated[str, AfterValidator(plain_text)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
Colour = Annotated[str, AfterValidator(hex_colour)]
WebLink = Annotated[str, AfterValidator(web_link), Field(max_length=500)]
ContactLink = Annotated[str, AfterValidator(contact_link), Field(max_length=500)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# ------------------------------------------------------------------------------------------ tenants and keys


class ReplyPart(StrEnum):
    """The sentences that the Sidekick's reply is made of."""

    HELLO = "hello"
    HELLO_NAMED = "hello_named"
    KNOWN = "known"
    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"
    MAJOR = "major"
    CRITICAL = "critical"
    SORRY = "sorry"
    OFFER = "offer"
    SUBSCRIBED = "subscribed"
    PAGE = "page"

    @property
    def placeholders(self) -> frozenset[str]:
        """What a wording of it may, and need not, be filled with."""
        return _PLACEHOLDERS.get(self, frozenset({"title"}))


_PLACEHOLDERS = {
    ReplyPart.HELLO: frozenset[str](),
    ReplyPart.HELLO_NAMED: frozenset({"name"}),
    ReplyPart.PAGE: frozenset({"title", "url"}),
}


def check_wording(part: ReplyPart, wording: str) -> None:
    """Raises ValueError for anything in braces but the part's own placeholders, plain."""
    try:
        fields = [field for _, *field in Formatter().parse(wording) if field[0] is not None]
    except ValueError as error:
        raise ValueError(f"{part}: write {{{{ and }}}} for braces that are meant as such ({error})") from error
    for name, form, conversion in fields:
        if name not in part.placeholders or form or conversion:
            known = ", ".join(f"{{{one}}}" for one in sorted(part.placeholders)) or "none"
            raise ValueError(f"{part}: {{{name}}} is no placeholder here; there are: {known}")


ReplyWording = Annotated[Text, Field(min_length=1, max_length=1000)]


ReminderHours = Annotated[int, Field(ge=1, le=24 * 30)]


class TenantSettings(Model):
    """What a tenant chose, as one validated document."""

    time_zone: Annotated[str, AfterValidator(known_zone)] = "UTC"
    default_language: Language = "en"
    public_url: HttpUrl | None = None
    """Where the page is reached from outside; links in answers and mail start with it."""
    page_title: Line | None = None
    page_description: Line | None = None
    maintenance_reminders: tuple[ReminderHours, ...] = Field(default=(24, 1), max_length=5)
    """How many hours before a maintenance subscribers are reminded of it. Windows planned earlier keep theirs."""
    brand_colour: Colour | None = None
    """Of marks, focus and buttons, in shades that are readable; never of states."""
    home_url: WebLink | None = None
    support_url: ContactLink | None = None
    history_days: int = Field(default=90, ge=1, le=3650)
    """How long a resolved incident stays on the page."""
    card_threshold: float = Field(default=0.5, ge=0, le=1)
    """From this probability on a match is `likely`."""
    mention_threshold: float = Field(default=0.25, ge=0, le=1)
    """Below this probability a match is not mentioned at all."""
    public_mcp: bool = False
    """Whether anybody may ask over MCP, without a key, what the page shows anyway."""
    discovery: bool = True
    """Whether the Sidekick looks for incidents by itself; if not, it shows only those that were linked."""
    highlights: bool = True
    """Whether the Sidekick may be asked which words carried a match."""
    verify_unclear_replies: bool = False
    """Whether a reply that is no clear yes, but that the agent takes for one, brings a verification mail."""
    consent_days: int = Field(default=1095, ge=1, le=3650)
    """How long a customer's reply is kept as evidence of their consent."""
    reply_templates: dict[Language, dict[ReplyPart, ReplyWording]] = Field(default_factory=dict)
    """Sentences of the Sidekick's reply in the tenant's own words, by language; the others stay ours."""

    @field_validator("reply_templates")
    @classmethod
    def _with_known_placeholders(cls, value: Mapping[str, Mapping[ReplyPart, str]]) -> object:
        for wordings in value.values():
            for part, wording in wordings.items():
                check_wording(part, wording)
        return value


class BrandPicture(Model):
    """What is known of a picture that a tenant put on its page; its pixels are read where they are needed."""

    role: str
    digest: str
    width: int
    height: int
    reads_on_light: bool
    reads_on_dark: bool
    """Whether it stands out from our paper by itself, or needs a plate behind it."""


class Tenant(Model):
    id: str
    slug: str
    name: str
    settings: TenantSettings
    version: int
    """Grows with every change of anything the page or the matching shows."""
    created_at: Utc


class ApiKey(Model):
    """A key without its secret, which is shown once and never stored."""

    id: str
    tenant_id: str
    name: str
    scopes: frozenset[Scope]
    attests_addresses: bool
    """The key's host vouches that the address it passes is the signed-in customer's own."""
    created_at: Utc
    last_used_at: Utc | None
    revoked_at: Utc | None


# ------------------------------------------------------------------------------------------------ components


class Component(Model):
    id: str
    name: str
    description: str
    group: str
    group_position: int
    position: int
    own_state: ComponentState
    """What the operator set; shown again as soon as no incident says worse."""
    state: ComponentState
    """What is shown: the worst of the own state and the impact of every active incident that tags it."""


class StateChange(Model):
    """One step of a component's shown state over time."""

    at: Utc
    state: ComponentState


# ------------------------------------------------------------------------------------------------- incidents

Impacts = dict[str, ComponentState | None]
"""Component id → its impact; None where the impact follows from the severity."""

Translations = dict[Language, Text]


def translated(original: str, translations: Translations, language: str | None) -> str:
    """The text in the reader's language if the operator gave it, else as it was written."""
    if language is None:
        return original
    return translations.get(language) or translations.get(language.split("-")[0]) or original


class Window(Model):
    """From when to when a maintenance is planned."""

    starts_at: Utc
    ends_at: Utc

    @model_validator(mode="after")
    def _ends_later(self) -> Window:
        if self.ends_at <= self.starts_at:
            raise ValueError("a window ends after it starts: give ends_at later than starts_at")
        return self


class UpdateContent(Model):
    """What an update says. A field that is None says nothing about its subject."""

    message: Text | None = None
    status: Status | None = None
    severity: SeverityChange | None = None
    components: Impacts | None = None
    """The components affected from here on, all of them; an empty mapping affects none."""
    title: Line | None = None
    """The incident's title from here on. The first update always carries one."""
    window: Window | None = None
    """When it is planned from here on. A maintenance's first update carries one; an incident's none does."""
    translations: Translations = Field(default_factory=dict)
    title_translations: Translations = Field(default_factory=dict)

    @field_validator("message")
    @classmethod
    def _blank_says_nothing(cls, value: str | None) -> str | None:
        return value or None

    @property
    def is_empty(self) -> bool:
        said = (self.message, self.status, self.severity, self.components, self.title, self.window)
        return all(part is None for part in said)


class Update(Model):
    """One entry of an incident's timeline."""

    id: str
    incident_id: str
    at: Utc
    """When it took effect; may lie before `created_at`."""
    created_at: Utc
    edited_at: Utc | None
    author: str
    version: int
    """1 as posted; one more with every edit."""
    content: UpdateContent


class Revision(Model):
    """A version of an update that an edit replaced."""

    update_id: str
    version: int
    content: UpdateContent
    replaced_at: Utc
    replaced_by: str


class Affected(Model):
    """A component as one incident affects it."""

    id: str
    name: str
    impact: ComponentState


class Incident(Model):
    id: str
    slug: str
    """The last part of its permalink."""
    kind: IncidentKind
    title: str
    title_translations: Translations = Field(default_factory=dict)
    status: Status
    severity: Severity | None
    affected: tuple[Affected, ...]
    started_at: Utc
    created_at: Utc
    resolved_at: Utc | None
    starts_at: Utc | None = None
    ends_at: Utc | None = None
    """The window, for maintenance only."""
    version: int
    history_head: str
    """The last link of its hash chain: SHA-256 over every version of every update."""
    updates: tuple[Update, ...]
    """Oldest first."""

    @property
    def is_active(self) -> bool:
        return not self.status.closes

    @property
    def window(self) -> Window | None:
        """As it is stored: whether that can be is for the history's check to say."""
        if self.starts_at is None or self.ends_at is None:
            return None
        return Window.model_construct(starts_at=self.starts_at, ends_at=self.ends_at)

    @property
    def begins_at(self) -> datetime:
        """When it begins to be felt: a maintenance at its window, unless it was called off before."""
        if self.starts_at is None or self.status is Status.CANCELLED:
            return self.started_at
        return self.starts_at

    @property
    def latest(self) -> Update:
        return self.updates[-1]


Wording = Literal["likely", "possibly"]


class Match(Model):
    """An active incident that a message may be about."""

    id: str
    incident: Incident
    relevance: float = Field(ge=0, le=1)
    """The calibrated probability that the message is about this incident."""
    wording: Wording


# --------------------------------------------------------------------------------------------- conversations


class CardOutcome(StrEnum):
    """What a human agent made of an incident in a conversation. One that stays `shown` was ignored."""

    SHOWN = "shown"
    LINKED = "linked"
    DISMISSED = "dismissed"


class CardRecord(Model):
    """One incident in one conversation: what was shown there, and what was made of it."""

    incident_id: str
    outcome: CardOutcome
    match_id: str | None
    """The match that the card came from; none where an agent linked what no card had shown."""
    relevance: float | None
    subscribed: bool
    """Whether the customer was subscribed from this conversation."""
    at: Utc
    """When it was last shown, or decided on."""


# ----------------------------------------------------------------------------------------------- subscribers


class TopicKind(StrEnum):
    ALL = "all"
    INCIDENT = "incident"
    COMPONENT = "component"


class Topic(Model):
    """What a subscriber hears of: every incident, one of them, or those that affect one component."""

    kind: TopicKind
    id: str = ""
    """Of the incident or the component; empty for all."""


class Ground(Model):
    """Why we may write to someone: through which face the owner of the address said so, and what shows it."""

    source: str
    attested: bool = False
    """The host vouches that the address is the signed-in customer's own."""
    evidence: dict[str, str] = Field(default_factory=dict)


class Subscription(Model):
    topic: Topic
    confirmed_at: Utc
    ground: Ground


class Subscriber(Model):
    """Someone who opted in, with what they hear of; nothing any more after unsubscribing."""

    id: str
    address: str
    language: Language | None
    time_zone: str | None
    created_at: Utc
    subscriptions: tuple[Subscription, ...]


class Signup(Model):
    """A request to be told, which the owner of the address has yet to confirm."""

    id: str
    address: str
    language: Language | None
    time_zone: str | None
    topics: tuple[Topic, ...]
    ground: Ground
    created_at: Utc
    expires_at: Utc
    confirmed_at: Utc | None


class Consent(Model):
    """What shows that a customer agreed: the question, their exact words, and who read them as what."""

    id: str
    topic: Topic
    address: str
    offer: str
    """Empty if the customer asked for mail unasked."""
    reply: str
    verdict: str
    reason: str
    analyzer: str
    conversation: str | None
    """A keyed hash of the host's own id."""
    key_id: str
    at: Utc


class Offer(Model):
    """The question that a customer is asked, word for word: a yes means this."""

    id: str
    incident_id: str
    language: Language
    text: str


class DomainState(StrEnum):
    AWAITING_DNS = "awaiting DNS"
    ISSUING_CERTIFICATE = "issuing certificate"
    ACTIVE = "active"


class Domain(Model):
    """A host name that a tenant wants its page on."""

    host: str
    token: str
    """What the TXT record must say; a secret until it is published there."""
    created_at: Utc
    verified_at: Utc | None = None
    """Since when the DNS proves that it is the tenant's."""
    arrived_at: Utc | None = None
    """When the first visitor reached the page under it."""
    checked_at: Utc | None = None
    """When the DNS was last asked again whether it still proves that."""
    failing_since: Utc | None = None
    """Since when it does not any more; served for some days still, in case that is a mistake."""

    @property
    def state(self) -> DomainState:
        if self.verified_at is None:
            return DomainState.AWAITING_DNS
        return DomainState.ISSUING_CERTIFICATE if self.arrived_at is None else DomainState.ACTIVE


class MailKind(StrEnum):
    VERIFICATION = "verification"
    WELCOME = "welcome"
    UPDATE = "update"
    REMINDER = "reminder"


class MailState(StrEnum):
    """What became of one mail to one person. A queued one may have been tried already: its reply says how."""

    QUEUED = "queued"
    SENT = "sent"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    SUPERSEDED = "superseded"
    DEAD = "dead"
