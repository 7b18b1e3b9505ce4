"""Incident tools: post, update, correct, resolve and read incidents, and try a post before it is public."""

from __future__ import annotations

from typing import Annotated, Literal

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import AwareDatetime, BaseModel, Field

from server import incidents
from server.components import named_impacts
from server.context import TenantContext
from server.incidents import IncidentDraft, Resolution, UpdateDraft, UpdateEdit, drafted
from server.matching import check_title
from server.models import ComponentState, Incident, Severity, SeverityChange, Status
from server.notifications import count_told
from server.pages import overall_state
from tools.desk import Desk, tenant_of
from tools.views import (
    ComponentChange,
    IncidentSummary,
    IncidentView,
    RevisionView,
    changed_components,
    incident_summary,
    incident_view,
    result,
    revision_view,
)

IncidentStatus = Literal[Status.INVESTIGATING, Status.IDENTIFIED, Status.MONITORING, Status.RESOLVED]

IncidentId = Annotated[str, Field(description="Incident id, such as `inc_01jd…`")]
Message = Annotated[str | None, Field(description="What customers shall read, in plain words", max_length=10_000)]
Impacts = Annotated[
    dict[str, ComponentState] | None,
    Field(description="State of single components where the severity does not say it: id or name → state"),
]
Notify = Annotated[bool, Field(description="Tell subscribers")]
ExpectedVersion = Annotated[
    int | None, Field(description="Refuse if the incident's version is another: somebody else was faster")
]
IdempotencyKey = Annotated[
    str | None,
    Field(max_length=200, description="Any text of yours; the same call with it again has no second effect"),
]
FirstStatus = Annotated[IncidentStatus, Field(description="Where it stands; not resolved")]
FirstSeverity = Annotated[Severity | None, Field(description="Leave out if it shall carry none")]
DryRun = Annotated[bool, Field(description="Return what would stand, and change nothing")]
Title = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="Short and specific: what fails, where, how it shows. Matching works on this wording",
    ),
]
AffectedNow = Annotated[
    list[str] | None, Field(description="All components affected from now on, ids or names; [] for none")
]
Language = Annotated[
    str | None, Field(max_length=35, description="Show the operator's translation, if there is one")
]


class IncidentList(BaseModel):
    incidents: list[IncidentSummary]
    next_cursor: Annotated[str | None, Field(description="Pass it as `cursor` for the next page")] = None


class Posted(IncidentView):
    subscribers_told: Annotated[int, Field(description="How many subscribers hear of this post")]


class TitleCheck(BaseModel):
    specific: Annotated[bool, Field(description="Whether customers' words will find an incident of this title")]
    lacks: Annotated[list[str], Field(description="What to add to the title; empty if nothing")]


class RevisionList(BaseModel):
    revisions: list[RevisionView]


class Preview(BaseModel):
    incident: IncidentView
    subscribers_told: Annotated[int, Field(description="How many subscribers would hear of it")]
    overall_before: ComponentState
    overall_after: ComponentState
    components_changed: list[ComponentChange]


