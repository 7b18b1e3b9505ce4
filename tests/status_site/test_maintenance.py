"""Maintenance and times as the page, its calendar and its programs show them."""

from __future__ import annotations

from datetime import timedelta

import httpx2

from server.context import App, TenantContext
from server.maintenance import (
    Cancellation,
    MaintenanceDraft,
    cancel_maintenance,
    do_what_is_due,
    schedule_maintenance,
)
from server.tenants import edit_settings
from tests.conftest import Clock
from tests.status_site.conftest import post


async def test_without_scripts_times_are_in_the_tenants_zone_with_utc_beside(
    acme: TenantContext, site: httpx2.AsyncClient
) -> None:
    await edit_settings(acme, {"time_zone": "Asia/Tokyo"})
    await post(acme)

    page = (await site.get("/s/acme?lang=en")).text

    assert "Mar 15, " in page
    assert "00:09 GMT+09:00 (15:09 UTC)" in page
    assert "Times are in UTC and in Japan Time." in page


async def test_maintenance_stands_in_a_section_of_its_own_and_in_the_month_of_its_window(
    acme: TenantContext, site: httpx2.AsyncClient, clock: Clock, app: App
) -> None:
    starts_at = clock() + timedelta(days=20)
    draft = MaintenanceDraft(title="Upgrade", starts_at=starts_at, ends_at=starts_at + timedelta(hours=2))
    await schedule_maintenance(acme, draft)
    page = (await site.get("/s/acme?lang=en")).text
    assert '<h2 id="maintenance">Maintenance</h2>' in page
    assert 'class="incident maintenance"' in page
    text = (await site.get("/s/acme/status.md?lang=en")).text
    assert "## Maintenance\n\n- Upgrade (Scheduled): 2026-04-03 15:09 – 2026-04-03 17:09 UTC – " in text
    calendar = (await site.get("/s/acme/maintenance.ics")).text
    assert "DTSTART:20260403T150926Z" in calendar
    assert "STATUS:CONFIRMED" in calendar

    clock.advance(days=21)
    await do_what_is_due(app)

    history = (await site.get("/s/acme/history?lang=en")).text
    april = history.index("April 2026")
    assert april < history.index("Upgrade") < history.index("March 2026")
    past = (await site.get("/s/acme/api/v2/scheduled-maintenances.json")).json()["scheduled_maintenances"][0]
    assert (past["status"], past["impact"]) == ("completed", "maintenance")
    assert (past["scheduled_for"], past["scheduled_until"]) == (
        "2026-04-03T15:09:26.000Z",
        "2026-04-03T17:09:26.000Z",
    )


async def test_programs_see_a_maintenance_coming_then_under_way_and_a_cancelled_one_as_over(
    acme: TenantContext, site: httpx2.AsyncClient, clock: Clock, app: App
) -> None:
    async def names(kind: str) -> list[str]:
        answer = await site.get(f"/s/acme/api/v2/scheduled-maintenances/{kind}.json")
        return [one["status"] for one in answer.json()["scheduled_maintenances"]]

    one, two = clock() + timedelta(hours=1), clock() + timedelta(hours=2)
    await schedule_maintenance(acme, MaintenanceDraft(title="Upgrade", starts_at=one, ends_at=two))
    other = await schedule_maintenance(acme, MaintenanceDraft(title="Other", starts_at=one, ends_at=two))
    assert (await names("upcoming"), await names("active")) == (["scheduled", "scheduled"], [])

    await cancel_maintenance(acme, Cancellation(incident_id=other.id))
    clock.advance(hours=1)
    await do_what_is_due(app)

    assert (await names("upcoming"), await names("active")) == ([], ["in_progress"])
    everything = (await site.get("/s/acme/api/v2/scheduled-maintenances.json")).json()["scheduled_maintenances"]
    assert {one["name"]: one["status"] for one in everything} == {"Upgrade": "in_progress", "Other": "completed"}
    assert "STATUS:CANCELLED" in (await site.get("/s/acme/maintenance.ics")).text
    assert "Cancelled" in (await site.get(f"/s/acme/incidents/{other.slug}?lang=en")).text
