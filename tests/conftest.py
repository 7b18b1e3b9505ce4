"""Fixtures that more than one test module uses."""

from collections.abc import Iterator

import pytest

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
