"""`status_subscribe`: act on a customer's answer to the offer of updates."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import BaseModel, Field

from server.consent import Answer, Reply, subscribe_on_reply
from tools.desk import Desk, tenant_of
from tools.views import result


class StatusSubscribe(BaseModel):
    status: Annotated[Answer, Field(description="What became of the reply")]
    reason: Annotated[str, Field(description="Why, for you; not for the customer")]
    say: Annotated[str, Field(description="A sentence to say next, in the customer's language")]
    verdict: Annotated[str, Field(description="What the reply was read as: yes, no or unclear")]
    address: Annotated[str | None, Field(description="Where the mail goes, if any is sent")] = None
    channel: Annotated[str | None, Field(description="What the customer wants instead of mail, if said")] = None


async def status_subscribe(
    ctx: Context[Desk],
    incident_id: Annotated[
        str, Field(max_length=64, description="The incident's id from status_check, or `all` for every incident")
    ],
    reply: Annotated[
        str, Field(max_length=20_000, description="The customer's answer, word for word; never your summary")
    ],
    email: Annotated[
        str | None, Field(max_length=254, description="The signed-in customer's address, if you know it")
    ] = None,
    offer_id: Annotated[
        str | None, Field(max_length=64, description="The offer's id, if you asked status_check's question")
    ] = None,
    offer: Annotated[
        str | None, Field(max_length=5_000, description="Else the exact question that the customer answered")
    ] = None,
    conversation_id: Annotated[
        str | None, Field(max_length=200, description="Your id of this conversation; kept only as a keyed hash")
    ] = None,
    language: Annotated[
        str | None, Field(max_length=35, description="The customer's language as a BCP 47 tag, such as `es`")
    ] = None,
    agent_believes: Annotated[
        bool, Field(description="You take an unclear reply for a yes: where allowed, a mail asks the customer")
    ] = False,
) -> Annotated[CallToolResult, StatusSubscribe]:
    """Subscribe a customer to e-mail updates on an incident if their reply to your offer is a clear yes.

    Call it right after the customer answered the offer from `status_check`, with the answer as it was written.
    Do not call it before you asked, or to decide for the customer. It judges the reply in any language and returns
    `subscribed`, `verification_sent` (the customer must press a button in a mail), `ask_again` when it is no clear
    yes, or `declined` when it is a no. Say the returned sentence. Calling it again changes nothing.
    """
    outcome = await subscribe_on_reply(
        tenant_of(ctx),
        Reply(
            text=reply,
            incident_id=incident_id,
            address_on_file=email,
            offer_id=offer_id,
            offer_text=offer,
            conversation_id=conversation_id,
            language=language,
            agent_believes=agent_believes,
        ),
    )
    return result(
        StatusSubscribe(
            status=outcome.answer,
            reason=outcome.reason,
            say=outcome.say,
            verdict=outcome.analysis.verdict,
            address=outcome.address,
            channel=outcome.analysis.channel,
        )
    )
