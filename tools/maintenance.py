"""Maintenance tools: plan a window, change it, call it off, and see what is planned."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import AwareDatetime, BaseModel, Field

from server import maintenance
from server.context import TenantContext
from server.maintenance import Cancellation, MaintenanceDraft, MaintenanceEdit
from server.models import Incident, Status, Tenant
from server.notifications import count_told
from tools.desk import Desk, tenant_of
from tools.incidents import DryRun, ExpectedVersion, IdempotencyKey, Message, Notify
from tools.views import IncidentSummary, IncidentView, incident_view, result, summary_fields

MaintenanceStatus = Literal[Status.IN_PROGRESS, Status.VERIFYING, Status.COMPLETED]

MaintenanceId = Annotated[str, Field(description="Its id, such as `inc_01jd…`, from maintenance_list")]
Title = Annotated[str, Field(min_length=1, max_length=200, description="What is done, such as `Database upgrade`")]
StartsAt = Annotated[AwareDatetime, Field(description="When it begins, with its UTC offset; not in the past")]
EndsAt = Annotated[AwareDatetime, Field(description="When it is over at the latest; then it counts as completed")]


class PlannedSummary(IncidentSummary):
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class Planned(IncidentView):
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    subscribers_told: Annotated[int, Field(description="How many subscribers hear of this post")]


class Schedule(BaseModel):
    open: Annotated[list[PlannedSummary], Field(description="Scheduled or under way, the next one first")]
    past: Annotated[list[PlannedSummary], Field(description="Completed or cancelled, the latest first")]


async def maintenance_schedule(
    ctx: Context[Desk],
    title: Title,
    starts_at: StartsAt,
    ends_at: EndsAt,
    message: Message = None,
    components: Annotated[list[str], Field(description="Ids or names of the components it touches")] = [],  # noqa: B006
    notify: Notify = True,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Annotated[CallToolResult, Planned]:
    """Plan maintenance and announce it: the page and its calendar show it, subscribers hear of it.

    Call it for planned work, never for a failure: that is `incident_create`. By itself it reminds subscribers
    before the window, shows its components in maintenance from `starts_at` on, and completes at `ends_at`.
    Returns the maintenance with its id.
    """
    tenant = tenant_of(ctx)
    draft = MaintenanceDraft(
        title=title,
        message=message,
        components=tuple(components),
        starts_at=starts_at,
        ends_at=ends_at,
        notify=notify,
    )
    planned = await maintenance.schedule_maintenance(tenant, draft, idempotency_key, dry_run)
    return await _planned(tenant, planned, notify)


async def maintenance_update(
    ctx: Context[Desk],
    incident_id: MaintenanceId,
    message: Message = None,
    title: Title | None = None,
    components: Annotated[list[str] | None, Field(description="All components it touches from now on")] = None,
    starts_at: StartsAt | None = None,
    ends_at: EndsAt | None = None,
    status: Annotated[
        MaintenanceStatus | None,
        Field(description="Only to begin or end it by hand: the clock does it at the window"),
    ] = None,
    notify: Notify = True,
    expected_version: ExpectedVersion = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Annotated[CallToolResult, Planned]:
    """Post news of a maintenance, move or prolong its window, or begin or end it by hand.

    Call it when plans change; what is left out stays. Work that overruns needs a later `ends_at`, or it completes
    by the clock. To call it off before it begins use `maintenance_cancel`. Returns the maintenance.
    """
    tenant = tenant_of(ctx)
    edit = MaintenanceEdit(
        incident_id=incident_id,
        title=title,
        message=message,
        components=None if components is None else tuple(components),
        starts_at=starts_at,
        ends_at=ends_at,
        status=status,
        notify=notify,
    )
    edited = await maintenance.edit_maintenance(tenant, edit, expected_version, idempotency_key, dry_run)
    return await _planned(tenant, edited, notify)


async def maintenance_cancel(
    ctx: Context[Desk],
    incident_id: MaintenanceId,
    message: Message = None,
    notify: Notify = True,
    expected_version: ExpectedVersion = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Annotated[CallToolResult, Planned]:
    """Call off a maintenance that has not begun, and tell those who heard of it.

    Call it when the work will not take place; to move it use `maintenance_update`. It stays readable as cancelled.
    One that has begun is ended with `maintenance_update` and the status `completed`. Returns the maintenance.
    """
    tenant = tenant_of(ctx)
    wanted = Cancellation(incident_id=incident_id, message=message, notify=notify)
    cancelled = await maintenance.cancel_maintenance(tenant, wanted, expected_version, idempotency_key, dry_run)
    return await _planned(tenant, cancelled, notify)


async def maintenance_list(ctx: Context[Desk]) -> Annotated[CallToolResult, Schedule]:
    """List the maintenance that is planned or under way, and the latest that is past, with windows and ids.

    Call it before planning, to see what is planned already, and for ids. Failures are in `incident_list`. Returns
    the open and the past ones.
    """
    tenant = tenant_of(ctx)
    page = (await tenant.app.snapshots.get(tenant.id)).tenant
    listed = await maintenance.list_maintenance(tenant)
    return result(
        Schedule(
            open=[_summary(tenant, page, one) for one in listed.open],
            past=[_summary(tenant, page, one) for one in listed.past],
        )
    )


def _summary(tenant: TenantContext, page: Tenant, planned: Incident) -> PlannedSummary:
    return PlannedSummary(
        **summary_fields(tenant, page, planned), starts_at=planned.starts_at, ends_at=planned.ends_at
    )


async def _planned(tenant: TenantContext, planned: Incident, notify: bool) -> CallToolResult:
    page = (await tenant.app.snapshots.get(tenant.id)).tenant
    view = incident_view(tenant, page, planned)
    told = await count_told(tenant, planned) if notify else 0
    return result(
        Planned(**view.model_dump(), starts_at=planned.starts_at, ends_at=planned.ends_at, subscribers_told=told)
    )
