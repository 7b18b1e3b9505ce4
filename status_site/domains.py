"""Whether a certificate may be issued for a host: what Caddy's `on_demand_tls` asks before it does."""

from __future__ import annotations

from litestar import Response, get
from litestar.datastructures import State
from litestar.params import FromQuery

from server.context import App


@get("/internal/tls-ask")
async def tls_ask(state: State, domain: FromQuery[str] = "") -> Response[None]:
    """200 for a host that a tenant has proved to be its own, else 404: no certificates for other names."""
    app: App = state.app
    slug = await app.hosts.owner(domain.lower())
    return Response(None, status_code=200 if slug else 404)
