"""Maintenance tools, as an operator's agent uses them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from mcp import Client

from server.models import Scope
from tests.conftest import Clock
from tests.tools.conftest import Endpoint, answer, refusal


@pytest.fixture
async def operator(endpoint: Endpoint) -> AsyncIterator[Client]:
    async with endpoint.caller(Scope.OPERATOR) as client:
        yield client


async def test_an_operator_plans_moves_and_calls_off_a_maintenance(operator: Client, clock: Clock) -> None:
    await answer(operator, "component_create", name="Payments")
    starts_at, ends_at = ((clock() + timedelta(hours=hours)).isoformat() for hours in (48, 50))

    planned = await answer(
        operator,
        "maintenance_schedule",
        title="Database upgrade",
        starts_at=starts_at,
        ends_at=ends_at,
        components=["payments"],
    )
    assert planned["status"] == "scheduled"
    assert (planned["starts_at"], planned["ends_at"]) == ("2026-03-16T15:09:26Z", "2026-03-16T17:09:26Z")
    assert [(one["name"], one["state"]) for one in planned["components"]] == [("Payments", "maintenance")]

    moved = await answer(
        operator, "maintenance_update", incident_id=planned["id"], ends_at="2026-03-16T20:00:00+01:00"
    )
    assert moved["ends_at"] == "2026-03-16T19:00:00Z"

    await answer(operator, "maintenance_cancel", incident_id=planned["id"], message="Not needed.")
    listed = await answer(operator, "maintenance_list")
    assert (listed["open"], [one["status"] for one in listed["past"]]) == ([], ["cancelled"])


async def test_a_refusal_says_what_to_do(operator: Client, clock: Clock) -> None:
    incident = await answer(operator, "incident_create", title="Payments fail")

    said = await refusal(operator, "maintenance_cancel", incident_id=incident["id"])

    assert said == f"{incident['id']} is an incident: use the tools for incidents"


async def test_an_agent_cannot_plan_and_a_stranger_finds_nothing(endpoint: Endpoint, clock: Clock) -> None:
    async with endpoint.caller(Scope.AGENT) as agent:
        assert not [tool for tool in (await agent.list_tools()).tools if tool.name.startswith("maintenance")]
    async with endpoint.caller(Scope.OPERATOR) as operator:
        window = {"starts_at": "2026-04-01T00:00:00Z", "ends_at": "2026-04-01T01:00:00Z"}
        planned = await answer(operator, "maintenance_schedule", title="Upgrade", **window)
    async with endpoint.caller(Scope.OPERATOR, tenant=endpoint.stranger) as stranger:
        assert "there is no incident" in await refusal(
            stranger, "maintenance_update", incident_id=planned["id"], title="Mine"
        )
        assert (await answer(stranger, "maintenance_list"))["open"] == []
