"""Whether the process lives (`/healthz`) and whether it can answer (`/readyz`)."""

from __future__ import annotations

from litestar import Response, get
from litestar.datastructures import State

from server import health


@get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": health.OK}


@get("/readyz")
async def readyz(state: State) -> Response[dict[str, str]]:
    """200 once the text model has answered a first time and the database can be read; else 503 with the reason."""
    found = await health.checks(state.app)
    is_ready = all(check == health.OK for check in found.values())
    return Response(found, status_code=200 if is_ready else 503)
