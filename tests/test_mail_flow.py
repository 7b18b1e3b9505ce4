"""From the page's form to the final mail in a mailbox: real processes, a real mail server, both databases."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.served import connected, herald, served
from tests.smtp_sink import Received, Sink, running

pytestmark = pytest.mark.slow

ANNA = "anna@example.com"


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with running(Sink()) as listening:
        yield listening


async def mail_to(sink: Sink, address: str, number: int) -> Received:
    """The mail of that number to the address, from 1, as soon as it is there."""
    with anyio.fail_after(30):
        while len(sink.to(address)) < number:
            sink.arrived.clear()
            await sink.arrived.wait()
    return sink.to(address)[number - 1]


def link(mail: Received, what: str) -> str:
    found = re.search(rf"http://\S+/{what}/\S+", mail.body("plain"))
    assert found, mail.body("plain")
    return found[0]


async def test_from_the_form_to_the_final_mail(
    database_url: str, tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERALD_SMTP_URL", sink.url)
    await anyio.to_thread.run_sync(
        lambda: herald("tenant", "create", "acme", "--name", "Acme", database_url=database_url)
    )
    create = ("key", "create", "ops", "--tenant", "acme", "--scope", "operator")
    key = await anyio.to_thread.run_sync(lambda: herald(*create, database_url=database_url))
    with served(database_url, tmp_path) as server:
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as browser:
            form = (await browser.get("/s/acme/subscribe?lang=de")).text
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
            await anyio.sleep(2.1)  # nobody types an address faster than the form allows
            sent = await browser.post(
                "/s/acme/subscribe", data={**hidden, "address": ANNA, "topic": "all", "language": "en"}
            )
            assert sent.status_code == 202

            verification = await mail_to(sink, ANNA, 1)
            confirmed = await browser.post(link(verification, "confirm").removeprefix(server.url))
            assert confirmed.status_code == 200

            async with connected(server.url, key) as client:
                posted = await client.call_tool("incident_create", {"title": "Payments fail"})
                first = await mail_to(sink, ANNA, 2)
                incident_id = posted.structured_content["id"]
                update = {"incident_id": incident_id, "status": "resolved", "message": "Cards work again."}
                await client.call_tool("incident_post_update", update)
            final = await mail_to(sink, ANNA, 3)

            assert first.message["Subject"] == "[Investigating] Payments fail"
            assert final.message["Subject"] == "[Resolved] Payments fail"
            assert "Cards work again." in final.body("html")
            assert first.message["References"] == final.message["References"]

            url = final.message["List-Unsubscribe"].strip("<>").removeprefix(server.url)
            left = await browser.post(url, data={"List-Unsubscribe": "One-Click"})
            assert left.status_code == 200

    status = await anyio.to_thread.run_sync(
        lambda: herald("mail", "status", "--tenant", "acme", database_url=database_url)
    )
    assert "Subscribers: 0" in status
    assert "sent 3" in status
