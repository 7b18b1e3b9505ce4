from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import StatementError

from server.context import TenantContext
from server.errors import Unavailable
from server.incidents import IncidentDraft, create_incident
from server.store.database import Database
from server.store.schema import metadata, tenants


async def test_the_migrations_make_exactly_the_schema_that_the_code_knows(database_url: str) -> None:
    database = Database(database_url)
    await database.migrate()

    async with database.read() as db:
        differences = await db.run_sync(
            lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)
        )

    await database.close()
    assert differences == []


async def test_processes_that_start_together_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(3)]

    await asyncio.gather(*(database.migrate() for database in databases))

    async with databases[0].read() as db:
        assert (await db.execute(sa.text("SELECT count(*) FROM alembic_version"))).scalar_one() == 1
    for database in databases:
        await database.close()


async def test_a_database_of_a_newer_herald_is_refused_and_left_alone(database_url: str) -> None:
    database = Database(database_url)
    await database.migrate()
    async with database.write() as db:
        await db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(Unavailable, match="belongs to a newer Herald"):
        await database.migrate()

    async with database.read() as db:
        assert (await db.execute(sa.text("SELECT version_num FROM alembic_version"))).scalar_one() == "9999"
    await database.close()


async def test_sqlite_is_durable_checks_references_and_lets_readers_go_on(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with database.write() as db:
        pragmas = {
            name: (await db.execute(sa.text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    await database.close()

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


async def test_a_reader_cannot_write(database_url: str) -> None:
    database = Database(database_url)
    await database.migrate()

    with pytest.raises((Unavailable, sa.exc.DBAPIError)) as refused:
        async with database.read() as db:
            await db.execute(sa.text("UPDATE changes SET version = 7"))

    await database.close()
    reason = str(refused.value.__cause__ or refused.value)
    assert "readonly" in reason or "read-only" in reason


async def test_a_write_that_fails_leaves_nothing(acme: TenantContext) -> None:
    with pytest.raises(ZeroDivisionError):
        await _write_half(acme)

    async with acme.read() as db:
        assert (await db.execute(sa.select(tenants.c.name))).scalars().all() == ["Acme"]


async def _write_half(acme: TenantContext) -> None:
    async with acme.write() as db:
        await db.execute(sa.update(tenants).values(name="Half done"))
        raise ZeroDivisionError


async def test_a_read_sees_one_moment(acme: TenantContext) -> None:
    count = sa.select(sa.func.count()).select_from(sa.text("incidents"))
    async with acme.read() as db:
        before = (await db.execute(count)).scalar_one()
        await create_incident(acme, IncidentDraft(title="Down"))
        during = (await db.execute(count)).scalar_one()

    assert (before, during) == (0, 0)


async def test_times_are_kept_in_utc_to_the_microsecond_and_need_a_zone(acme: TenantContext) -> None:
    tokyo = datetime(2026, 3, 14, 18, 0, 0, 123456, tzinfo=timezone(timedelta(hours=9)))
    async with acme.write() as db:
        await db.execute(sa.update(tenants).values(created_at=tokyo))
    async with acme.read() as db:
        kept = (await db.execute(sa.select(tenants.c.created_at))).scalar_one()

    assert (kept, kept.utcoffset()) == (datetime(2026, 3, 14, 9, 0, 0, 123456, tzinfo=UTC), timedelta())
    with pytest.raises(StatementError, match="needs a time zone"):
        async with acme.write() as db:
            await db.execute(sa.update(tenants).values(created_at=tokyo.replace(tzinfo=None)))


async def test_a_database_that_cannot_be_reached_is_unavailable() -> None:
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")

    with pytest.raises(Unavailable, match="cannot answer now"):
        async with database.read() as db:
            await db.execute(sa.text("SELECT 1"))

    await database.close()
