"""Counters are written together, off the path: kept while the database is away, and never half written."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from server.context import App, TenantContext
from server.errors import Unavailable
from server.ids import new_id
from server.incidents import IncidentDraft, create_incident
from server.recorder import MAX_WAITING
from server.store import matches
from server.store.matches import MatchRecord

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 60


async def post(tenant: TenantContext) -> str:
    return (await create_incident(tenant, IncidentDraft(title="Card payments fail", message="We look."))).id


def a_match(tenant: TenantContext, incident_id: str, conversation: str | None = None) -> MatchRecord:
    return MatchRecord(
        tenant_id=tenant.id,
        match_id=new_id("mat"),
        incident_id=incident_id,
        source="status_check",
        relevance=0.9,
        at=tenant.now(),
        conversation=conversation,
        customer=None,
    )


async def written(tenant: TenantContext, incident_id: str) -> int:
    async with tenant.read() as db:
        return await matches.count(db, tenant.id, incident_id)


async def test_nothing_is_written_before_the_flush_and_everything_once_by_it(acme: TenantContext) -> None:
    incident_id, recorder = await post(acme), acme.app.recorder
    for conversation in ("c1", "c1", None):
        recorder.matched(a_match(acme, incident_id, conversation))

    before = await written(acme, incident_id)
    await recorder.flush()
    await recorder.flush()

    assert (before, await written(acme, incident_id)) == (0, 3)


async def test_what_was_gathered_waits_while_the_database_is_away(
    acme: TenantContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident_id, recorder = await post(acme), acme.app.recorder
    recorder.matched(a_match(acme, incident_id))

    def away() -> None:
        raise Unavailable("the database cannot answer now")

    with monkeypatch.context() as patch:
        patch.setattr(acme.app.database, "write", away)
        with pytest.raises(Unavailable):
            await recorder.flush()
    recorder.matched(a_match(acme, incident_id))
    await recorder.flush()

    assert await written(acme, incident_id) == 2


async def test_memory_is_bounded_and_the_newest_stay(acme: TenantContext) -> None:
    incident_id, recorder = await post(acme), acme.app.recorder
    for _ in range(MAX_WAITING):
        recorder.matched(a_match(acme, "inc_gone"))  # what no row could be written of
    for _ in range(MAX_WAITING):
        recorder.matched(a_match(acme, incident_id))

    await recorder.flush()

    assert await written(acme, incident_id) == MAX_WAITING


async def test_two_processes_count_the_same_conversation_without_losing_any(
    acme: TenantContext, acme_elsewhere: TenantContext
) -> None:
    incident_id = await post(acme)
    for _ in range(20):
        acme.app.recorder.matched(a_match(acme, incident_id, "c1"))
        acme_elsewhere.app.recorder.matched(a_match(acme_elsewhere, incident_id, "c1"))

    await asyncio.gather(acme.app.recorder.flush(), acme_elsewhere.app.recorder.flush())

    async with acme.read() as db:
        conversations = await matches.conversations_of(db, acme.id, [incident_id])
    assert await written(acme, incident_id) == 40
    assert conversations == {incident_id: 1}


async def test_what_was_flushed_outlives_a_killed_process_and_the_rest_is_gone(
    app: App, acme: TenantContext
) -> None:
    incident_id = await post(acme)
    code = f"""
import asyncio
from datetime import UTC, datetime
from server.config import Settings
from server.opening import open_app
from server.store.matches import MatchRecord

def match(number):
    return MatchRecord({acme.id!r}, f"mat_{{number}}", {incident_id!r}, "status_check", 0.9, datetime.now(UTC),
                       None, None)

async def main():
    async with open_app(Settings(database_url={app.settings.database_url!r})) as app:
        app.recorder.matched(match(1))
        await app.recorder.flush()
        app.recorder.matched(match(2))
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), LIMIT_SECONDS)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()

    assert line == b"ready\n"
    assert await written(acme, incident_id) == 1
