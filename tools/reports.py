"""The report tool: what an incident meant for support, in numbers; for operators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import BaseModel, Field

from server import reports
from server.estimates import Estimate
from server.models import MailState, Severity, Status
from server.reports import Report, Way
from tools.desk import Desk, tenant_of
from tools.views import result

MOST_HOURS = 48


class EstimateView(BaseModel):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class HourView(BaseModel):
    begin: datetime
    agent: int
    sidekick: int


class IncidentReport(BaseModel):
    id: str
    title: str
    status: Status
    severity: Severity | None = None
    posted_at: datetime
    resolved_at: datetime | None = None
    first_contact_after_seconds: Annotated[
        float | None, Field(description="From the post to the first customer who asked about it")
    ] = None
    conversations_matched: int
    agent_answers: Annotated[int, Field(description="Answers of status_check that named it")]
    agent_conversations: int
    agent_conversations_kept: Annotated[int, Field(description="In which no human agent saw a card")]
    linked: Annotated[int, Field(description="Conversations that human agents linked to it")]
    cards_shown: int
    cards_linked: int
    cards_dismissed: int
    cards_ignored: int
    subscribed: Annotated[dict[Way, int], Field(description="Who follows it now, by the way they came")]
    mails: Annotated[dict[MailState, int], Field(description="Mails about it, by what became of them")]
    precision: Annotated[
        EstimateView | None, Field(description="Share of decided cards that were linked; absent before the first")
    ] = None
    tickets_avoided: Annotated[EstimateView, Field(description="An estimate: pass its assumptions on with it")]
    assumptions: Annotated[list[str], Field(description="What tickets_avoided rests on")]
    hours: Annotated[list[HourView], Field(description="Messages an hour, at most the last 48 that had any")]


async def incident_report(
    ctx: Context[Desk], incident_id: Annotated[str, Field(description="Incident id, such as `inc_01jd…`")]
) -> Annotated[CallToolResult, IncidentReport]:
    """Report what an incident meant for support: who asked, who answered, who follows it, what that spared.

    Call it after an incident, or during one to see whether it grows. Do not call it for what the incident is
    about: `incident_get` has that. Returns counts, the precision of the cards and an estimate of tickets avoided,
    both with 95 % intervals, and messages an hour. Nothing that a customer wrote is in it.
    """
    return result(_view(await reports.report(tenant_of(ctx), incident_id)))


def _view(found: Report) -> IncidentReport:
    counts = found.counts
    return IncidentReport(
        id=found.incident_id,
        title=found.title,
        status=found.status,
        severity=found.severity,
        posted_at=found.posted_at,
        resolved_at=found.resolved_at,
        first_contact_after_seconds=found.first_contact_after_seconds,
        **{name: getattr(counts, name) for name in IncidentReport.model_fields if name in reports.NUMBERS},
        subscribed=dict(counts.subscribed),
        mails=dict(counts.mails),
        precision=_estimate(found.precision) if found.precision else None,
        tickets_avoided=_estimate(found.tickets_avoided),
        assumptions=list(found.tickets_avoided.assumptions),
        hours=[HourView(**hour.model_dump()) for hour in found.hours[-MOST_HOURS:]],
    )


def _estimate(found: Estimate) -> EstimateView:
    return EstimateView(value=round(found.value, 3), low=round(found.low, 3), high=round(found.high, 3))
