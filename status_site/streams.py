"""Server-sent events for panels: a line whenever one of the tenant's incidents reads otherwise than before."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

from server.errors import Unavailable
from server.models import Incident, IncidentKind
from server.snapshots import Snapshot

MAX_STREAMS = 500
MAX_WAITING = 100
ALIVE_SECONDS = 15
"""Proxies cut a connection on which nothing moves, commonly after 30 to 60 s."""

Line = bytes | None


class Streams:
    """Every open stream of every tenant. One that reads too slowly is ended: the panel asks again anyway."""

    def __init__(self, most: int = MAX_STREAMS, alive_seconds: float = ALIVE_SECONDS) -> None:
        self._most = most
        self._alive_seconds = alive_seconds
        self._open: defaultdict[str, set[asyncio.Queue[Line]]] = defaultdict(set)

    def replaced(self, before: Snapshot, after: Snapshot) -> None:
        """A watcher of snapshots."""
        for queue in list(self._open.get(after.tenant.id, ())):
            for incident in _changed(before, after):
                _put(queue, _event(incident))

    def open(self, tenant_id: str) -> AsyncIterator[bytes]:
        """What to send, until the process stops. Raises Unavailable for one stream too many of a tenant."""
        if len(self._open[tenant_id]) >= self._most:
            raise Unavailable(f"{self._most} panels of this tenant follow already: poll instead", retry_after=60)
        queue: asyncio.Queue[Line] = asyncio.Queue(MAX_WAITING)
        self._open[tenant_id].add(queue)
        return self._lines(tenant_id, queue)

    def end(self) -> None:
        """End every stream: the process stops."""
        for queues in self._open.values():
            for queue in queues:
                _put(queue, None)

    async def _lines(self, tenant_id: str, queue: asyncio.Queue[Line]) -> AsyncIterator[bytes]:
        try:
            yield b": following\n\n"
            while True:
                try:
                    line = await asyncio.wait_for(queue.get(), self._alive_seconds)
                except TimeoutError:
                    line = b": alive\n\n"
                if line is None:
                    return
                yield line
        finally:
            self._open[tenant_id].discard(queue)


def _put(queue: asyncio.Queue[Line], line: Line) -> None:
    if queue.full():
        queue.get_nowait()
        line = None
    queue.put_nowait(line)


def _changed(before: Snapshot, after: Snapshot) -> Iterator[Incident]:
    known = {incident.id: incident.version for incident in (*before.active, *before.history)}
    for incident in (*after.active, *after.history):
        if incident.kind is IncidentKind.INCIDENT and known.get(incident.id) != incident.version:
            yield incident


def _event(incident: Incident) -> bytes:
    said = {"incident_id": incident.id, "status": incident.status, "title": incident.title}
    return f"event: incident\ndata: {json.dumps(said)}\n\n".encode()
