"""The site without a network, and incidents to show on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp

from server.components import create_component
from server.context import App, TenantContext
from server.incidents import IncidentDraft, create_incident
from server.models import Incident, Severity
from status_site.app import create_site


def browser(site: ASGIApp) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=site), base_url="http://127.0.0.1")


@pytest.fixture
async def site(app: App) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the whole site, framework and published pages alike."""
    async with browser(create_site(app)) as client:
        yield client


async def post(tenant: TenantContext, title: str = "Card payments fail", **said: Any) -> Incident:
    """Post an incident that affects the component `Payments`, which is made if need be."""
    names = {one.name: one.id for one in (await tenant.app.snapshots.get(tenant.id)).components}
    if "Payments" not in names:
        names["Payments"] = (await create_component(tenant, "Payments", "Cards and wallets")).id
    draft = {"message": "We are looking into it.", "severity": Severity.MAJOR, **said}
    return await create_incident(tenant, IncidentDraft(title=title, components={names["Payments"]: None}, **draft))
