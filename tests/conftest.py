"""Fixtures that more than one test module uses: databases, a stopped clock, the app, and two tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Lock

import pytest

from embeddings.consent.model import ConsentModel
from embeddings.matcher import Matcher
from embeddings.profiles import default_cache_dir
from server.analyzers import LocalAnalyzer
from server.config import Settings
from server.context import Actor, App, TenantContext
from server.inference import Inference
from server.models import Scope
from server.opening import open_app
from server.tenants import TenantDraft, context_of, create_tenant
from tests.postgres import Cluster, postgres_cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One PostgreSQL server for the whole run, started by the first test that asks for it."""
    with postgres_cluster() as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: Cluster) -> str:
    """The URL of an empty PostgreSQL database that no other test has."""
    return postgres.create_database()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'herald.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, once on each kind: whatever stores something is tested on both."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


class Clock:
    """A stopped clock that tests move by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def real_matcher() -> Matcher:
    """The real model with its real weights, loaded once for the whole run by the first test that needs it."""
    with _LOADING:  # a test may end, and the next one ask, while the model is still being loaded
        return _load()


@cache
def _load() -> Matcher:
    return Matcher.load("multilingual", default_cache_dir())


def real_consent_model() -> ConsentModel:
    """The real model that reads replies, loaded once for the whole run by the first test that needs it."""
    with _LOADING:
        return _load_consent_model()


@cache
def _load_consent_model() -> ConsentModel:
    return ConsentModel.load(default_cache_dir())


_LOADING = Lock()


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(database_url=database_url)


@pytest.fixture
async def analyzer() -> AsyncIterator[LocalAnalyzer]:
    """What reads replies without a network, with the real model behind it."""
    local = LocalAnalyzer(real_consent_model)
    yield local
    await local.close()


@pytest.fixture
async def app(settings: Settings, clock: Clock, analyzer: LocalAnalyzer) -> AsyncIterator[App]:
    """The process on an empty migrated database of each kind, with the real model behind it."""
    async with open_app(settings, clock=clock, inference=Inference(real_matcher), analyzer=analyzer) as opened:
        yield opened


def actor(*scopes: Scope, name: str = "tester") -> Actor:
    return Actor(id=f"key_{name}", name=name, scopes=frozenset(scopes))


@pytest.fixture
async def acme(app: App) -> TenantContext:
    """A tenant, seen by someone who may do everything."""
    await create_tenant(app, TenantDraft(slug="acme", name="Acme"))
    return await context_of(app, "acme", actor(*Scope))


@pytest.fixture
async def globex(app: App) -> TenantContext:
    """Another tenant, which must never see anything of acme's."""
    await create_tenant(app, TenantDraft(slug="globex", name="Globex"))
    return await context_of(app, "globex", actor(*Scope, name="stranger"))
