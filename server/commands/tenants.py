"""`herald tenant` and `herald component`: who shares this installation, and what their pages show."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from server.commands.shell import (
    DatabaseOption,
    TenantOption,
    for_installation,
    for_tenant,
    group,
    out,
    say,
    settings_of,
)
from server.models import ComponentState

tenants = group("Companies that share this installation.")
components = group("What customers see on the status page.")


@tenants.command("create")
def tenant_create(
    slug: Annotated[str, typer.Argument(help="Short name in addresses, such as acme.")],
    name: Annotated[str | None, typer.Option(help="Name that customers see; the slug by default.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Add a tenant. Its page is at /s/SLUG."""
    from server.links import page_url
    from server.tenants import TenantDraft, create_tenant

    draft = TenantDraft(slug=slug, name=name or slug)
    tenant = for_installation(database, lambda app: create_tenant(app, draft))
    out.print(
        f"Created [bold]{tenant.slug}[/bold]; its page: {page_url(settings_of(database), tenant)}", highlight=False
    )


@tenants.command("list")
def tenant_list(database: DatabaseOption = None) -> None:
    """Show the tenants."""
    from server.links import page_url
    from server.tenants import list_tenants

    table = Table("slug", "name", "page")
    for tenant in for_installation(database, list_tenants):
        table.add_row(tenant.slug, tenant.name, page_url(settings_of(database), tenant))
    out.print(table)


@components.command("create")
def component_create(
    name: Annotated[str, typer.Argument(help="Name that customers see, such as 'Web App'.")],
    tenant: TenantOption,
    heading: Annotated[str, typer.Option("--group", help="Heading under which it stands.")] = "Core Services",
    description: Annotated[str, typer.Option(help="A line beside the name.")] = "",
    state: Annotated[ComponentState, typer.Option(help="Its own state.")] = ComponentState.OPERATIONAL,
    database: DatabaseOption = None,
) -> None:
    """Add a component at the end of its group."""
    from server.components import create_component

    component = for_tenant(
        database, tenant, lambda context: create_component(context, name, description, heading, state)
    )
    say(f"Created {component.name} ({component.id}) in {component.group}.")


@components.command("list")
def component_list(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Show a tenant's components, in the order of the page."""
    from server.components import list_components

    table = Table("id", "group", "name", "state", "own state")
    for component in for_tenant(database, tenant, list_components):
        table.add_row(component.id, component.group, component.name, component.state, component.own_state)
    out.print(table)
