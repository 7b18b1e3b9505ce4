"""Kill the worker at random points while it mails everybody: nobody is left out, almost nobody hears twice.

The short form runs with every test run; `make torture` makes it long (HERALD_TORTURE_KILLS, …_SUBSCRIBERS). The
points come from a seed, which a failure names: HERALD_TORTURE_SEED plays it again.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from server.config import Settings
from server.context import App, TenantContext
from server.ids import new_id
from server.incidents import IncidentDraft, create_incident
from server.inference import Inference
from server.models import MailState, Scope
from server.opening import open_app
from server.store import deliveries
from server.store.schema import subscribers, subscriptions
from server.tenants import TenantDraft, context_of, create_tenant
from tests.conftest import actor, real_matcher
from tests.served import environment
from tests.smtp_sink import DROP, Sink, running

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("HERALD_TORTURE_KILLS", "4"))
PEOPLE = int(os.environ.get("HERALD_TORTURE_SUBSCRIBERS", "600"))
SEED = int(os.environ.get("HERALD_TORTURE_SEED", "1"))
CONNECTIONS = 4
END_SECONDS = 120 + PEOPLE / 20

# The worker as `herald worker` runs it, but impatient: its leases end in four seconds instead of sixty.
WORKER = """
import asyncio, logging, sys
from datetime import timedelta
from server.config import Settings
from server.notifications import Pace, Worker
from server.opening import open_app

async def main():
    pace = Pace(lease=timedelta(seconds=4), first_delay=timedelta(seconds=0.2), poll_seconds=0.02)
    async with open_app(Settings()) as app:
        await Worker(app, pace).run(asyncio.Event())

logging.basicConfig(level=logging.ERROR)
asyncio.run(main())
"""


@dataclass
class Moody:
    """A server in a bad mood: now and then it defers, is full, or hangs up in the middle."""

    chance: random.Random

    def __call__(self, stage: str, _recipient: str) -> str | None:
        roll = self.chance.random()
        if stage == "rcpt" and roll < 0.02:
            return "451 4.3.0 try later"
        if stage == "end" and roll < 0.005:
            return DROP
        if stage == "end" and roll < 0.01:
            return "452 4.3.1 full"
        return None


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def workers(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


async def subscribe_many(app: App, tenant_id: str) -> set[str]:
    """As if they had all confirmed long ago."""
    at = datetime.now(UTC) - timedelta(days=30)
    people = [
        {
            "tenant_id": tenant_id,
            "id": new_id("sub"),
            "address": f"person{number}@example.com",
            "address_key": f"person{number}@example.com",
            "created_at": at,
        }
        for number in range(PEOPLE)
    ]
    heard = [
        {
            "tenant_id": tenant_id,
            "subscriber_id": person["id"],
            "topic": "all",
            "subject_id": "",
            "confirmed_at": at,
            "ground": {"source": "test"},
        }
        for person in people
    ]
    async with app.database.write() as db:
        await db.execute(sa.insert(subscribers), people)
        await db.execute(sa.insert(subscriptions), heard)
    return {str(person["address"]) for person in people}


async def start_worker(settings: Settings, sink: Sink) -> asyncio.subprocess.Process:
    url = f"{sink.url}&connections={CONNECTIONS}"
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, env=environment(settings.database_url) | {"HERALD_SMTP_URL": url},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip


async def kill(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


async def sent_more(sink: Sink, number: int) -> None:
    """Wait until the sink has that many mails more, or has all."""
    goal = min(len(sink.received) + number, PEOPLE)
    while len(sink.received) < goal:
        sink.arrived.clear()
        await sink.arrived.wait()


async def test_a_worker_that_is_killed_again_and_again_loses_nobody(database_url: str, workers: int) -> None:
    chance = random.Random(SEED)
    settings = Settings(database_url=database_url)
    sink = Sink(answer=Moody(random.Random(SEED)))
    async with running(sink), open_app(settings, inference=Inference(real_matcher)) as app:
        await create_tenant(app, TenantDraft(slug="acme", name="Acme"))
        tenant = await context_of(app, "acme", actor(*Scope))
        everyone = await subscribe_many(app, tenant.id)
        await create_incident(tenant, IncidentDraft(title="Payments fail", message="We are looking into it."))

        killed = 0
        processes = [await start_worker(settings, sink) for _ in range(workers)]
        try:
            async with asyncio.timeout(END_SECONDS + 20 * KILLS):
                while killed < KILLS and len(sink.received) < PEOPLE:
                    await sent_more(sink, chance.randrange(1, max(2, PEOPLE // KILLS)))
                    await asyncio.sleep(chance.uniform(0, 0.03))
                    victim = chance.randrange(workers)
                    await kill(processes[victim])
                    killed += 1
                    processes[victim] = await start_worker(settings, sink)
                while await count(tenant, MailState.SENT) < PEOPLE:  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.1)
        finally:
            for process in processes:
                await kill(process)

    by_recipient = Counter(received.recipient for received in sink.received)
    by_id = Counter(sink.message_ids)
    repeated = sum(by_recipient.values()) - len(by_recipient)
    print(f"{killed} kills, {repeated} repeated of {PEOPLE}, seed {SEED}")  # noqa: T201 - `make torture` shows it
    assert killed > 0
    assert everyone - set(by_recipient) == set(), f"lost with seed {SEED}"
    assert len(by_id) == PEOPLE, "a repeat has another Message-ID"
    assert repeated <= 2 * CONNECTIONS * killed, f"seed {SEED}"


async def count(tenant: TenantContext, state: MailState) -> int:
    async with tenant.read() as db:
        return (await deliveries.count_states(db, tenant.id)).get(state, 0)
