"""Writes that a read causes (a match was shown, a key was used), gathered and written together off its path.

They are counts, not promises: what is gathered and not yet written is lost with the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from server.errors import Unavailable
from server.store import keys, matches
from server.store.database import Database
from server.store.matches import MatchRecord
from server.waiting import is_set_within

EVERY_SECONDS = 1.0
MAX_WAITING = 10_000

log = logging.getLogger(__name__)


class Recorder:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._matches: list[MatchRecord] = []
        self._uses: dict[tuple[str, str], datetime] = {}
        self._writing = asyncio.Lock()

    def key_used(self, tenant_id: str, key_id: str) -> None:
        self._uses[tenant_id, key_id] = self._clock()

    def matched(self, record: MatchRecord) -> None:
        """Note a match. While the database is away the oldest notes give way to the newest."""
        self._matches.append(record)
        del self._matches[:-MAX_WAITING]

    async def flush(self) -> None:
        """Write all that was gathered before the call. Raises Unavailable, and then keeps it for the next time."""
        async with self._writing:  # what another call has taken is written too when this one returns
            found, uses = self._matches, self._uses
            if not found and not uses:
                return
            self._matches, self._uses = [], {}
            try:
                async with self._database.write() as db:
                    if found:
                        await matches.insert(db, found)
                    if uses:
                        await keys.used(db, uses)
            except Unavailable:
                self._matches, self._uses = (found + self._matches)[-MAX_WAITING:], uses | self._uses
                raise

    async def run(self, stop: asyncio.Event) -> None:
        """Flush every second, and a last time at `stop`."""
        while not await is_set_within(stop, EVERY_SECONDS):
            await self._try_to_flush()
        await self._try_to_flush()

    async def _try_to_flush(self) -> None:
        try:
            await self.flush()
        except Unavailable as error:
            log.warning("counters wait: %s", error)
        except Exception:
            log.exception("some counters were not written")
