"""A process that posts updates one after another and says which of them were acknowledged. Tests kill it.

python -m tests.server.writer DATABASE_URL INCIDENT_ID COUNT
"""

from __future__ import annotations

import asyncio
import sys

from server.config import Settings
from server.incidents import UpdateDraft, post_update
from server.opening import open_app
from server.tenants import context_of


async def write(database_url: str, incident_id: str, count: int) -> None:
    async with open_app(Settings(database_url=database_url)) as app:
        acme = await context_of(app, "acme")
        for number in range(count):
            incident = await post_update(
                acme, UpdateDraft(incident_id=incident_id, message=f"We know {number} more")
            )
            print(incident.latest.id, flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], sys.argv[2], int(sys.argv[3])))
