"""Component tools: what the status page lists, in which order and state."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import BaseModel, Field

from server.components import (
    DEFAULT_GROUP,
    Described,
    create_component,
    delete_component,
    edit_component,
    list_components,
    reorder_components,
    set_own_state,
)
from server.models import Component, ComponentState
from tools.desk import Desk, tenant_of
from tools.views import ComponentView, component_view, result


class ListedComponent(ComponentView):
    group: str
    description: str
    own_state: ComponentState


class ComponentList(BaseModel):
    components: list[ListedComponent]


class Deleted(BaseModel):
    id: str
    deleted: bool


ComponentId = Annotated[str, Field(description="Component id, such as `cmp_01jd…`, from component_list")]
Name = Annotated[str, Field(min_length=1, max_length=200, description="What customers call it, such as `Web App`")]
Group = Annotated[str, Field(min_length=1, max_length=200, description="The heading it stands under")]
Description = Annotated[str, Field(max_length=2000, description="A line beside the name")]
OwnState = Annotated[ComponentState, Field(description="Shown as long as no active incident says worse")]


async def component_list(ctx: Context[Desk]) -> Annotated[CallToolResult, ComponentList]:
    """List the components of the status page, in its order, with the state that customers see.

    Call it to name components when posting an incident, or to answer how a single service is doing; for what is
    wrong with it use `incident_list`. `own_state`
    is what the operator set; `state` is what is shown while incidents say worse. Returns id, name, group,
    description and both states.
    """
    return _listed(await list_components(tenant_of(ctx)))


async def component_create(
    ctx: Context[Desk],
    name: Name,
    description: Description = "",
    group: Group = DEFAULT_GROUP,
    state: OwnState = ComponentState.OPERATIONAL,
) -> Annotated[CallToolResult, ListedComponent]:
    """Add a component to the status page, at the end of its group.

    Call it for a part of the product that customers know by name and that can fail on its own. Do not call it to
    report a failure: post an incident that names the component. Returns the component with its id.
    """
    return result(_view(await create_component(tenant_of(ctx), name, description, group, state)))


async def component_update(
    ctx: Context[Desk],
    component_id: ComponentId,
    name: Name | None = None,
    description: Description | None = None,
    group: Group | None = None,
) -> Annotated[CallToolResult, ListedComponent]:
    """Rename a component, describe it otherwise, or move it to another group. What is left out stays.

    For its state use `component_set_state`, for its place `component_reorder`. Returns the component.
    """
    said = Described(name=name, description=description, group=group)
    return result(_view(await edit_component(tenant_of(ctx), component_id, said)))


async def component_reorder(
    ctx: Context[Desk],
    component_ids: Annotated[list[str], Field(description="Every component id once, in the new order")],
) -> Annotated[CallToolResult, ComponentList]:
    """Put the components of the status page in another order.

    Call `component_list` first: all of its ids are needed. A group stands where its first component does; to move
    a component into another group use `component_update`. Returns the list in the new order.
    """
    return _listed(await reorder_components(tenant_of(ctx), component_ids))


async def component_delete(ctx: Context[Desk], component_id: ComponentId) -> Annotated[CallToolResult, Deleted]:
    """Take a component off the status page for good; past incidents go on naming it.

    Do not call it for a component that is only broken or under maintenance: use `component_set_state`. It is
    refused while an active incident affects the component. Returns the id.
    """
    await delete_component(tenant_of(ctx), component_id)
    return result(Deleted(id=component_id, deleted=True))


async def component_set_state(
    ctx: Context[Desk], component_id: ComponentId, state: OwnState
) -> Annotated[CallToolResult, ListedComponent]:
    """Set a component's own state by hand, such as `maintenance`, without an incident.

    Nobody is notified, and an active incident that says worse is shown instead. Do not call it for a failure that
    customers notice: an incident sets the state and takes it back by itself. Returns both states.
    """
    return result(_view(await set_own_state(tenant_of(ctx), component_id, state)))


def _listed(components: list[Component]) -> CallToolResult:
    return result(ComponentList(components=[_view(component) for component in components]))


def _view(component: Component) -> ListedComponent:
    return ListedComponent(
        **component_view(component).model_dump(),
        group=component.group,
        description=component.description,
        own_state=component.own_state,
    )
