"""Whether the process can do its work: what `/readyz` tells a load balancer and an operator."""

from __future__ import annotations

from server.context import App
from server.errors import Unavailable
from server.store import changes

OK = "ok"


async def checks(app: App) -> dict[str, str]:
    """Each part that is needed, with `ok` or what is wrong with it."""
    return {
        "model": OK if app.inference.is_ready else app.inference.failure or "loading",
        "database": await _database(app),
    }


async def _database(app: App) -> str:
    try:
        async with app.database.read() as db:
            await changes.latest(db)
    except Unavailable as error:
        return str(error)
    return OK
