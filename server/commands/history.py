"""`herald verify-history`: was anything that customers read changed behind Herald's back?"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from server.commands.shell import DatabaseOption, TenantOption, for_tenant, out, say


def verify_history(
    tenant: TenantOption,
    incident: Annotated[str | None, typer.Option(help="Only this incident's id.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Recompute the hash chains: was anything that customers read changed behind Herald's back?"""
    from server.history import verify

    problems = for_tenant(database, tenant, lambda context: verify(context, incident))
    for problem in problems:
        place = f"{problem.incident_id} link {problem.position}" if problem.position else problem.incident_id
        say(f"[red]broken[/red] {place}: {problem.what}")
    if problems:
        sys.exit(1)
    out.print("The history is as it was written.")
