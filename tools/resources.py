"""Resources: the summary of a tenant's page and each of its incidents, as JSON, under `status://<tenant>/`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.types import Resource
from pydantic import BaseModel, Field

from server.context import TenantContext
from server.errors import NotFound
from server.incidents import get_incident
from server.links import page_url
from server.models import ComponentState
from server.pages import overall_state
from server.snapshots import Snapshot
from tools.desk import Desk, is_reader, tenant_of
from tools.following import incident_uri, summary_uri
from tools.views import (
    ComponentView,
    IncidentSummary,
    component_view,
    incident_summary,
    incident_view,
)

SUMMARY = "status://{tenant}/summary"
INCIDENT = "status://{tenant}/incidents/{incident_id}"
JSON = "application/json"


class Summary(BaseModel):
    overall: ComponentState
    components: list[ComponentView]
    active: Annotated[list[IncidentSummary], Field(description="Not resolved, the latest start first")]
    page_url: str
    as_of: datetime


async def summary(ctx: Context[Desk], tenant: str) -> str:
    """How the page stands now: overall state, components, active incidents."""
    caller, snapshot = await _own(ctx, tenant)
    return Summary(
        overall=overall_state(snapshot),
        components=[component_view(component) for component in snapshot.components],
        active=[incident_summary(caller, snapshot.tenant, incident) for incident in snapshot.active],
        page_url=page_url(caller.app.settings, snapshot.tenant),
        as_of=caller.now(),
    ).model_dump_json(exclude_none=True)


async def incident(ctx: Context[Desk], tenant: str, incident_id: str) -> str:
    """One incident with its whole timeline, as `incident_get` returns it."""
    caller, snapshot = await _own(ctx, tenant)
    try:
        found = await get_incident(caller, incident_id)
    except NotFound as error:
        raise ResourceNotFoundError(str(error)) from error
    return incident_view(caller, snapshot.tenant, found).model_dump_json(exclude_none=True)


def listed(snapshot: Snapshot) -> list[Resource]:
    """What there is to read now: the summary and the active incidents."""
    page = snapshot.tenant
    return [
        Resource(uri=summary_uri(page), name="summary", title=f"Status of {page.name}", mime_type=JSON),
        *(
            Resource(uri=incident_uri(page, active.id), name=active.id, title=active.title, mime_type=JSON)
            for active in snapshot.active
        ),
    ]


async def _own(ctx: Context[Desk], slug: str) -> tuple[TenantContext, Snapshot]:
    """The caller and what its page shows. Another tenant's resources are as those that do not exist."""
    caller = tenant_of(ctx)
    snapshot = await caller.app.snapshots.get(caller.id)
    if snapshot.tenant.slug != slug or not is_reader(caller.actor):
        raise ResourceNotFoundError("there is no such resource; resources/list shows those that exist")
    return caller, snapshot
