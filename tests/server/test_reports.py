"""A report counts what happened, once each, of one tenant alone, and says how sure it is of what it estimates."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.context import TenantContext
from server.conversations import (
    CardRequest,
    Customer,
    DismissRequest,
    LinkRequest,
    dismiss,
    find_card,
    link,
)
from server.errors import Invalid, NotFound, Refused
from server.estimates import precision, tickets_avoided
from server.incidents import IncidentDraft, create_incident
from server.matching import Asker, find_matches
from server.models import Ground, Incident, MailState, Scope, Topic, TopicKind
from server.report_csv import COLUMNS, hours_csv, incidents_csv
from server.reports import Range, Report, Way, report, summarise
from server.subscriptions import enrol
from tests.conftest import Clock, actor

ABOUT_CARDS = "my card payment keeps failing at checkout"


async def post(tenant: TenantContext, title: str = "Card payments fail") -> Incident:
    return await create_incident(tenant, IncidentDraft(title=title, message=f"{title}. We are looking into it."))


async def ask_agent(tenant: TenantContext, conversation: str | None) -> None:
    assert await find_matches(tenant, ABOUT_CARDS, Asker("status_check", conversation), limit=1, min_relevance=0)


async def show_card(tenant: TenantContext, conversation: str) -> None:
    assert (await find_card(tenant, CardRequest(conversation_id=conversation, message=ABOUT_CARDS))).card


async def report_of(tenant: TenantContext, incident: Incident) -> Report:
    await tenant.app.recorder.flush()
    return await report(tenant, incident.id)


async def follow(tenant: TenantContext, address: str, source: str, incident: Incident) -> None:
    topic = Topic(kind=TopicKind.INCIDENT, id=incident.id)
    await enrol(tenant, address, topic, Ground(source=source, attested=True), "en")


# -------------------------------------------------------------------------------------------------- one incident


async def test_an_incident_that_nobody_asked_about_has_an_empty_report(acme: TenantContext) -> None:
    found = await report_of(acme, await post(acme))

    assert (found.counts.conversations_matched, found.counts.agent_answers, found.counts.cards_shown) == (0, 0, 0)
    assert (found.first_contact_after_seconds, found.precision, found.hours) == (None, None, ())
    assert (found.tickets_avoided.low, found.tickets_avoided.value, found.tickets_avoided.high) == (0, 0, 0)


async def test_answers_of_agents_are_counted_and_conversations_once(acme: TenantContext) -> None:
    incident = await post(acme)
    for conversation in ("c1", "c1", "c2", None):
        await ask_agent(acme, conversation)

    counts = (await report_of(acme, incident)).counts

    assert (counts.agent_answers, counts.agent_conversations) == (4, 2)
    assert counts.agent_answers_without_conversation == 1
    assert counts.conversations_matched == 2


async def test_a_conversation_that_a_human_agent_saw_was_not_kept_by_the_machine(acme: TenantContext) -> None:
    incident = await post(acme)
    for conversation in ("c1", "c2", "c3"):
        await ask_agent(acme, conversation)
    await show_card(acme, "c3")

    counts = (await report_of(acme, incident)).counts

    assert (counts.agent_conversations, counts.agent_conversations_kept) == (3, 2)
    assert counts.conversations_matched == 3


async def test_what_agents_made_of_cards_adds_up_and_gives_the_precision(acme: TenantContext) -> None:
    incident = await post(acme)
    for conversation in ("c1", "c2", "c3", "c4"):
        await show_card(acme, conversation)
    for conversation in ("c1", "c2", "found alone"):
        await link(acme, LinkRequest(conversation_id=conversation, incident_id=incident.id, subscribe=False))
    await dismiss(acme, DismissRequest(conversation_id="c3", incident_id=incident.id))

    found = await report_of(acme, incident)

    counts = found.counts
    assert (counts.cards_shown, counts.cards_linked, counts.cards_dismissed, counts.cards_ignored) == (4, 2, 1, 1)
    assert counts.linked == 3
    assert found.precision is not None
    assert found.precision.value == pytest.approx(2 / 3)


async def test_followers_are_counted_by_the_way_that_they_came(acme: TenantContext) -> None:
    incident = await post(acme)
    attesting = replace(acme, actor=replace(actor(*Scope), attests_addresses=True))
    await follow(attesting, "ana@shop.example", "status_subscribe", incident)
    await follow(attesting, "ben@shop.example", "page", incident)
    customer = Customer(email="cleo@shop.example")
    await link(attesting, LinkRequest(conversation_id="c1", incident_id=incident.id, customer=customer))

    counts = (await report_of(acme, incident)).counts

    assert counts.subscribed == {Way.AGENT: 1, Way.PAGE: 1, Way.SIDEKICK: 1}
    assert counts.mails[MailState.QUEUED] == 6, "a welcome each, and what was posted already"


async def test_messages_are_counted_by_the_hour_from_the_first_contact_on(
    acme: TenantContext, clock: Clock
) -> None:
    incident = await post(acme)  # at 15:09:26
    clock.advance(minutes=10)
    await ask_agent(acme, "c1")
    clock.advance(minutes=45)
    await show_card(acme, "c2")
    await ask_agent(acme, "c3")

    found = await report_of(acme, incident)

    assert found.first_contact_after_seconds == 600
    hours = [(f"{hour.begin:%H:%M}", hour.agent, hour.sidekick) for hour in found.hours]
    assert hours == [("15:00", 1, 0), ("16:00", 1, 1)]


async def test_trying_the_matching_out_counts_as_nobody(acme: TenantContext) -> None:
    incident = await post(acme)
    await find_matches(acme, ABOUT_CARDS, Asker("command line"))

    found = await report_of(acme, incident)

    assert (found.counts.conversations_matched, found.first_contact_at, found.hours) == (0, None, ())


# --------------------------------------------------------------------------------------------- who may, and whose


async def test_only_operators_and_owners_read_reports(acme: TenantContext) -> None:
    incident = await post(acme)

    for scope in (Scope.AGENT, Scope.SIDEKICK):
        with pytest.raises(Refused):
            await report(replace(acme, actor=actor(scope)), incident.id)
        with pytest.raises(Refused):
            await summarise(replace(acme, actor=actor(scope)), Range())


async def test_a_report_is_of_one_tenant_alone(acme: TenantContext, globex: TenantContext) -> None:
    incident = await post(acme)
    await ask_agent(acme, "c1")
    await acme.app.recorder.flush()

    with pytest.raises(NotFound):
        await report(globex, incident.id)
    assert (await summarise(globex, Range())).totals.incidents == 0


# ------------------------------------------------------------------------------------------------------ summary


async def test_a_summary_sums_over_its_range_and_goes_page_by_page(acme: TenantContext, clock: Clock) -> None:
    old = await post(acme)
    clock.advance(days=40)
    posted = []
    for title in ("Search is slow", "Sign-in fails", "Exports hang"):
        clock.advance(minutes=1)
        posted.append((await post(acme, title)).id)
    await ask_agent(acme, "c1")
    await acme.app.recorder.flush()
    clock.advance(minutes=1)

    first = await summarise(acme, Range(), limit=2)
    second = await summarise(acme, Range(), first.next_after, limit=2)
    everything = await summarise(acme, Range(since=old.started_at))

    assert [one.incident_id for one in (*first.incidents, *second.incidents)] == posted[::-1]
    assert second.next_after is None
    assert first.totals.incidents == 3
    assert everything.totals.incidents == 4
    answers = sum(one.counts.agent_answers for one in everything.incidents)
    assert everything.totals.counts.agent_answers == answers == 1


async def test_a_range_that_ends_before_it_begins_is_refused(acme: TenantContext) -> None:
    now = acme.now()

    with pytest.raises(Invalid, match="ends before it begins"):
        await summarise(acme, Range(since=now, until=now - timedelta(days=1)))
    with pytest.raises(Invalid, match="next_after"):
        await summarise(acme, Range(), after="inc_none")


async def test_a_spreadsheet_gets_one_line_an_incident_and_computes_no_title(acme: TenantContext) -> None:
    incident = await post(acme, '=HYPERLINK("https://evil.example","Card payments fail")')
    await ask_agent(acme, "c1")
    found = await report_of(acme, incident)

    [line] = csv.DictReader(io.StringIO(incidents_csv([found])))
    [hour] = csv.DictReader(io.StringIO(hours_csv(found)))

    assert tuple(line) == COLUMNS
    assert line["title"] == '\'=HYPERLINK("https://evil.example","Card payments fail")'
    assert (line["agent_answers"], line["precision"]) == ("1", "")
    assert hour == {"begin": "2026-03-14T15:00:00+00:00", "agent": "1", "sidekick": "0"}


# ---------------------------------------------------------------------------------------------------- estimates


def test_precision_has_the_interval_that_wilson_gives() -> None:
    found = precision(8, 2)

    assert found is not None
    assert (found.value, round(found.low, 3), round(found.high, 3)) == (0.8, 0.490, 0.943)


def test_tickets_avoided_lie_between_those_who_agreed_and_everybody_who_was_kept() -> None:
    found = tickets_avoided(kept=100, agreed=20, linked=90, dismissed=0, relevance=1.0)

    assert (found.low, found.value, found.high) == (19.3, 60.0, 100.0)


@given(
    kept=st.integers(0, 10_000), agreed=st.integers(0, 10_000), linked=st.integers(0, 1000),
    dismissed=st.integers(0, 1000), relevance=st.floats(0, 1),
)  # fmt: skip
def test_an_estimate_lies_within_its_interval_and_avoids_no_more_than_was_kept(
    kept: int, agreed: int, linked: int, dismissed: int, relevance: float
) -> None:
    found = tickets_avoided(kept=kept, agreed=agreed, linked=linked, dismissed=dismissed, relevance=relevance)

    assert 0 <= found.low <= found.value <= found.high <= kept
