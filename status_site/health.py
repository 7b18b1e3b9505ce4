"""Whether the process lives (`/healthz`) and whether it can answer (`/readyz`)."""

from __future__ import annotations

from litestar import Response, get
from litestar.datastructures import State

from server.context import App
from server.errors import Unavailable
from server.store import changes


@get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@get("/readyz")
async def readyz(state: State) -> Response[dict[str, str]]:
    """200 once the text model has answered a first time and the database can be read; else 503 with the reason."""
    app: App = state.app
    checks = {
        "model": "ok" if app.inference.is_ready else app.inference.failure or "loading",
        "database": await _database(app),
    }
    is_ready = all(check == "ok" for check in checks.values())
    return Response(checks, status_code=200 if is_ready else 503)


async def _database(app: App) -> str:
    try:
        async with app.database.read() as db:
            await changes.latest(db)
    except Unavailable as error:
        return str(error)
    return "ok"
