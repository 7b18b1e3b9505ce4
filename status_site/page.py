"""The public status page of a tenant, and the permalink of each incident."""

from __future__ import annotations

from litestar import MediaType, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from server.context import App
from server.links import page_url
from server.models import Incident
from server.pages import find_incident, page_of
from status_site.render import render


@get("/s/{tenant:str}")
async def status_page(state: State, tenant: FromPath[str]) -> Response[bytes]:
    app: App = state.app
    snapshot = await app.snapshots.by_slug(tenant)
    return _html(render("page.html", page=page_of(snapshot), home=page_url(app.settings, snapshot.tenant)))


@get("/s/{tenant:str}/incidents/{slug:str}")
async def incident_page(state: State, tenant: FromPath[str], slug: FromPath[str]) -> Response[bytes]:
    app: App = state.app
    snapshot = await app.snapshots.by_slug(tenant)
    incident: Incident = await find_incident(app, snapshot, slug)
    return _html(
        render(
            "incident.html",
            page=page_of(snapshot),
            incident=incident,
            home=page_url(app.settings, snapshot.tenant),
        )
    )


def _html(body: bytes) -> Response[bytes]:
    return Response(body, media_type=MediaType.HTML, headers={"Cache-Control": "public, max-age=5"})
