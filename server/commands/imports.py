"""`herald import`: take over the history of another status page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.shell import DatabaseOption, TenantOption, for_tenant, group, run, say
from server.errors import Invalid

imports = group("Take over the history of another status page.")


@imports.command("statuspage")
def import_statuspage(
    source: Annotated[str, typer.Argument(help="The page's address, or a file with its JSON.")],
    tenant: TenantOption,
    yes: Annotated[bool, typer.Option("--yes", help="Import; without it, only say what would be added.")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Ask addresses of your own network too, and plain HTTP.")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Take over components, incidents and maintenance, with their times; nobody gets mail. Again adds news."""
    from server.importing import import_page
    from server.statuspage import read_page

    page = read_page(_documents(source, allow_private))
    found = for_tenant(database, tenant, lambda context: import_page(context, page, dry_run=not yes))
    added = (
        f"{found.components} components, {found.incidents} incidents, {found.maintenances} maintenances "
        f"and {found.updates} updates"
    )
    if found.is_empty:
        say(f"Nothing is new: all {found.known} incidents and maintenances are here.")
    elif yes:
        say(f"Imported {added}.")
    else:
        say(f"Would import {added}. Run it again with --yes to do so.")


def _documents(source: str, allow_private: bool) -> list[bytes]:
    """Of a page's address or a file. Raises Invalid, Unavailable."""
    from server.importing import fetch_documents

    if "://" in source:
        return run(fetch_documents(source, allow_private=allow_private))
    try:
        return [Path(source).read_bytes()]
    except OSError as error:
        raise Invalid(f"cannot read {source} ({error.strerror}): name a file or an https address") from error
