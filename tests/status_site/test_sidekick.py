"""The Sidekick's routes: who is let in, what is refused and how, and what a panel may and may not do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from server.config import Settings
from server.context import App, TenantContext
from server.incidents import UpdateDraft, post_update
from server.keys import create_key, revoke_key
from server.models import Scope, Status
from status_site.app import create_site
from status_site.streams import Streams
from tests.conftest import Clock
from tests.status_site.conftest import browser, post

ABOUT_CARDS = {"conversation_id": "c1", "message": "my card payment keeps failing"}


async def bearer(tenant: TenantContext, *scopes: Scope) -> dict[str, str]:
    _, secret = await create_key(tenant, "desk", scopes or (Scope.SIDEKICK,), attests_addresses=True)
    return {"Authorization": f"Bearer {secret}"}


async def test_a_desk_matches_links_replies_and_dismisses(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    incident, desk = await post(acme), await bearer(acme)

    card = (await site.post("/sidekick/v1/match", json=ABOUT_CARDS, headers=desk)).json()["card"]
    linked = await site.post(
        "/sidekick/v1/link",
        json={"conversation_id": "c1", "incident_id": incident.id, "customer": {"email": "ana@shop.example"}},
        headers=desk,
    )
    reply = await site.post(
        "/sidekick/v1/reply", json={"incident_id": incident.id, "sample": "no puedo pagar con mi tarjeta"},
        headers=desk,
    )  # fmt: skip
    about = {"conversation_id": "c1", "incident_id": incident.id}
    unlinked = await site.delete("/sidekick/v1/link", params=about, headers=desk)
    dismissed = await site.post("/sidekick/v1/dismiss", json=about, headers=desk)
    after = (await site.post("/sidekick/v1/match", json=ABOUT_CARDS, headers=desk)).json()

    assert (card["incident_id"], card["status"], card["severity"]) == (incident.id, "investigating", "major")
    assert linked.json() == {"incident_id": incident.id, "changed": True, "subscription": "active"}
    assert reply.json()["language"] == "es"
    assert (unlinked.status_code, dismissed.status_code) == (204, 204)
    assert after["card"] is None


async def test_a_batch_is_answered_in_order(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    await post(acme)
    other = {"conversation_id": "c2", "message": "how do I change my postal address?"}

    answer = await site.post(
        "/sidekick/v1/match/batch", json={"conversations": [other, ABOUT_CARDS]}, headers=await bearer(acme)
    )

    first, second = answer.json()["answers"]
    assert (first["conversation_id"], first["card"]) == ("c2", None)
    assert (second["conversation_id"], second["card"]["title"]) == ("c1", "Card payments fail")


async def test_why_points_at_the_customers_words(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    incident = await post(acme)
    asked = {"incident_id": incident.id, "message": "my card payment fails"}

    why = (await site.post("/sidekick/v1/why", json=asked, headers=await bearer(acme))).json()

    assert [why["text"][word["start"] : word["end"]] for word in why["words"]] == [
        "my",
        "card",
        "payment",
        "fails",
    ]


# -------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer herald_wrong", "Bearer panel_e30.x", "Basic YTpi"]
)
async def test_without_a_key_nothing_is_answered(
    site: httpx2.AsyncClient, acme: TenantContext, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    answer = await site.post("/sidekick/v1/match", json=ABOUT_CARDS, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("scope", [Scope.AGENT, Scope.OPERATOR, Scope.ADMIN])
async def test_another_scope_is_told_which_one_would_do(
    site: httpx2.AsyncClient, acme: TenantContext, scope: Scope
) -> None:
    answer = await site.post("/sidekick/v1/match", json=ABOUT_CARDS, headers=await bearer(acme, scope))

    assert answer.status_code == 403
    assert "sidekick" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("match", {}),
        ("match", {"conversation_id": "c1"}),
        ("match", {**ABOUT_CARDS, "unknown": 1}),
        ("match", {**ABOUT_CARDS, "message": 7}),
        ("match", {"conversation_id": "c1", "message": "\u200b"}),
        ("match", {"conversation_id": "c1", "message": "a" * 20_001}),
        ("match", {"conversation_id": "c" * 201, "message": "a"}),
        ("match/batch", {"conversations": []}),
        ("link", {"conversation_id": "c1", "incident_id": "inc_1"}),
        ("link", {"conversation_id": "c1", "incident_id": "inc_\u0000", "subscribe": False}),
        ("reply", {"incident_id": "inc_1"}),
    ],
)
async def test_a_wrong_body_is_refused_with_what_is_wrong(
    site: httpx2.AsyncClient, acme: TenantContext, path: str, body: dict[str, Any]
) -> None:
    answer = await site.post(f"/sidekick/v1/{path}", json=body, headers=await bearer(acme))

    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_a_body_that_is_no_json_or_too_big_is_refused(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    headers = await bearer(acme) | {"Content-Type": "application/json"}

    broken = await site.post("/sidekick/v1/match", content=b"{", headers=headers)
    big = await site.post("/sidekick/v1/match", content=b" " * 4_000_001, headers=headers)

    assert (broken.status_code, big.status_code) == (400, 413)
    assert broken.json()["error"]


async def test_another_tenants_incident_is_not_there(
    site: httpx2.AsyncClient, acme: TenantContext, globex: TenantContext
) -> None:
    incident, stranger = await post(acme), await bearer(globex)
    about = {"conversation_id": "c1", "incident_id": incident.id}

    refused = [
        await site.post("/sidekick/v1/link", json={**about, "subscribe": False}, headers=stranger),
        await site.post("/sidekick/v1/dismiss", json=about, headers=stranger),
        await site.post(
            "/sidekick/v1/reply", json={"incident_id": incident.id, "language": "en"}, headers=stranger
        ),
        await site.post("/sidekick/v1/why", json={"incident_id": incident.id, "message": "a"}, headers=stranger),
    ]

    assert {answer.status_code for answer in refused} == {404}
    assert (await site.post("/sidekick/v1/match", json=ABOUT_CARDS, headers=stranger)).json()["card"] is None


# ---------------------------------------------------------------------------------------------- panel tokens


async def panel_token(site: httpx2.AsyncClient, key: dict[str, str], **said: str) -> dict[str, str]:
    minted = await site.post("/sidekick/v1/token", json=said, headers=key)
    assert minted.status_code == 200, minted.text
    return {"Authorization": f"Bearer {minted.json()['token']}"}


async def test_a_panel_token_works_for_a_quarter_of_an_hour(
    site: httpx2.AsyncClient, acme: TenantContext, clock: Clock
) -> None:
    await post(acme)
    panel = await panel_token(site, await bearer(acme))

    clock.advance(minutes=14, seconds=59)
    before = await site.post("/sidekick/v1/match", json=ABOUT_CARDS, headers=panel)
    clock.advance(seconds=1)
    after = await site.post("/sidekick/v1/match", json=ABOUT_CARDS, headers=panel)

    assert before.json()["card"] is not None
    assert after.status_code == 401


async def test_a_panel_token_dies_with_its_key(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    key, secret = await create_key(acme, "desk", [Scope.SIDEKICK])
    panel = await panel_token(site, {"Authorization": f"Bearer {secret}"})

    await revoke_key(acme, key.id)

    assert (await site.post("/sidekick/v1/match", json=ABOUT_CARDS, headers=panel)).status_code == 401


async def test_a_panel_token_mints_no_other(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    panel = await panel_token(site, await bearer(acme))

    assert (await site.post("/sidekick/v1/token", json={}, headers=panel)).status_code == 403


async def test_a_token_cannot_be_changed_into_another_tenants(
    site: httpx2.AsyncClient, acme: TenantContext, globex: TenantContext
) -> None:
    ours = (await panel_token(site, await bearer(acme)))["Authorization"].removeprefix("Bearer ")
    theirs = (await panel_token(site, await bearer(globex)))["Authorization"].removeprefix("Bearer ")
    mixed = {"Authorization": f"Bearer {theirs.split('.')[0]}.{ours.split('.')[1]}"}

    assert (await site.post("/sidekick/v1/match", json=ABOUT_CARDS, headers=mixed)).status_code == 401


# -------------------------------------------------------------------------------------- frames, origins, schema


async def test_the_panel_may_be_framed_by_configured_sites_only(app: App, acme: TenantContext) -> None:
    desk = "https://acme.desk.example"
    opened = replace(app, settings=Settings(panel_origins=(desk,)))
    async with browser(create_site(opened)) as site:
        panel = await site.get("/sidekick/panel")
        allowed = await site.options("/sidekick/v1/match", headers=_preflight(desk))
        foreign = await site.options("/sidekick/v1/match", headers=_preflight("https://evil.example"))

    assert f"frame-ancestors 'self' {desk}" in panel.headers["Content-Security-Policy"]
    assert allowed.headers["Access-Control-Allow-Origin"] == desk
    assert "Access-Control-Allow-Origin" not in foreign.headers


def _preflight(origin: str) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }


async def test_the_demos_desk_is_the_demos_alone(site: httpx2.AsyncClient, acme: TenantContext) -> None:
    assert (await site.get("/demo/inbox")).status_code == 404
    assert (await site.post("/demo/token")).status_code == 404


async def test_the_schema_describes_the_sidekick_the_reports_and_nothing_else(site: httpx2.AsyncClient) -> None:
    schema = (await site.get("/sidekick/openapi.json")).json()

    assert set(schema["paths"]) == {
        *(
            f"/sidekick/v1/{name}"
            for name in ("match", "match/batch", "why", "link", "dismiss", "reply", "token", "stream")
        ),
        *("/reports/incidents/{incident_id}", "/reports/summary"),
    }
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


# ---------------------------------------------------------------------------------------------------- the stream


async def test_a_stream_tells_of_its_own_tenants_incidents_until_the_process_stops(
    app: App, acme: TenantContext, globex: TenantContext
) -> None:
    streams = Streams()
    app.snapshots.watch(streams.replaced)
    await app.snapshots.get(acme.id)
    await app.snapshots.get(globex.id)
    lines = streams.open(acme.id)
    assert await anext(lines) == b": following\n\n"

    await post(globex, "Somebody else's outage")
    incident = await post(acme)
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))
    streams.end()

    async with asyncio.timeout(5):
        told = [line.decode() async for line in lines]
    assert [incident.id in line for line in told] == [True, True]
    assert '"status": "investigating"' in told[0]
    assert '"status": "resolved"' in told[1]


async def test_a_quiet_stream_shows_that_it_lives() -> None:
    lines = Streams(alive_seconds=0.01).open("ten_1")

    async with asyncio.timeout(5):
        assert [await anext(lines), await anext(lines)] == [b": following\n\n", b": alive\n\n"]


async def test_a_tenant_has_a_bounded_number_of_streams(app: App, acme: TenantContext) -> None:
    site = create_site(app, streams=Streams(most=0))
    async with browser(site) as client:
        answer = await client.get("/sidekick/v1/stream", headers=await bearer(acme))

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
