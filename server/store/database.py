"""Opens the database, hands out connections to read and to write, and migrates it. Knows no table of its own.

SQLite gets two engines: one connection that writes (its transactions begin IMMEDIATE, because a deferred one
fails as soon as another process wrote in between) and a small pool that cannot write at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from server.errors import Invalid, Unavailable

BUSY_SECONDS = 5
LOCK_ATTEMPTS = 5
DATA_EXCEPTION = "22"
PASSING = ("08", "40", "53", "57")  # no connection; rolled back for others; out of resources; shutting down
MIGRATION_LOCK = 0x4845_5241_4C44  # any constant: PostgreSQL's advisory lock while migrating


class Database:
    """Two ways in: `read()` sees one committed moment; `write()` is one transaction, all of it or nothing.

    Both raise `Unavailable` when the database cannot be reached or is locked by another process for long, and
    `Invalid` when a text holds what no database can.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer = _sqlite_engine(self.url, connections=1, read_only=False)
            self._reader = _sqlite_engine(self.url, connections=4, read_only=True)
        else:
            self._writer = self._reader = create_async_engine(
                self.url, pool_size=5, max_overflow=5, pool_pre_ping=True,
                connect_args={"server_settings": {"application_name": "herald",
                                                  "idle_in_transaction_session_timeout": "30000"}},
            )  # fmt: skip

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with _readable_failures():
            async with self._reader.connect() as connection:
                if not self.is_sqlite:  # SQLite's transactions see one moment by themselves
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        with _readable_failures():
            async with self._writer.connect() as connection:
                await _begin(connection)
                yield connection
                await connection.commit()

    async def migrate(self) -> None:
        """Bring the schema to this version's, once, however many processes start at the same time.

        Raises `Unavailable` when a newer Herald has already migrated the database, or SQLite's folder is missing.
        """
        if self.is_sqlite:
            _check_folder(Path(self.url.database or ""))
        await self._reach()
        async with self.write() as connection:
            if not self.is_sqlite:
                await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            try:
                await connection.run_sync(_upgrade)
            except CommandError as error:
                raise Unavailable(f"this database belongs to a newer Herald: {error}. Upgrade Herald.") from error

    async def _reach(self) -> None:
        """Raises Unavailable with the reason and the place, for whoever starts Herald; never with a password."""
        try:
            async with self._writer.connect():
                return
        except (DBAPIError, PoolTimeout, OSError) as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            place = self.url.render_as_string(hide_password=True)
            raise Unavailable(
                f"cannot open {place} ({reason}): start it, or correct HERALD_DATABASE_URL"
            ) from error

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()


def _check_folder(file: Path) -> None:
    if not file.parent.is_dir():
        raise Unavailable(f"there is no folder {file.parent} for the database: make it, or name another database")


def _sqlite_engine(url: sa.URL, connections: int, read_only: bool) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=connections, max_overflow=0, pool_timeout=30)
    pragmas = [
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        *(["query_only=ON"] if read_only else ["journal_mode=WAL", "synchronous=FULL"]),
    ]

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver would otherwise begin transactions by itself, too late
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _start(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


async def insert_if_absent(db: AsyncConnection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Whether the row was inserted; False where one with the same unique key stands already.

    On PostgreSQL this waits for a transaction that is inserting the same key, as SQLite does by its one writer.
    """
    insert = sqlite.insert if db.dialect.name == "sqlite" else postgresql.insert
    return (await db.execute(insert(table).values(row).on_conflict_do_nothing())).rowcount == 1


async def insert_all_absent(db: AsyncConnection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """As `insert_if_absent`, for many rows of the same columns."""
    insert = sqlite.insert if db.dialect.name == "sqlite" else postgresql.insert
    await db.execute(insert(table).on_conflict_do_nothing(), list(rows))


async def _begin(connection: AsyncConnection) -> None:
    """Begin to write. The busy timeout is not fair, so a crowd of processes may need more than one turn."""
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            await connection.begin()
            return
        except OperationalError as error:
            await connection.rollback()
            if attempt == LOCK_ATTEMPTS or "locked" not in str(error):
                raise
            await asyncio.sleep(0.05 * attempt)


class _readable_failures:  # noqa: N801 - reads as a phrase: `with _readable_failures():`
    """Turns what a caller can do something about into a refusal; other errors pass.

    `Unavailable` if the database is away, locked or full; `Invalid` for a text that it cannot hold.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if _is_unstorable(error):
            raise Invalid("remove the characters that are none: NUL, or half a surrogate pair") from error
        if _is_passing(error):  # not that nothing was changed: the answer to a commit may be what was lost
            raise Unavailable(
                "the database cannot answer now: try again, with the same idempotency key if you gave one"
            ) from error


def _is_unstorable(error: BaseException | None) -> bool:
    return isinstance(error, UnicodeEncodeError) or _sqlstate(error).startswith(DATA_EXCEPTION)


def _is_passing(error: BaseException | None) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    unreachable = isinstance(error, OperationalError | InterfaceError | PoolTimeout | OSError)
    return unreachable or _sqlstate(error).startswith(PASSING)


def _sqlstate(error: BaseException | None) -> str:
    """PostgreSQL's code for what went wrong (its manual, appendix A); empty for everything else."""
    if isinstance(error, DBAPIError):
        error = error.orig
    return getattr(error, "sqlstate", None) or ""


def _upgrade(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "server:store/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
