"""Herald for the conformance suite, which cannot send headers: requests without a key get one. `… PORT FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.types import Receive, Scope, Send

from server.asgi import Herald
from server.config import Settings
from server.context import Actor
from server.keys import Holder
from server.models import Scope as KeyScope
from server.opening import open_app
from server.tenants import TenantDraft, create_tenant

KEY = "herald_conformance"


class Keyed:
    """Herald, with authentication as always, for a client that has no way to give a key."""

    def __init__(self, herald: Herald) -> None:
        self._herald = herald

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {KEY}".encode())]}
        await self._herald(scope, receive, send)


async def main(port: int, folder: Path) -> None:
    """Serve a tenant of its own until the process is ended."""
    settings = Settings(database_url=f"sqlite:///{folder}/herald.db", port=port, requests_per_minute=1_000_000)
    async with open_app(settings) as app:
        tenant = await create_tenant(app, TenantDraft(slug="acme", name="Acme"))
    actor = Actor(id="key_conformance", name="conformance", scopes=frozenset(KeyScope))
    async with open_app(settings, fixed_keys={KEY: Holder(tenant.id, actor)}) as app:
        config = uvicorn.Config(cast(Any, Keyed(Herald(app))), port=port, http="h11", log_config=None)
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
