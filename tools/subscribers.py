"""Subscriber tools: who hears of incidents, and what became of their mail; for the owner of the page."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import BaseModel, Field

from server.mail.overview import overview
from server.models import MailState, Subscriber, TopicKind
from server.subscriptions import list_subscribers
from tools.desk import Desk, tenant_of
from tools.views import result


class TopicView(BaseModel):
    kind: TopicKind
    id: str | None = None


class SubscriberView(BaseModel):
    id: str
    address: str
    language: str | None = None
    created_at: datetime
    topics: list[TopicView]


class SubscriberList(BaseModel):
    total: Annotated[int, Field(description="How many hear of anything")]
    subscribers: list[SubscriberView]
    next_after: Annotated[str | None, Field(description="Pass it as `after` for the next page")] = None


class DeliveryReport(BaseModel):
    place: Annotated[str, Field(description="Where mail is sent")]
    trouble: Annotated[str | None, Field(description="What keeps it from being sent")] = None
    paused_until: datetime | None = None
    subscribers: int
    mails: Annotated[dict[MailState, int], Field(description="Mails by what became of them")]
    suppressed: Annotated[dict[str, int], Field(description="Addresses that get no mail, by reason")]


async def subscriber_list(
    ctx: Context[Desk],
    after: Annotated[str | None, Field(max_length=64, description="`next_after` of the page before")] = None,
    limit: Annotated[int, Field(ge=1, le=50, description="Subscribers a page")] = 20,
) -> Annotated[CallToolResult, SubscriberList]:
    """List who hears of incidents by mail, with what each asked for, and how many there are.

    Call it to answer whether somebody is subscribed. Do not call it only for the number: `delivery_report` has it
    without anybody's address. Returns addresses, which are personal data: repeat none that was not asked for.
    """
    found, total = await list_subscribers(tenant_of(ctx), after, limit + 1)
    shown = found[:limit]
    more = shown[-1].id if len(found) > limit else None
    return result(SubscriberList(total=total, subscribers=[_view(person) for person in shown], next_after=more))


async def delivery_report(ctx: Context[Desk]) -> Annotated[CallToolResult, DeliveryReport]:
    """Report what became of mail to subscribers: how many were sent, wait, bounced or were given up.

    Call it after a post, or when somebody says that no mail came. For a single person see `subscriber_list`
    instead. Returns counts, and what keeps mail from being sent if something does.
    """
    seen = await overview(tenant_of(ctx), failing=0)
    return result(DeliveryReport.model_validate(seen.model_dump(include=set(DeliveryReport.model_fields))))


def _view(person: Subscriber) -> SubscriberView:
    return SubscriberView(
        id=person.id,
        address=person.address,
        language=person.language,
        created_at=person.created_at,
        topics=[
            TopicView(kind=subscription.topic.kind, id=subscription.topic.id or None)
            for subscription in person.subscriptions
        ],
    )
