"""What an incident meant for support: who wrote about it, who answered, who follows it, and what that spared.

Everything is counted from rows that the product keeps anyway; none of them holds what a customer wrote.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter, itemgetter
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from server.context import TenantContext
from server.errors import Invalid
from server.estimates import Estimate, TicketsAvoided, precision, tickets_avoided
from server.models import CardOutcome, Incident, MailState, Model, Scope, Severity, Status, Utc
from server.store import conversations, deliveries, incidents, matches, subscribers
from server.store.matches import Named

Row = TypeVar("Row")

AGENT_SOURCES = ("status_check", "customer_reply")
SIDEKICK = "sidekick"
MAX_INCIDENTS = 1000
DEFAULT_RANGE = timedelta(days=30)


class Way(StrEnum):
    """How somebody came to follow an incident."""

    PAGE = "page"
    AGENT = "agent"
    SIDEKICK = "sidekick"
    OTHER = "other"

    @staticmethod
    def of(source: str) -> Way:
        return _WAYS.get(source, Way.OTHER)


_WAYS = {
    "page": Way.PAGE,
    "manage page": Way.PAGE,
    "status_check": Way.AGENT,
    "status_subscribe": Way.AGENT,
    "sidekick": Way.SIDEKICK,
}


class Counts(Model):
    """One incident in numbers. A conversation that the host gave no id is counted as an answer only."""

    conversations_matched: int
    """Distinct conversations in which an answer or a card named it."""
    agent_answers: int
    """Answers of AI agents that named it."""
    agent_conversations: int
    agent_conversations_kept: int
    """Those that no human agent saw a card in."""
    agent_answers_without_conversation: int
    linked: int
    """Conversations that human agents linked to it, its card shown or not."""
    cards_shown: int
    """Conversations whose card it was; the next three are what became of them."""
    cards_linked: int
    cards_dismissed: int
    cards_ignored: int
    subscribed: Mapping[Way, int]
    """Those who follow it now, by the way that they came. Followers of the whole page are not among them."""
    mails: Mapping[MailState, int]
    """What became of mail about it; kept for 90 days."""


NUMBERS = tuple(name for name in Counts.model_fields if name not in ("subscribed", "mails"))


class Hour(Model):
    """Answers and cards that named the incident within one hour."""

    begin: Utc
    agent: int
    sidekick: int


class Summary(Model):
    """An incident with its numbers."""

    incident_id: str
    title: str
    status: Status
    severity: Severity | None
    started_at: Utc
    posted_at: Utc
    resolved_at: Utc | None
    first_contact_at: Utc | None
    """When the first customer asked about it."""
    first_contact_after_seconds: float | None
    """Counted from the moment when it was posted."""
    counts: Counts
    precision: Estimate | None
    """The share of decided cards that were linked; None before the first decision."""
    tickets_avoided: TicketsAvoided


class Report(Summary):
    hours: tuple[Hour, ...]
    """Only hours in which somebody asked, the earliest first."""


class Totals(Model):
    """Sums over every incident of a range. Somebody who follows two incidents counts twice."""

    incidents: int
    counts: Counts
    precision: Estimate | None


class SummaryPage(Model):
    since: Utc
    until: Utc
    totals: Totals
    incidents: tuple[Summary, ...]
    """The latest start first."""
    next_after: str | None
    """Pass it as `after` for the next page."""


@dataclass(frozen=True)
class Range:
    """Which incidents a summary is about: those that started within it. By default, the last 30 days."""

    since: datetime | None = None
    until: datetime | None = None


# ------------------------------------------------------------------------------------------------- operations


async def report(tenant: TenantContext, incident_id: str) -> Report:
    """What is known of one incident by now. Raises NotFound."""
    tenant.require(Scope.OPERATOR, Scope.ADMIN)
    async with tenant.read() as db:
        incident = await incidents.get(db, tenant.id, incident_id)
        [summary] = await _summaries(db, tenant.id, [incident])
        asked = await matches.by_hour(db, tenant.id, incident.id)
    return Report(**dict(summary), hours=_hours(asked))


async def summarise(
    tenant: TenantContext, wanted: Range, after: str | None = None, limit: int = 50
) -> SummaryPage:
    """Sums over the incidents that started within the range, and a page of them.

    Raises Invalid for a range that ends before it begins or holds too many incidents, and for an unknown `after`.
    """
    tenant.require(Scope.OPERATOR, Scope.ADMIN)
    if any(moment is not None and moment.tzinfo is None for moment in (wanted.since, wanted.until)):
        raise Invalid("a moment needs its time zone, as in 2026-03-14T15:00:00Z")
    until = wanted.until or tenant.now()
    since = wanted.since or until - DEFAULT_RANGE
    if since >= until:
        raise Invalid("the range ends before it begins: pass a `since` that is earlier than `until`")
    async with tenant.read() as db:
        found = await incidents.started_between(db, tenant.id, since, until, MAX_INCIDENTS + 1)
        if len(found) > MAX_INCIDENTS:
            raise Invalid(f"more than {MAX_INCIDENTS} incidents started within the range: choose a shorter one")
        summaries = await _summaries(db, tenant.id, found)
    shown, next_after = _page(summaries, after, limit)
    return SummaryPage(
        since=since, until=until, totals=_totals(summaries), incidents=tuple(shown), next_after=next_after
    )


# ------------------------------------------------------------------------------------------------------ parts


async def _summaries(db: AsyncConnection, tenant_id: str, found: Sequence[Incident]) -> list[Summary]:
    """All of them by the same few queries, however many there are."""
    ids = [incident.id for incident in found]
    gathered = Gathered(
        named=_grouped(await matches.named(db, tenant_id, ids), attrgetter("incident_id")),
        matched=await matches.conversations_of(db, tenant_id, ids, [*AGENT_SOURCES, SIDEKICK]),
        by_agents=await matches.conversations_of(db, tenant_id, ids, AGENT_SOURCES),
        kept=await matches.conversations_of_machines_alone(db, tenant_id, ids, AGENT_SOURCES),
        outcomes=_grouped(await conversations.outcomes(db, tenant_id, ids), itemgetter(0)),
        ways=_grouped(await subscribers.ways_of(db, tenant_id, ids), itemgetter(0)),
        mails=_grouped(await deliveries.states_by_incident(db, tenant_id, ids), itemgetter(0)),
    )
    return [gathered.summary(incident) for incident in found]


@dataclass(frozen=True)
class Gathered:
    """What the queries found of several incidents, by incident."""

    named: Mapping[str, Sequence[Named]]
    matched: Mapping[str, int]
    by_agents: Mapping[str, int]
    kept: Mapping[str, int]
    outcomes: Mapping[str, Sequence[tuple[str, CardOutcome, bool, int]]]
    ways: Mapping[str, Sequence[tuple[str, str, int]]]
    mails: Mapping[str, Sequence[tuple[str, MailState, int]]]

    def summary(self, incident: Incident) -> Summary:
        counts = self._counts(incident.id)
        asked = [one for one in self.named[incident.id] if one.source in (*AGENT_SOURCES, SIDEKICK)]
        first = min((one.first_at for one in asked), default=None)
        return Summary(
            incident_id=incident.id,
            title=incident.title,
            status=incident.status,
            severity=incident.severity,
            started_at=incident.started_at,
            posted_at=incident.created_at,
            resolved_at=incident.resolved_at,
            first_contact_at=first,
            first_contact_after_seconds=(first - incident.created_at).total_seconds() if first else None,
            counts=counts,
            precision=precision(counts.cards_linked, counts.cards_dismissed),
            tickets_avoided=_tickets_avoided(counts, self._of_agents(incident.id)),
        )

    def _counts(self, incident_id: str) -> Counts:
        agents = self._of_agents(incident_id)
        made: Counter[tuple[CardOutcome, bool]] = Counter()
        for _, outcome, shown, number in self.outcomes[incident_id]:
            made[outcome, shown] += number
        subscribed: Counter[Way] = Counter()
        for _, source, number in self.ways[incident_id]:
            subscribed[Way.of(source)] += number
        return Counts(
            conversations_matched=self.matched.get(incident_id, 0),
            agent_answers=sum(one.answers for one in agents),
            agent_conversations=self.by_agents.get(incident_id, 0),
            agent_conversations_kept=self.kept.get(incident_id, 0),
            agent_answers_without_conversation=sum(one.anonymous for one in agents),
            linked=sum(number for (outcome, _), number in made.items() if outcome is CardOutcome.LINKED),
            cards_shown=sum(number for (_, shown), number in made.items() if shown),
            cards_linked=made[CardOutcome.LINKED, True],
            cards_dismissed=made[CardOutcome.DISMISSED, True],
            cards_ignored=made[CardOutcome.SHOWN, True],
            subscribed=dict(subscribed),
            mails={state: number for _, state, number in self.mails[incident_id]},
        )

    def _of_agents(self, incident_id: str) -> list[Named]:
        return [one for one in self.named[incident_id] if one.source in AGENT_SOURCES]


def _grouped(rows: Iterable[Row], incident_of: Callable[[Row], str]) -> Mapping[str, Sequence[Row]]:
    """By incident; nothing for those that no row is about."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[incident_of(row)].append(row)
    return found


