"""Fixtures of the product's tests: a second process on the same database, and a mail server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.config import Settings
from server.context import App, TenantContext
from server.inference import Inference
from server.models import Scope
from server.opening import open_app
from server.tenants import context_of
from tests.conftest import Clock, actor, real_matcher
from tests.smtp_sink import Sink, running


@pytest.fixture
async def other_app(app: App, settings: Settings, clock: Clock) -> AsyncIterator[App]:
    """A second process, as far as the database can tell."""
    async with open_app(settings, clock=clock, inference=Inference(real_matcher)) as opened:
        yield opened


@pytest.fixture
async def acme_elsewhere(acme: TenantContext, other_app: App) -> TenantContext:
    """The same tenant and the same actor in that process."""
    return await context_of(other_app, "acme", actor(*Scope))


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    """A mail server that keeps what it is given."""
    async with running(Sink()) as listening:
        yield listening
