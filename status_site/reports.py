"""Reports over HTTP, for the operator's own tools and spreadsheets."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from litestar import Response, Router, get
from litestar.di import Provide
from litestar.params import FromPath, FromQuery, QueryParameter

from server import reports
from server.report_csv import hours_csv, incidents_csv
from server.reports import Range, Report, SummaryPage
from status_site.bearer import REFUSALS, Caller, caller_of

PATH = "/reports"
MOST_A_PAGE = 200


class Form(StrEnum):
    """How one incident's report is wanted."""

    JSON = "json"
    CSV = "csv"
    HOURS = "hours_csv"
    """Only the curve, one line an hour."""


class SummaryForm(StrEnum):
    JSON = "json"
    CSV = "csv"


@get("/incidents/{incident_id:str}")
async def incident(
    tenant: Caller,
    incident_id: FromPath[str],
    form: Annotated[Form, QueryParameter(name="format")] = Form.JSON,
) -> Response[Report] | Response[str]:
    """Who wrote about the incident, who answered, who follows it, and what that spared."""
    found = await reports.report(tenant, incident_id)
    if form is Form.JSON:
        return Response(found, headers=NOT_KEPT)
    return _csv(incidents_csv([found]) if form is Form.CSV else hours_csv(found), f"{found.incident_id}.csv")


@get("/summary")
async def summary(
    tenant: Caller,
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    after: Annotated[str | None, QueryParameter(max_length=64)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST_A_PAGE)] = 50,
    form: Annotated[SummaryForm, QueryParameter(name="format")] = SummaryForm.JSON,
) -> Response[SummaryPage] | Response[str]:
    """The same over the incidents that started within a range, by default the last 30 days: sums, and a page."""
    found = await reports.summarise(tenant, Range(since, until), after, limit)
    if form is SummaryForm.JSON:
        return Response(found, headers=NOT_KEPT)
    return _csv(incidents_csv(found.incidents), "incidents.csv")


NOT_KEPT = {"Cache-Control": "no-store"}


def _csv(text: str, name: str) -> Response[str]:
    headers = NOT_KEPT | {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/csv", headers=headers)


ROUTER = Router(
    PATH,
    route_handlers=[incident, summary],
    dependencies={"tenant": Provide(caller_of)},
    exception_handlers=REFUSALS,
    security=[{"bearer": []}],
    include_in_schema=True,
    tags=["Reports"],
)