def _tickets_avoided(counts: Counts, by_agents: Sequence[Named]) -> TicketsAvoided:
    said = sum(one.relevance * one.answers for one in by_agents)
    return tickets_avoided(
        kept=counts.agent_conversations_kept,
        agreed=counts.subscribed.get(Way.AGENT, 0),
        linked=counts.cards_linked,
        dismissed=counts.cards_dismissed,
        relevance=said / counts.agent_answers if counts.agent_answers else 0.0,
    )


def _hours(asked: Iterable[tuple[datetime, str, int]]) -> tuple[Hour, ...]:
    agent: Counter[datetime] = Counter()
    sidekick: Counter[datetime] = Counter()
    for begin, source, number in asked:
        if source in AGENT_SOURCES:
            agent[begin] += number
        elif source == SIDEKICK:
            sidekick[begin] += number
    return tuple(
        Hour(begin=begin, agent=agent[begin], sidekick=sidekick[begin]) for begin in sorted({*agent, *sidekick})
    )


def _page(summaries: Sequence[Summary], after: str | None, limit: int) -> tuple[Sequence[Summary], str | None]:
    ids = [one.incident_id for one in summaries]
    if after is not None and after not in ids:
        raise Invalid(
            f"`after` names no incident of the range: pass the `next_after` of the page before ({after!r})"
        )
    begin = 0 if after is None else ids.index(after) + 1
    shown = summaries[begin : begin + limit]
    return shown, shown[-1].incident_id if begin + limit < len(summaries) else None


def _totals(summaries: Sequence[Summary]) -> Totals:
    numbers: Counter[str] = Counter(dict.fromkeys(NUMBERS, 0))
    subscribed: Counter[Way] = Counter()
    mails: Counter[MailState] = Counter()
    for one in summaries:
        numbers.update({name: getattr(one.counts, name) for name in NUMBERS})
        subscribed.update(one.counts.subscribed)
        mails.update(one.counts.mails)
    counts = Counts(**numbers, subscribed=dict(subscribed), mails=dict(mails))
    return Totals(
        incidents=len(summaries),
        counts=counts,
        precision=precision(counts.cards_linked, counts.cards_dismissed),
    )
