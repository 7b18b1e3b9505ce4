"""Updates posted while others are being mailed: with several workers nobody hears them in the wrong order."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from pydantic import SecretStr

from server.config import Settings
from server.context import App, TenantContext
from server.models import Status
from server.notifications import Worker
from tests.conftest import Clock
from tests.server.test_notifications import SOON, outage, say, subscribed
from tests.smtp_sink import Sink

PEOPLE = 12
ORDER = ["[Investigating] Payments fail", "[Identified] Payments fail", "[Resolved] Payments fail"]


@pytest.fixture
def settings(database_url: str, sink: Sink) -> Settings:
    return Settings(database_url=database_url, smtp_url=SecretStr(sink.url))


async def test_with_two_workers_nobody_hears_of_an_earlier_update_after_a_later_one(
    app: App, other_app: App, acme: TenantContext, sink: Sink, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.notifications.SEND_BATCH", 2)
    monkeypatch.setattr("server.notifications.EXPAND_BATCH", 5)
    everyone = {f"person{number}@example.com" for number in range(PEOPLE)}
    for address in everyone:
        await subscribed(acme, address)
    deferred = {f"person{number}@example.com" for number in range(0, PEOPLE, 2)}
    sink.answer = lambda stage, to: "451 4.3.0 later" if stage == "rcpt" and to in deferred else None
    incident = await outage(acme)
    stop = asyncio.Event()
    workers = [asyncio.create_task(Worker(one, SOON).run(stop)) for one in (app, other_app)]

    async with asyncio.timeout(40):
        for status in (Status.IDENTIFIED, Status.RESOLVED):
            sink.arrived.clear()
            await sink.arrived.wait()  # the one before is on its way to some
            clock.advance(seconds=1)
            await say(acme, incident, status)
        sink.answer = lambda _stage, _recipient: None
        clock.advance(minutes=1)  # what was deferred is due again, beside the last update
        while {one.recipient for one in sink.received if ORDER[-1] in one.message["Subject"]} != everyone:
            sink.arrived.clear()
            await sink.arrived.wait()
    stop.set()
    async with asyncio.timeout(20):
        await asyncio.gather(*workers)

    heard = defaultdict(list)
    for received in sink.received:
        heard[received.recipient].append(ORDER.index(received.message["Subject"]))
    assert all(places == sorted(set(places)) for places in heard.values()), dict(heard)
