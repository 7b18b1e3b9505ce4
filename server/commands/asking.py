"""`herald ask`: a customer's question, from a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from server.commands.shell import DatabaseOption, TenantOption, for_tenant, out, prepare_model, settings_of

if TYPE_CHECKING:
    from server.context import TenantContext
    from server.models import Match


def ask(
    question: Annotated[str, typer.Argument(help="What a customer wrote, or keywords, in any language.")],
    tenant: TenantOption = "demo",
    database: DatabaseOption = None,
) -> None:
    """Which active incidents is this about? Prints the matches as a table."""
    prepare_model(settings_of(database))

    async def matches(context: TenantContext) -> list[Match]:
        from server.matching import Asker, find_matches

        return await find_matches(context, question, Asker("command line"))

    found = for_tenant(database, tenant, matches)
    if not found:
        out.print("No active incident matches.")
        return
    table = Table("relevance", "", "incident", "status", "components")
    for match in found:
        names = ", ".join(component.name for component in match.incident.affected)
        table.add_row(f"{match.relevance:.2f}", match.wording, match.incident.title, match.incident.status, names)
    out.print(table)
