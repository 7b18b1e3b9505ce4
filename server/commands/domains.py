"""`herald domain`: host names of a tenant's own for its status page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from server.commands.shell import DatabaseOption, TenantOption, err, for_tenant, group, out, say

if TYPE_CHECKING:
    from server.context import TenantContext

domains = group("Host names of a tenant's own for its status page.")

AddedHost = Annotated[str, typer.Argument(help="A host name that was added.")]


@domains.command("add")
def domain_add(
    host: Annotated[str, typer.Argument(help="Such as status.example.com.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Claim a host name and show the DNS records that prove it."""

    async def claim(context: TenantContext) -> list[str]:
        from server.domains import add_domain, instructions

        return instructions(context.app, await add_domain(context, host))

    records = for_tenant(database, tenant, claim)
    say("Make these DNS records, then run `herald domain check`:")
    for record in records:
        say(f"  {record}")


@domains.command("check")
def domain_check(host: AddedHost, tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Look at the DNS now; say which record is wrong, and how."""
    from server.domains import check_domain, look_up

    check = for_tenant(database, tenant, lambda context: check_domain(context, host, look_up))
    say(f"{check.domain.host}: {check.domain.state}")
    if check.problem:
        err.print(check.problem, highlight=False, soft_wrap=True)
        sys.exit(1)


@domains.command("list")
def domain_list(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Show a tenant's host names and their states."""
    from server.domains import list_domains

    table = Table("host", "state")
    for domain in for_tenant(database, tenant, list_domains):
        table.add_row(domain.host, domain.state)
    out.print(table)


@domains.command("remove")
def domain_remove(host: AddedHost, tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Stop serving the page under a host name."""
    from server.domains import remove_domain

    for_tenant(database, tenant, lambda context: remove_domain(context, host))
    say(f"Removed {host}.")
