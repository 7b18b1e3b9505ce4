"""`herald subscriber`: what is kept of a person."""

from __future__ import annotations

from typing import Annotated

import typer

from server.commands.shell import DatabaseOption, TenantOption, for_tenant, group, out
from server.errors import NotFound

subscribers = group("What is kept of a person.")

AddressArgument = Annotated[str, typer.Argument(help="The person's e-mail address.")]


@subscribers.command("export")
def subscriber_export(address: AddressArgument, tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Print everything that is kept of an address, as JSON."""
    from server.consent import export_person

    kept = for_tenant(database, tenant, lambda context: export_person(context, address))
    out.print_json(data=kept, ensure_ascii=False)


@subscribers.command("erase")
def subscriber_erase(address: AddressArgument, tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Forget an address: its subscriptions, requests, mail and evidence of consent."""
    from server.consent import erase_person

    if not for_tenant(database, tenant, lambda context: erase_person(context, address)):
        raise NotFound("nothing is kept of this address")
    out.print("Erased.")
