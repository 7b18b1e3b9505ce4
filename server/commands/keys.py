"""`herald key`: what agents, operators and panels call with."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from server.commands.shell import DatabaseOption, TenantOption, err, for_tenant, group, out, say
from server.models import Scope

keys = group("API keys of a tenant.")


@keys.command("create")
def key_create(
    name: Annotated[str, typer.Argument(help="What will use it, such as 'support bot'.")],
    tenant: TenantOption,
    scope: Annotated[list[Scope], typer.Option(help="What it may do; repeat for several.")],
    attests_addresses: Annotated[
        bool, typer.Option("--attests-addresses", help="Its host passes the signed-in customer's own address.")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Make a key and show it, once."""
    from server.keys import create_key

    key, secret = for_tenant(database, tenant, lambda context: create_key(context, name, scope, attests_addresses))
    err.print(f"Key [bold]{key.name}[/bold] ({key.id}). It is shown only now:", highlight=False)
    say(secret)


@keys.command("list")
def key_list(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Show a tenant's keys, without their secrets."""
    from server.keys import list_keys

    table = Table("id", "name", "scopes", "created", "last used", "revoked")
    for key in for_tenant(database, tenant, list_keys):
        moments = (key.created_at, key.last_used_at, key.revoked_at)
        shown = [moment.isoformat(" ", "seconds") if moment else "–" for moment in moments]
        table.add_row(key.id, key.name, ", ".join(sorted(key.scopes)), *shown)
    out.print(table)


@keys.command("revoke")
def key_revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, from `herald key list`.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Refuse a key from now on, in every process."""
    from server.keys import revoke_key

    for_tenant(database, tenant, lambda context: revoke_key(context, key_id))
    say(f"Revoked {key_id}.")
