"""The page while its database is really gone: the server's process killed, the file destroyed; and afterwards."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from server.components import create_component
from server.config import Settings
from server.keys import create_key
from server.models import Scope
from server.opening import open_app
from server.tenants import TenantDraft, context_of, create_tenant
from tests.postgres import postgres_cluster
from tests.served import Served, connected, served

pytestmark = pytest.mark.slow

PATHS = ("/s/acme", "/s/acme/history", "/s/acme/api/v2/summary.json", "/s/acme/history.atom", "/s/acme/badge.svg")
LOOKS = 20
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Outage:
    """A served page, and how its database goes away and comes back."""

    server: Served
    operator_key: str
    begin: Callable[[], None]
    end: Callable[[], None]

    async def post(self, title: str) -> bool:
        async with connected(self.server.url, self.operator_key) as client:
            result = await client.call_tool("incident_create", {"title": title, "components": ["Payments"]})
        return not result.is_error

    def is_ready(self) -> bool:
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(f"{self.server.url}/readyz", timeout=10):
            return True
        return False


@pytest.fixture(params=["sqlite", "postgres"])
async def outage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Outage]:
    if request.param == "postgres":
        with postgres_cluster() as cluster:  # its own: the others' tests need theirs
            url = cluster.create_database()
            key = await seeded(url)
            with served(url, tmp_path) as server:
                yield Outage(server, key, cluster.kill, cluster.restart)
        return
    file = tmp_path / "herald.db"
    url = f"sqlite:///{file}"
    key = await seeded(url)
    kept: dict[Path, bytes] = {}

    def destroy() -> None:
        """Nothing is left of the files but their names."""
        for one in (file, Path(f"{file}-wal")):
            kept[one] = one.read_bytes()
            one.write_bytes(b"")

    def bring_back() -> None:
        for one, content in kept.items():
            one.write_bytes(content)

    with served(url, tmp_path) as server:
        yield Outage(server, key, destroy, bring_back)


async def seeded(url: str) -> str:
    async with open_app(Settings(database_url=url)) as app:
        await create_tenant(app, TenantDraft(slug="acme", name="Acme"))
        acme = await context_of(app, "acme")
        await create_component(acme, "Payments")
        _, key = await create_key(acme, "assistant", [Scope.OPERATOR])
    return key


def as_of(page: str) -> datetime:
    found = re.search(r'As of <time datetime="([^"]+)"', page)
    assert found is not None
    return datetime.fromisoformat(found[1])


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not holds():  # noqa: ASYNC110 - another process cannot set an event of ours
            await anyio.sleep(0.1)


async def test_the_page_stands_while_its_database_is_gone_says_its_age_and_recovers(outage: Outage) -> None:
    assert await outage.post("Card payments fail")
    await until(lambda: "Card payments fail" in outage.server.get("/s/acme"))
    for path in PATHS:
        outage.server.get(path)

    outage.begin()
    gone_since = datetime.now(UTC)
    await until(lambda: not outage.is_ready())

    for _ in range(LOOKS):
        for path in PATHS:
            outage.server.get(path)  # raises for anything but 200
    page = outage.server.get("/s/acme")
    assert "Card payments fail" in page
    assert as_of(page) <= gone_since

    outage.end()
    await until(outage.is_ready)
    assert await outage.post("Search is slow")
    await until(lambda: "Search is slow" in outage.server.get("/s/acme"))
    assert as_of(outage.server.get("/s/acme")) > gone_since - MINUTE