async def incident_create(
    ctx: Context[Desk],
    title: Title,
    message: Message = None,
    status: FirstStatus = Status.INVESTIGATING,
    severity: FirstSeverity = None,
    components: Annotated[list[str], Field(description="Ids or names of the affected components")] = [],  # noqa: B006
    impacts: Impacts = None,
    started_at: Annotated[AwareDatetime | None, Field(description="When it began, if before now")] = None,
    notify: Notify = True,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Annotated[CallToolResult, Posted]:
    """Post a new incident: the status page shows it, conversations are matched with it, subscribers are told.

    Call it once an outage is confirmed and nobody posted it (see `incident_list`). For news about an incident that
    is already posted use `incident_post_update`. Returns the incident with its id, version and usual next status.
    """
    tenant = tenant_of(ctx)
    draft = IncidentDraft(
        title=title,
        message=message,
        status=status,
        severity=severity,
        components=named_impacts(components, impacts) or {},
        started_at=started_at,
        notify=notify,
    )
    return await _posted(tenant, await incidents.create_incident(tenant, draft, idempotency_key, dry_run), notify)


async def incident_post_update(
    ctx: Context[Desk],
    incident_id: IncidentId,
    message: Message = None,
    status: Annotated[
        IncidentStatus | None, Field(description="The status from now on; any, also back. `resolved` closes it")
    ] = None,
    severity: Annotated[
        SeverityChange | None, Field(description="The severity from now on; `none` clears it")
    ] = None,
    components: AffectedNow = None,
    impacts: Impacts = None,
    at: Annotated[AwareDatetime | None, Field(description="When it took effect, if before now")] = None,
    notify: Notify = True,
    expected_version: ExpectedVersion = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Annotated[CallToolResult, Posted]:
    """Add an update to an incident's timeline: news, a new status, severity or set of components, or any mix.

    Call it whenever something is known that customers should know; a change of status alone is enough. Posting
    `resolved` closes the incident and returns its components to their own state; another status on a resolved
    incident reopens it. To correct what was said before use `incident_edit_update`. Returns the incident with
    `next_status`, the usual next step.
    """
    tenant = tenant_of(ctx)
    draft = UpdateDraft(
        incident_id=incident_id,
        message=message,
        status=status,
        severity=severity,
        components=named_impacts(components, impacts),
        at=at,
        notify=notify,
    )
    posted = await incidents.post_update(tenant, draft, expected_version, idempotency_key, dry_run)
    return await _posted(tenant, posted, notify)


async def incident_resolve(
    ctx: Context[Desk],
    incident_id: IncidentId,
    message: Message = None,
    at: Annotated[AwareDatetime | None, Field(description="When it was over, if before now")] = None,
    notify: Notify = True,
    expected_version: ExpectedVersion = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Annotated[CallToolResult, Posted]:
    """Close an incident: it moves to the history and its components return to their own state.

    Call it once the problem is over for customers; say in `message` what was wrong. While it is only believed to
    be over, post the status `monitoring` with `incident_post_update` instead. A closed incident is refused.
    Returns the incident with `resolved_at`.
    """
    tenant = tenant_of(ctx)
    resolution = Resolution(incident_id=incident_id, message=message, at=at, notify=notify)
    closed = await incidents.resolve_incident(tenant, resolution, expected_version, idempotency_key, dry_run)
    return await _posted(tenant, closed, notify)


async def incident_set_components(
    ctx: Context[Desk],
    incident_id: IncidentId,
    components: Annotated[list[str], Field(description="All components affected from now on; [] for none")],
    impacts: Impacts = None,
    notify: Notify = True,
    expected_version: ExpectedVersion = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Annotated[CallToolResult, Posted]:
    """Say which components an incident affects, replacing those it named before.

    Call it when it spreads, or when a component was tagged by mistake. To say something to customers with it, use
    `incident_post_update`, which takes `components` too. Returns the incident with its components.
    """
    tenant = tenant_of(ctx)
    draft = UpdateDraft(
        incident_id=incident_id,
        components=named_impacts(components, impacts),
        notify=notify,
    )
    posted = await incidents.post_update(tenant, draft, expected_version, idempotency_key, dry_run)
    return await _posted(tenant, posted, notify)


async def incident_edit_update(
    ctx: Context[Desk],
    incident_id: IncidentId,
    update_id: Annotated[str, Field(description="Update id, such as `upd_01jd…`, from incident_get")],
    message: Annotated[
        str | None, Field(description="The text as it should have been; empty removes it", max_length=10_000)
    ] = None,
    status: Annotated[IncidentStatus | None, Field(description="The status as it should have been")] = None,
    severity: Annotated[SeverityChange | None, Field(description="The severity as it should have been")] = None,
    title: Annotated[
        str | None, Field(min_length=1, max_length=200, description="A better title; only in the first update")
    ] = None,
    expected_version: ExpectedVersion = None,
    dry_run: DryRun = False,
) -> Annotated[CallToolResult, IncidentView]:
    """Correct an update that was posted wrongly: a typo, a wrong status, a vague title.

    The replaced version stays publicly readable, and nobody is notified. For news use `incident_post_update`.
    Returns the incident as it stands after the correction.
    """
    tenant = tenant_of(ctx)
    edit = UpdateEdit(
        incident_id=incident_id,
        update_id=update_id,
        message=message,
        status=status,
        severity=severity,
        title=title,
    )
    return await _shown(tenant, await incidents.edit_update(tenant, edit, expected_version, dry_run))


async def incident_list_revisions(
    ctx: Context[Desk], incident_id: IncidentId
) -> Annotated[CallToolResult, RevisionList]:
    """List what the updates of an incident said before they were corrected.

    Call it to answer who changed what, and when. What the updates say now comes from `incident_get`. Returns the
    replaced versions, oldest first within each update; none if nothing was ever corrected.
    """
    tenant = tenant_of(ctx)
    replaced = await incidents.list_revisions(tenant, incident_id)
    return result(RevisionList(revisions=[revision_view(revision) for revision in replaced]))


async def incident_preview(
    ctx: Context[Desk],
    incident_id: Annotated[
        str | None, Field(description="The incident that an update is tried on; leave out for a new incident")
    ] = None,
    title: Annotated[str | None, Field(min_length=1, max_length=200, description="For a new incident")] = None,
    message: Message = None,
    status: Annotated[IncidentStatus | None, Field(description="As it would be posted")] = None,
    severity: Annotated[SeverityChange | None, Field(description="As it would be posted")] = None,
    components: AffectedNow = None,
    impacts: Impacts = None,
) -> Annotated[CallToolResult, Preview]:
    """Show what posting an incident or an update would change, and change nothing.

    Call it before a post that needs somebody's approval. To post, call `incident_create` or
    `incident_post_update` with the same arguments. Returns the incident as it would stand, the state of the page,
    how many would be mailed, and each component that would be shown otherwise than now.
    """
    tenant = tenant_of(ctx)
    affected = named_impacts(components, impacts)
    draft = drafted(incident_id, title, message, status, severity, affected)
    before = await tenant.app.snapshots.get(tenant.id)
    incident, after = await incidents.preview(tenant, draft)
    return result(
        Preview(
            incident=incident_view(tenant, before.tenant, incident),
            subscribers_told=await count_told(tenant, incident),
            overall_before=overall_state(before),
            overall_after=overall_state(after),
            components_changed=changed_components(before.components, after.components),
        )
    )


async def incident_check_title(
    ctx: Context[Desk],
    title: Title,
    components: Annotated[list[str], Field(description="Names of the components that it will carry")] = [],  # noqa: B006
) -> Annotated[CallToolResult, TitleCheck]:
    """Check whether a draft title says enough for customers' words to find the incident.

    Call it before `incident_create`, and before a title is corrected. It does not judge whether the title is true
    or already posted (see `incident_list`). Returns what the title lacks: what fails, where, or how it shows.
    """
    found = await check_title(tenant_of(ctx), title, components)
    return result(TitleCheck(specific=found.specific, lacks=list(found.lacks)))


async def incident_get(
    ctx: Context[Desk], incident_id: IncidentId, language: Language = None
) -> Annotated[CallToolResult, IncidentView]:
    """Read one incident with its whole timeline.

    Call it when the latest update that `status_check` or `incident_list` gives is not enough. Returns status,
    severity, affected components, every update, the version for `expected_version` and the public address.
    """
    tenant = tenant_of(ctx)
    return await _shown(tenant, await incidents.get_incident(tenant, incident_id), language)


async def incident_list(
    ctx: Context[Desk],
    active: Annotated[
        bool | None, Field(description="true: unresolved only; false: resolved only; leave out for all")
    ] = None,
    cursor: Annotated[str | None, Field(max_length=200, description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Field(ge=1, le=50, description="Incidents a page")] = 20,
) -> Annotated[CallToolResult, IncidentList]:
    """List incidents, the latest start first.

    Call it to find an incident's id, to see what is open before posting, or to look back. To find out whether a
    customer's words are about an incident use `status_check`. Returns a line per incident, without timelines.
    """
    tenant = tenant_of(ctx)
    page = await incidents.list_incidents(tenant, active, cursor, limit)
    site = (await tenant.app.snapshots.get(tenant.id)).tenant
    return result(
        IncidentList(
            incidents=[incident_summary(tenant, site, incident) for incident in page.incidents],
            next_cursor=page.next_cursor,
        )
    )


async def _posted(tenant: TenantContext, incident: Incident, notify: bool) -> CallToolResult:
    site = (await tenant.app.snapshots.get(tenant.id)).tenant
    told = await count_told(tenant, incident) if notify else 0
    return result(Posted(**incident_view(tenant, site, incident).model_dump(), subscribers_told=told))


async def _shown(tenant: TenantContext, incident: Incident, language: str | None = None) -> CallToolResult:
    site = (await tenant.app.snapshots.get(tenant.id)).tenant
    return result(incident_view(tenant, site, incident, language))
