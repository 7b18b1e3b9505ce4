"""Opens everything a process needs and closes it again; the shell decides what runs on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from server.config import Settings
from server.context import App
from server.errors import Unavailable
from server.inference import Inference
from server.keys import Holder, Keyring
from server.matching import IncidentVectors
from server.recorder import Recorder
from server.snapshots import Snapshots
from server.store.database import Database
from server.tokens import Signer

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_app(
    settings: Settings,
    clock: Callable[[], datetime] = utc_now,
    fixed_keys: Mapping[str, Holder] | None = None,
    inference: Inference | None = None,
) -> AsyncIterator[App]:
    """The process on its migrated database. The text model is loaded by whoever starts `app.inference`."""
    database = Database(settings.database_url)
    inference = inference or Inference(settings.embedding_model, settings.cache_dir)
    try:
        await database.migrate()
        recorder = Recorder(database, clock)
        yield App(
            settings=settings,
            database=database,
            snapshots=Snapshots(database, clock),
            inference=inference,
            incident_vectors=IncidentVectors(),
            recorder=recorder,
            signer=await Signer.load(settings, database),
            keyring=Keyring(database, recorder, fixed_keys),
            clock=clock,
        )
    finally:
        await inference.close()
        await database.close()


@asynccontextmanager
async def background_work(app: App) -> AsyncIterator[None]:
    """Load the model, follow other processes' changes and write counters while the block runs."""
    app.inference.start()
    tasks = [asyncio.create_task(app.snapshots.follow()), asyncio.create_task(app.recorder.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Unavailable):
            await app.recorder.flush()
