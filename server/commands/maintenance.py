"""`herald maintenance`: plan work in a window, move it, call it off, and see what is planned."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.table import Column, Table

from server.commands.shell import DatabaseOption, TenantOption, for_tenant, group, out, say
from server.errors import Invalid

if TYPE_CHECKING:
    from server.context import TenantContext
    from server.models import Incident

maintenance = group("Planned maintenance: announced, begun and completed by the clock.")

Planned = Annotated[str, typer.Argument(help="Its id, from `herald maintenance list`.")]
Message = Annotated[str | None, typer.Option(help="What customers shall read.")]
Silent = Annotated[bool, typer.Option("--silent", help="Tell no subscriber.")]
TIME = "Such as 2026-12-01T22:00, in the tenant's time zone unless it says another."


@maintenance.command("schedule")
def maintenance_schedule(
    title: Annotated[str, typer.Argument(help="What is done, such as 'Database upgrade'.")],
    tenant: TenantOption,
    starts: Annotated[str, typer.Option(help=TIME)],
    ends: Annotated[str, typer.Option(help=TIME)],
    component: Annotated[list[str] | None, typer.Option(help="What it touches; any number.")] = None,
    message: Message = None,
    silent: Silent = False,
    database: DatabaseOption = None,
) -> None:
    """Plan maintenance and announce it."""

    async def plan(context: TenantContext) -> Incident:
        from server.maintenance import MaintenanceDraft, schedule_maintenance

        draft = MaintenanceDraft(
            title=title,
            message=message,
            components=tuple(component or ()),
            starts_at=await _moment(context, starts),
            ends_at=await _moment(context, ends),
            notify=not silent,
        )
        return await schedule_maintenance(context, draft)

    say(f"Planned {for_tenant(database, tenant, plan).id}.")


@maintenance.command("update")
def maintenance_update(
    planned: Planned,
    tenant: TenantOption,
    starts: Annotated[str | None, typer.Option(help=TIME)] = None,
    ends: Annotated[str | None, typer.Option(help=TIME)] = None,
    title: Annotated[str | None, typer.Option(help="A new title.")] = None,
    component: Annotated[list[str] | None, typer.Option(help="All that it touches from now on.")] = None,
    message: Message = None,
    silent: Silent = False,
    database: DatabaseOption = None,
) -> None:
    """Move or prolong the window, or post news."""

    async def edit(context: TenantContext) -> Incident:
        from server.maintenance import MaintenanceEdit, edit_maintenance

        wanted = MaintenanceEdit(
            incident_id=planned,
            title=title,
            message=message,
            components=tuple(component) if component else None,
            starts_at=await _moment(context, starts) if starts else None,
            ends_at=await _moment(context, ends) if ends else None,
            notify=not silent,
        )
        return await edit_maintenance(context, wanted)

    say(f"Changed {for_tenant(database, tenant, edit).id}.")


@maintenance.command("cancel")
def maintenance_cancel(
    planned: Planned,
    tenant: TenantOption,
    message: Message = None,
    silent: Silent = False,
    database: DatabaseOption = None,
) -> None:
    """Call off a maintenance that has not begun."""

    async def cancel(context: TenantContext) -> Incident:
        from server.maintenance import Cancellation, cancel_maintenance

        wanted = Cancellation(incident_id=planned, message=message, notify=not silent)
        return await cancel_maintenance(context, wanted)

    say(f"Called off {for_tenant(database, tenant, cancel).id}.")


@maintenance.command("list")
def maintenance_list(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Show what is planned or under way, the next one first, then what is past. Times are in UTC."""
    from server.maintenance import list_maintenance

    listed = for_tenant(database, tenant, list_maintenance)
    table = Table(Column("id", no_wrap=True), "title", "status", "starts", "ends")
    for one in (*listed.open, *listed.past):
        table.add_row(one.id, one.title, one.status, _shown(one.starts_at), _shown(one.ends_at))
    out.print(table)


async def _moment(tenant: TenantContext, text: str) -> datetime:
    """Raises Invalid for what is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is no time: write it like 2026-12-01T22:00") from error
    if moment.tzinfo is not None:
        return moment
    snapshot = await tenant.app.snapshots.get(tenant.id)
    return moment.replace(tzinfo=ZoneInfo(snapshot.tenant.settings.time_zone))


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
