"""The pages that people read: status, incident, component and history."""

from __future__ import annotations

from datetime import date

from server.errors import NotFound
from server.pages import Month, find_incident
from status_site.documents import Document
from status_site.view import View

MONTHS_PER_PAGE = 3


async def status(view: View) -> Document:
    return await view.html("page.html")


async def incident(view: View, slug: str) -> Document:
    found, revisions = await find_incident(view.app, view.snapshot, slug)
    return await view.html("incident.html", incident=found, revisions=revisions)


async def component(view: View, component_id: str) -> Document:
    return await view.html("component.html", shown=view.page.component(component_id))


async def history(view: View, newest: str | None = None) -> Document:
    """Three months, from the one named (`2026-08`) back; from this month by default."""
    months = view.page.months()
    first = _place(months, newest) if newest else 0
    last = first + MONTHS_PER_PAGE
    return await view.html(
        "history.html",
        months=months[first:last],
        older=_address(months[last].first_day) if last < len(months) else None,
        newer=_address(months[max(0, first - MONTHS_PER_PAGE)].first_day) if first else None,
    )


def _place(months: tuple[Month, ...], newest: str) -> int:
    for place, month in enumerate(months):
        if f"{month.first_day:%Y-%m}" == newest:
            return place
    raise NotFound(f"the history of {newest} is not kept here")


def _address(first_day: date) -> str:
    return f"/history/{first_day:%Y-%m}"
