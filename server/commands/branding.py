"""`herald branding`: how a tenant's page looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from server.commands.shell import DatabaseOption, TenantOption, for_tenant, group, out, say
from server.errors import Invalid

if TYPE_CHECKING:
    from server.context import TenantContext

branding = group("How a tenant's page looks: logo, colour, words.")


@branding.command("set")
def branding_set(
    tenant: TenantOption,
    file: Annotated[Path | None, typer.Argument(help="The logo: PNG, JPEG, WebP or SVG.", exists=True)] = None,
    favicon: Annotated[Path | None, typer.Option(help="The favicon: PNG, JPEG, WebP or SVG.", exists=True)] = None,
    title: Annotated[str | None, typer.Option(help="What the page is called.")] = None,
    description: Annotated[str | None, typer.Option(help="A line below its sentence.")] = None,
    colour: Annotated[str | None, typer.Option(help="Such as '#34407f'.")] = None,
    home_url: Annotated[str | None, typer.Option(help="The company's site.")] = None,
    support_url: Annotated[str | None, typer.Option(help="Where customers get help: https: or mailto:.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Change what is given; an empty text takes it back."""
    words = {
        "title": title,
        "description": description,
        "colour": colour,
        "home_url": home_url,
        "support_url": support_url,
    }
    pictures = {role: path.read_bytes() for role, path in (("logo", file), ("favicon", favicon)) if path}

    async def change(context: TenantContext) -> None:
        from server.branding import edit_branding, set_picture, spoken_changes
        from server.pictures import PictureRole

        for role, picture in pictures.items():
            await set_picture(context, PictureRole(role), picture)
        if any(word is not None for word in words.values()) or not pictures:
            await edit_branding(context, spoken_changes(**words))

    for_tenant(database, tenant, change)
    branding_show(tenant, database)


@branding.command("show")
def branding_show(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Show what is set."""
    from server.branding import get_branding

    found = for_tenant(database, tenant, get_branding)
    table = Table(show_header=False)
    for name, value in found.model_dump(exclude={"logo", "favicon"}).items():
        table.add_row(name, escape(str(value or "–")))
    out.print(table)


@branding.command("clear")
def branding_clear(
    tenant: TenantOption,
    role: Annotated[str | None, typer.Argument(help="logo or favicon alone; everything by default.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Back to the tenant's name in Herald's own look."""
    from server.branding import clear_branding, clear_picture
    from server.pictures import PictureRole

    if role is None:
        for_tenant(database, tenant, clear_branding)
    elif role in tuple(PictureRole):
        for_tenant(database, tenant, lambda context: clear_picture(context, PictureRole(role)))
    else:
        raise Invalid(f"{role!r} is no picture of a page: name logo or favicon, or nothing for everything")
    say("Cleared.")
