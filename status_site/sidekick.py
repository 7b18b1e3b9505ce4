"""The Sidekick over HTTP: what a support desk, or the panel inside it, asks on behalf of a human agent."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from litestar import Router, delete, get, post
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import JSONBody, QueryParameter
from litestar.response import Stream
from pydantic import BaseModel

from server import conversations, panels, replies
from server.config import Settings
from server.context import TenantContext
from server.conversations import Answer, Batch, CardRequest, DismissRequest, Linked, LinkRequest, WhyRequest
from server.models import Scope
from server.panels import PanelToken, TokenRequest
from server.replies import Reply, ReplyRequest
from status_site.bearer import REFUSALS, Caller, HttpRequest, caller_of, secret_of

PATH = "/sidekick/v1"
MAX_BODY_BYTES = 4_000_000


class Answers(BaseModel):
    answers: list[Answer]


async def tenant_of(request: HttpRequest) -> TenantContext:
    """The tenant that the bearer's key or panel token lets in as a Sidekick. Raises 401 and 429, and Refused."""
    tenant = await caller_of(request)
    tenant.require(Scope.SIDEKICK)
    return tenant


@post("/match", status_code=200)
async def match(tenant: Caller, data: JSONBody[CardRequest]) -> Answer:
    """Which incident is this conversation about? The card to show, or null, and others that it may be about."""
    return await conversations.find_card(tenant, data)


@post("/match/batch", status_code=200)
async def match_batch(tenant: Caller, data: JSONBody[Batch]) -> Answers:
    """The same for many conversations in one call, in the order in which they were sent."""
    return Answers(answers=await conversations.find_cards(tenant, data.conversations))


@post("/why", status_code=200)
async def why(tenant: Caller, data: JSONBody[WhyRequest]) -> dict[str, Any]:
    """Which words of the message, and which parts of the incident, carry the match: offsets and shares."""
    return asdict(await conversations.why(tenant, data))


@post("/link", status_code=200)
async def link(tenant: Caller, data: JSONBody[LinkRequest]) -> Linked:
    """Link the conversation to the incident and subscribe the customer to it. Again changes nothing."""
    return await conversations.link(tenant, data)


@delete("/link")
async def unlink(
    tenant: Caller,
    conversation_id: Annotated[str, QueryParameter(min_length=1, max_length=200)],
    incident_id: Annotated[str, QueryParameter(min_length=1, max_length=64)],
) -> None:
    """Take the link back. A subscription stays: only its owner ends it."""
    await conversations.unlink(tenant, conversation_id, incident_id)


@post("/dismiss", status_code=204)
async def dismiss(tenant: Caller, data: JSONBody[DismissRequest]) -> None:
    """Not this one: do not show it in this conversation again."""
    await conversations.dismiss(tenant, data)


@post("/reply", status_code=200)
async def reply(tenant: Caller, data: JSONBody[ReplyRequest]) -> Reply:
    """A draft that acknowledges the incident in the customer's language. Nothing is sent."""
    return await replies.write_reply(tenant, data)


@post("/token", status_code=200)
async def token(request: HttpRequest, tenant: Caller, data: JSONBody[TokenRequest]) -> PanelToken:
    """A token for one agent's browser, for 15 minutes. Called by your server, which holds the key."""
    panels.check_may_mint(secret_of(request))
    return panels.mint(tenant, data)


@get("/stream", media_type="text/event-stream")
async def stream(request: HttpRequest, tenant: Caller) -> Stream:
    """Server-sent events, one for each incident that reads otherwise now: ask for the card again."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(request.app.state.streams.open(tenant.id), media_type="text/event-stream", headers=headers)


ROUTER = Router(
    PATH,
    route_handlers=[match, match_batch, why, link, unlink, dismiss, reply, token, stream],
    dependencies={"tenant": Provide(tenant_of)},
    exception_handlers=REFUSALS,
    request_max_body_size=MAX_BODY_BYTES,
    security=[{"bearer": []}],
    include_in_schema=True,
    tags=["Sidekick"],
)


def openapi() -> OpenAPIConfig:
    """Describes these routes, and those of the reports, at /sidekick/openapi.json."""
    return OpenAPIConfig(
        title="Herald: Sidekick and reports",
        version="1",
        path="/sidekick",
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
        components=Components(security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}),
    )


def cors(settings: Settings) -> CORSConfig | None:
    """Which other sites' scripts may call: those where the panel may stand."""
    if not settings.panel_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.panel_origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["authorization", "content-type"],
        expose_headers=["retry-after"],
    )
