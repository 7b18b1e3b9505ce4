"""Opens everything a process needs and closes it again; the shell decides what runs on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from embeddings.matcher import Matcher
from embeddings.profiles import default_cache_dir
from server.analyzers import Analyzer, open_analyzer
from server.config import Settings
from server.context import App
from server.domains import Hosts, keep_proofs
from server.inference import Inference
from server.keys import Holder, Keyring
from server.limits import NetworkLimits
from server.maintenance import keep_schedule
from server.matching import IncidentVectors
from server.notifications import Worker
from server.recorder import Recorder
from server.second_reader import open_second_reader
from server.snapshots import Snapshots
from server.store.database import Database
from server.subscriptions import OfferBook
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
    analyzer: Analyzer | None = None,
) -> AsyncIterator[App]:
    """The process on its migrated database. The text model is loaded by whoever starts `app.inference`."""
    database = Database(settings.database_url)
    inference = inference or Inference(lambda: _load_matcher(settings))
    resources = AsyncExitStack()
    try:
        if analyzer is None:
            analyzer = await resources.enter_async_context(open_analyzer(settings))
        second_reader = await resources.enter_async_context(open_second_reader(settings))
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
            offers=OfferBook(),
            analyzer=analyzer,
            second_reader=second_reader,
            network_limits=NetworkLimits(clock),
            hosts=Hosts(database, clock),
            clock=clock,
        )
    finally:
        await resources.aclose()
        await inference.close()
        await database.close()


@asynccontextmanager
async def background_work(app: App, *, sends_mail: bool = False) -> AsyncIterator[None]:
    """Load the model, follow other processes' changes, begin and end maintenance, write counters and send mail."""
    app.inference.start()
    app.analyzer.start()
    stop = asyncio.Event()
    works: list[Callable[[asyncio.Event], Coroutine[None, None, None]]] = [
        app.snapshots.follow,
        app.recorder.run,
        partial(keep_schedule, app),
        partial(keep_proofs, app),
        *([Worker(app).run] if sends_mail else []),
    ]
    tasks = [asyncio.create_task(work(stop)) for work in works]
    try:
        yield
    finally:
        stop.set()  # not cancelled: each ends what it is doing in the database
        await asyncio.gather(*tasks)


def _load_matcher(settings: Settings) -> Matcher:
    return Matcher.load(settings.embedding_model, settings.cache_dir or default_cache_dir())
