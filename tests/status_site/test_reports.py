"""Reports over HTTP: whose key reads them, as JSON and as a spreadsheet, and never another tenant's."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest

from server.context import App, TenantContext
from server.models import Scope
from server.panels import TokenRequest, mint
from status_site.app import create_site
from tests.conftest import Clock
from tests.status_site.conftest import browser, post
from tests.status_site.test_sidekick import ABOUT_CARDS, bearer


@pytest.fixture
async def operator(acme: TenantContext) -> dict[str, str]:
    return await bearer(acme, Scope.OPERATOR)


async def test_an_operator_reads_a_report_and_the_summary(
    site: httpx2.AsyncClient, acme: TenantContext, clock: Clock, operator: dict[str, str]
) -> None:
    incident = await post(acme)
    await site.post("/sidekick/v1/match", json=ABOUT_CARDS, headers=await bearer(acme))
    await acme.app.recorder.flush()

    one = await site.get(f"/reports/incidents/{incident.id}", headers=operator)
    clock.advance(minutes=1)
    summary = await site.get("/reports/summary", headers=operator, params={"since": "2026-03-01T00:00:00Z"})

    assert (one.json()["incident_id"], one.json()["counts"]["cards_shown"]) == (incident.id, 1)
    assert len(one.json()["tickets_avoided"]["assumptions"]) == 4
    assert one.headers["cache-control"] == "no-store"
    assert summary.status_code == 200, summary.text
    assert summary.json()["totals"]["incidents"] == 1
    assert summary.json()["next_after"] is None


async def test_a_spreadsheet_takes_both_and_the_curve(
    site: httpx2.AsyncClient, acme: TenantContext, operator: dict[str, str]
) -> None:
    incident = await post(acme)
    address = f"/reports/incidents/{incident.id}"

    one = await site.get(address, headers=operator, params={"format": "csv"})
    hours = await site.get(address, headers=operator, params={"format": "hours_csv"})
    summary = await site.get("/reports/summary", headers=operator, params={"format": "csv"})

    assert one.headers["content-type"].startswith("text/csv")
    assert one.text.splitlines()[1].startswith(f"{incident.id},Card payments fail,investigating,major,")
    assert hours.text == "begin,agent,sidekick\r\n"
    assert summary.text.startswith("incident_id,title,")


@pytest.mark.parametrize("path", ["/reports/summary", "/reports/incidents/inc_none"])
async def test_nobody_else_reads_them(site: httpx2.AsyncClient, acme: TenantContext, path: str) -> None:
    desk = await bearer(acme)
    token = mint(acme, TokenRequest(agent="Ana")).token

    assert (await site.get(path)).status_code == 401
    assert (await site.get(path, headers=desk)).status_code == 403
    assert (await site.get(path, headers={"Authorization": f"Bearer {token}"})).status_code in (401, 403)


async def test_another_tenants_incident_reads_as_one_that_does_not_exist(
    site: httpx2.AsyncClient, acme: TenantContext, globex: TenantContext, operator: dict[str, str]
) -> None:
    foreign = await post(globex)

    answer = await site.get(f"/reports/incidents/{foreign.id}", headers=operator)
    missing = await site.get("/reports/incidents/inc_none", headers=operator)

    assert (answer.status_code, missing.status_code) == (404, 404)
    assert answer.json()["error"].replace(foreign.id, "inc_none") == missing.json()["error"]


@pytest.mark.parametrize(
    "params",
    [{"limit": "0"}, {"limit": "many"}, {"since": "yesterday"}, {"format": "pdf"}, {"after": "inc_none"},
     {"since": "2026-03-02T00:00:00", "until": "2026-03-01T00:00:00Z"}],
)  # fmt: skip
async def test_a_wrong_question_is_refused_with_a_sentence(
    site: httpx2.AsyncClient, operator: dict[str, str], params: dict[str, str]
) -> None:
    answer = await site.get("/reports/summary", headers=operator, params=params)

    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_who_calls_too_often_is_told_when_to_come_again_and_agents_count_alone(
    app: App, acme: TenantContext, clock: Clock
) -> None:
    strict = replace(app, settings=app.settings.model_copy(update={"requests_per_minute": 2}))
    desk, operator = await bearer(acme), await bearer(acme, Scope.OPERATOR)
    async with browser(create_site(strict)) as site:

        async def statuses(headers: dict[str, str], path: str = "/sidekick/v1/token") -> list[int]:
            return [(await site.post(path, json={"agent": "Ana"}, headers=headers)).status_code for _ in range(3)]

        first = await statuses(desk)
        refused = await site.get("/reports/summary", headers=desk)
        other = await site.get("/reports/summary", headers=operator)
        clock.advance(seconds=30)
        later = await statuses(desk)

    assert first == [200, 200, 429]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert other.status_code == 200
    assert later == [200, 429, 429]
