"""From a conversation to the mail: an agent asks, the customer agrees, and a real mail server gets the updates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from server.config import Settings
from server.keys import create_key
from server.models import Scope
from server.opening import open_app
from server.tenants import TenantDraft, context_of, create_tenant
from tests.served import connected, served
from tests.smtp_sink import Sink, running

pytestmark = pytest.mark.slow

CONVERSATIONS = {
    "en": ("My card payment was declined", "yes please"),
    "de": ("Meine Kartenzahlung wurde abgelehnt", "ja, gerne"),
    "es": ("Mi pago con tarjeta fue rechazado", "sí, avíseme"),
    "ja": ("カード決済が拒否されました", "はい、お願いします"),
    "ar": ("تم رفض الدفع بالبطاقة", "نعم من فضلك"),
}


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with running(Sink()) as listening:
        yield listening


@pytest.fixture
async def keys(database_url: str) -> dict[Scope, str]:
    async with open_app(Settings(database_url=database_url)) as app:
        await create_tenant(app, TenantDraft(slug="acme", name="Acme"))
        acme = await context_of(app, "acme")
        _, agent = await create_key(acme, "bot", [Scope.AGENT], attests_addresses=True)
        _, operator = await create_key(acme, "assistant", [Scope.OPERATOR])
    return {Scope.AGENT: agent, Scope.OPERATOR: operator}


async def call(url: str, key: str, tool: str, **arguments: Any) -> dict[str, Any]:
    async with connected(url, key) as client:
        result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    answer: dict[str, Any] = result.structured_content
    return answer


async def mails(sink: Sink, address: str, number: int) -> None:
    """Wait until the address has that many mails."""
    with anyio.fail_after(60):
        while len(sink.to(address)) < number:
            sink.arrived.clear()
            await sink.arrived.wait()


async def test_a_yes_in_five_languages_brings_the_mail_even_if_the_server_is_killed_after_it(
    database_url: str, tmp_path: Path, sink: Sink, keys: dict[Scope, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERALD_SMTP_URL", sink.url)
    agent, operator = keys[Scope.AGENT], keys[Scope.OPERATOR]
    with served(database_url, tmp_path) as server:
        incident = await call(server.url, operator, "incident_create", title="Card payments are declined")
        for language, (complaint, answer) in CONVERSATIONS.items():
            checked = await call(server.url, agent, "status_check", query=complaint, language=language)
            [match] = checked["matches"]
            asked = {"incident_id": match["id"], "offer_id": match["offer"]["offer_id"]}
            address = f"{language}@example.com"
            told = await call(server.url, agent, "status_subscribe", reply=answer, email=address, **asked)
            assert (told["status"], told["address"]) == ("subscribed", address), (language, told)

        server.kill()
        server.start()

        resolved = {"incident_id": incident["id"], "status": "resolved", "message": "Cards work again."}
        for language in CONVERSATIONS:
            await mails(sink, f"{language}@example.com", 1)
        await call(server.url, operator, "incident_post_update", **resolved)
        for language in CONVERSATIONS:
            await mails(sink, f"{language}@example.com", 2)

    for language in CONVERSATIONS:
        final = sink.to(f"{language}@example.com")[-1]
        assert "Cards work again." in final.body("plain")
        assert final.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
