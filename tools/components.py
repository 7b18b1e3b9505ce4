"""Component tools."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import BaseModel

from server.components import list_components
from server.models import ComponentState
from tools.desk import Desk, tenant_of
from tools.views import ComponentView, component_view, result


class ListedComponent(ComponentView):
    group: str
    description: str
    own_state: ComponentState


class ComponentList(BaseModel):
    components: list[ListedComponent]


async def component_list(ctx: Context[Desk]) -> Annotated[CallToolResult, ComponentList]:
    """List the components of the status page, in its order, with the state that customers see.

    Call it to name components when posting an incident, or to answer how a single service is doing. `own_state`
    is what the operator set; `state` is what is shown while incidents say worse. Returns id, name, group,
    description and both states.
    """
    tenant = tenant_of(ctx)
    return result(
        ComponentList(
            components=[
                ListedComponent(
                    **component_view(component).model_dump(),
                    group=component.group,
                    description=component.description,
                    own_state=component.own_state,
                )
                for component in await list_components(tenant)
            ]
        )
    )
