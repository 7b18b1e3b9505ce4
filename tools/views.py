"""What tools return: flat, small, the same in the structured content and in the text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from server.context import TenantContext
from server.links import incident_url
from server.models import (
    Component,
    ComponentState,
    Incident,
    Revision,
    Severity,
    SeverityChange,
    Status,
    Tenant,
    Update,
    translated,
)


class ComponentView(BaseModel):
    id: str
    name: str
    state: ComponentState


class UpdateView(BaseModel):
    id: str
    at: datetime
    author: str
    status: Status | None = None
    severity: SeverityChange | None = None
    message: str | None = None
    components: list[str] | None = None
    version: int
    edited_at: datetime | None = None


class ComponentChange(BaseModel):
    id: str
    name: str
    before: ComponentState
    after: ComponentState


class RevisionView(BaseModel):
    update_id: str
    version: int
    title: str | None = None
    status: Status | None = None
    severity: SeverityChange | None = None
    message: str | None = None
    components: list[str] | None = None
    replaced_at: datetime
    replaced_by: str


class IncidentSummary(BaseModel):
    id: str
    title: str
    status: Status
    severity: Severity | None = None
    components: list[ComponentView]
    started_at: datetime
    resolved_at: datetime | None = None
    latest_update_at: datetime
    url: str
    version: int


class IncidentView(IncidentSummary):
    created_at: datetime
    next_status: Annotated[Status | None, Field(description="The usual next step, a suggestion")] = None
    history_head: Annotated[str, Field(description="Head of the hash chain over every version of every update")]
    updates: Annotated[list[UpdateView], Field(description="Oldest first")]


def incident_summary(
    tenant: TenantContext, page: Tenant, incident: Incident, language: str | None = None
) -> IncidentSummary:
    return IncidentSummary(**summary_fields(tenant, page, incident, language))


def incident_view(
    tenant: TenantContext, page: Tenant, incident: Incident, language: str | None = None
) -> IncidentView:
    return IncidentView(
        **summary_fields(tenant, page, incident, language),
        created_at=incident.created_at,
        next_status=incident.status.next,
        history_head=incident.history_head,
        updates=[_update(update, language) for update in incident.updates],
    )


def component_view(component: Component) -> ComponentView:
    return ComponentView(id=component.id, name=component.name, state=component.state)


def changed_components(before: Iterable[Component], after: Iterable[Component]) -> list[ComponentChange]:
    states = {component.id: component.state for component in before}
    return [
        ComponentChange(id=component.id, name=component.name, before=states[component.id], after=component.state)
        for component in after
        if states.get(component.id, component.state) != component.state
    ]


def revision_view(revision: Revision) -> RevisionView:
    said = revision.content
    return RevisionView(
        update_id=revision.update_id,
        version=revision.version,
        title=said.title,
        status=said.status,
        severity=said.severity,
        message=said.message,
        components=None if said.components is None else sorted(said.components),
        replaced_at=revision.replaced_at,
        replaced_by=revision.replaced_by,
    )


def result(model: BaseModel) -> CallToolResult:
    """The model twice: structured, and as compact JSON text for hosts that pass on only the text."""
    text = model.model_dump_json(exclude_none=True)
    structured = model.model_dump(mode="json", exclude_none=True)
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)


def summary_fields(
    tenant: TenantContext, page: Tenant, incident: Incident, language: str | None = None
) -> dict[str, Any]:
    """The fields of an `IncidentSummary`, for a view that adds its own and shall be made in one step."""
    return {
        "id": incident.id,
        "title": translated(incident.title, incident.title_translations, language),
        "status": incident.status,
        "severity": incident.severity,
        "components": [
            {"id": affected.id, "name": affected.name, "state": affected.impact} for affected in incident.affected
        ],
        "started_at": incident.started_at,
        "resolved_at": incident.resolved_at,
        "latest_update_at": incident.latest.at,
        "url": incident_url(tenant.app.settings, page, incident),
        "version": incident.version,
    }


def _update(update: Update, language: str | None) -> UpdateView:
    said = update.content
    return UpdateView(
        id=update.id,
        at=update.at,
        author=update.author,
        status=said.status,
        severity=said.severity,
        message=said.message and translated(said.message, said.translations, language),
        components=None if said.components is None else sorted(said.components),
        version=update.version,
        edited_at=update.edited_at,
    )
