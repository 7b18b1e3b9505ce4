"""Killed in the middle of a stream of updates: whatever was acknowledged is there afterwards, and nothing half."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import history
from server.config import Settings
from server.context import App, TenantContext
from server.incidents import IncidentDraft, UpdateDraft, create_incident, get_incident, post_update
from server.inference import Inference
from server.opening import open_app
from server.tenants import TenantDraft, context_of, create_tenant
from tests.conftest import real_matcher
from tests.postgres import Cluster, postgres_cluster

ROOT = Path(__file__).parents[3]
KILLS = 3
SECONDS = 60  # bounds every wait

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def durable_postgres() -> Iterator[Cluster]:
    """A PostgreSQL server that flushes what it commits, as in production."""
    with postgres_cluster(fsync=True) as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgres"])
def durable_url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    if request.param == "sqlite":
        return sqlite_url
    cluster: Cluster = request.getfixturevalue("durable_postgres")
    return cluster.create_database()


async def test_no_acknowledged_update_is_lost_when_the_writer_is_killed(durable_url: str) -> None:
    """A seeded random moment for each kill; raise KILLS to look longer."""
    moments = random.Random(20260314)
    incident_id = await begin(durable_url)
    acknowledged: list[str] = []
    for _ in range(KILLS):
        acknowledged += await killed_writer(durable_url, incident_id, after=moments.randint(1, 40))

    async with opened(durable_url) as acme:
        incident = await get_incident(acme, incident_id)
        problems = await history.verify(acme)
        posted_on = await post_update(acme, UpdateDraft(incident_id=incident_id, message="Still here"))

    kept = [update.id for update in incident.updates[1:]]
    assert set(acknowledged) <= set(kept)
    assert len(kept) - len(acknowledged) <= KILLS  # of each kill at most one was kept and not yet acknowledged
    assert incident.version == len(kept) + 1
    assert problems == []
    assert posted_on.version == incident.version + 1


async def test_no_acknowledged_update_is_lost_when_postgresql_itself_is_killed() -> None:
    with postgres_cluster(fsync=True) as cluster:
        url = cluster.create_database()
        incident_id = await begin(url)
        writer = await start_writer(url, incident_id)
        acknowledged = [await next_line(writer) for _ in range(15)]

        cluster.kill()
        rest, errors = await asyncio.wait_for(writer.communicate(), SECONDS)
        acknowledged += rest.decode().split()
        cluster.restart()

        async with opened(url) as acme:
            incident = await get_incident(acme, incident_id)
            problems = await history.verify(acme)

    assert "Unavailable" in errors.decode()
    assert set(acknowledged) <= {update.id for update in incident.updates[1:]}
    assert len(incident.updates) - 1 - len(acknowledged) <= 1
    assert problems == []


# ------------------------------------------------------------------------------------------------- parts


class opened:  # noqa: N801 - reads as a phrase: `async with opened(url) as acme:`
    """The tenant acme in a process on that database."""

    def __init__(self, url: str) -> None:
        self._app = open_app(Settings(database_url=url), inference=Inference(real_matcher))

    async def __aenter__(self) -> TenantContext:
        app: App = await self._app.__aenter__()
        return await context_of(app, "acme")

    async def __aexit__(self, *error: object) -> None:
        await self._app.__aexit__(None, None, None)


async def begin(url: str) -> str:
    async with open_app(Settings(database_url=url), inference=Inference(real_matcher)) as app:
        await create_tenant(app, TenantDraft(slug="acme", name="Acme"))
        return (await create_incident(await context_of(app, "acme"), IncidentDraft(title="API down"))).id


async def start_writer(url: str, incident_id: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "tests.server.writer", url, incident_id, "100000"]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=pipe, stderr=pipe)


async def next_line(writer: asyncio.subprocess.Process) -> str:
    assert writer.stdout is not None
    line = await asyncio.wait_for(writer.stdout.readline(), SECONDS)
    assert line, (await writer.communicate())[1].decode()
    return line.decode().strip()


async def killed_writer(url: str, incident_id: str, after: int) -> list[str]:
    """Let a writer post, kill it while it does so, and return what it had acknowledged."""
    writer = await start_writer(url, incident_id)
    acknowledged = [await next_line(writer) for _ in range(after)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = await asyncio.wait_for(writer.communicate(), SECONDS)
    # the last line may have been cut by the kill: an id that nobody could read was not acknowledged
    return acknowledged + rest.decode().splitlines(keepends=False)[: rest.count(b"\n")]
