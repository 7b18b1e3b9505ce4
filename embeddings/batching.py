"""Brings messages of many callers to the network together, off the event loop.

A lone message starts at once. While the network runs, newcomers gather, and go together when it is free: batches
grow with the load by themselves, and nobody waits on a clock.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from embeddings.backends import BATCH, Vectors
from embeddings.errors import Overloaded
from embeddings.matcher import Matcher

WAITING = 1024  # messages: a few seconds of work; beyond that a caller is better told at once


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    texts: Sequence[str]
    vectors: asyncio.Future[Vectors]


class Batcher:
    """Belongs to one event loop. Runs the network in one thread of its own."""

    def __init__(self, matcher: Matcher, waiting: int = WAITING, batch: int = 2 * BATCH) -> None:
        self.matcher = matcher
        self._most_waiting = waiting
        self._most_together = batch
        self._queue: deque[_Request] = deque()
        self._waiting = 0
        self._seconds_each = 0.01  # a running estimate, for Overloaded
        self._running: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embeddings")

    async def embed_messages(self, texts: Sequence[str]) -> Vectors:
        """As `Matcher.embed_messages`. Raises `Overloaded` rather than let the queue grow without bound."""
        remembered = self.matcher.recall_messages(texts)
        if remembered is not None:
            return remembered
        if self._waiting + len(texts) > self._most_waiting:
            raise Overloaded(retry_after=max(1.0, self._waiting * self._seconds_each))
        parts = [
            texts[start : start + BATCH] for start in range(0, len(texts), BATCH)
        ]  # a long list lets others in
        return np.concatenate(await asyncio.gather(*(self._enqueue(part) for part in parts)))

    async def close(self) -> None:
        """Let what is running end; callers still waiting get `CancelledError`."""
        for request in self._queue:
            request.vectors.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _enqueue(self, texts: Sequence[str]) -> asyncio.Future[Vectors]:
        request = _Request(texts, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        self._waiting += len(texts)
        if self._running is None:
            self._running = asyncio.create_task(self._drain())
        return request.vectors

    async def _drain(self) -> None:
        try:
            while self._queue:
                requests = self._next_batch()
                if requests:
                    await self._run(requests)
        finally:
            self._running = None

    def _next_batch(self) -> list[_Request]:
        """The oldest requests, as many as go together; those whose caller has gone are dropped."""
        requests: list[_Request] = []
        room = self._most_together
        while self._queue and room > 0:
            request = self._queue.popleft()
            self._waiting -= len(request.texts)
            if not request.vectors.done():
                requests.append(request)
                room -= len(request.texts)
        return requests

    async def _run(self, requests: list[_Request]) -> None:
        texts = [text for request in requests for text in request.texts]
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            vectors = await loop.run_in_executor(self._thread, self.matcher.embed_messages, texts)
        except Exception as error:  # noqa: BLE001 - each caller gets it
            for request in requests:
                if not request.vectors.done():
                    request.vectors.set_exception(error)
            return
        self._seconds_each += 0.1 * ((time.perf_counter() - started) / len(texts) - self._seconds_each)
        start = 0
        for request in requests:
            if not request.vectors.done():
                request.vectors.set_result(vectors[start : start + len(request.texts)])
            start += len(request.texts)
