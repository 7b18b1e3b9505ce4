"""The text model as the server uses it: loaded once in the background, and run off the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from embeddings.batching import Batcher
from embeddings.errors import Overloaded
from embeddings.explain import Explanation
from embeddings.matcher import IncidentText, Matcher
from embeddings.titles import TitleAssessment
from server.errors import Unavailable

WAIT_SECONDS = 20  # well below the 60 s after which common MCP hosts give up

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]
Probabilities = NDArray[np.float64]
Result = TypeVar("Result")


class Inference:
    """Ready some seconds after `start()` or the first call. A call that waits too long raises `Unavailable`."""

    def __init__(self, load: Callable[[], Matcher]) -> None:
        self._load_matcher = load
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self._batcher: Batcher | None = None
        self._loading: asyncio.Task[None] | None = None
        self._loaded = asyncio.Event()
        self.failure: str | None = None
        """Why the model could not be loaded, if that is so."""

    def start(self) -> None:
        """Begin to load the model, once; the caller goes on."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())

    @property
    def is_ready(self) -> bool:
        return self._batcher is not None

    async def messages(self, texts: Sequence[str]) -> Vectors:
        """One vector a text, shape (n, d). Concurrent calls run together; too many at once raise `Unavailable`."""
        batcher = await self._ready()
        try:
            return await batcher.embed_messages(texts)
        except Overloaded as error:
            raise Unavailable(str(error), retry_after=error.retry_after) from error

    async def incidents(self, texts: Sequence[IncidentText]) -> Vectors:
        """One vector an incident, shape (n, d). Only texts not seen before are encoded."""
        matcher = (await self._ready()).matcher
        return await self._run(lambda: matcher.embed_incidents(texts))

    async def probabilities(self, messages: Vectors, incidents: Vectors) -> Probabilities:
        """Shape (messages, incidents): the probability that a message is about an incident."""
        return (await self._ready()).matcher.probabilities(messages, incidents)

    async def explain(self, message: str, incident: IncidentText) -> Explanation:
        """Which words and parts speak for a match. Costs a run of the network per word."""
        matcher = (await self._ready()).matcher
        return await self._run(lambda: matcher.explain(message, incident))

    async def assess_title(self, title: str, components: Sequence[str]) -> TitleAssessment:
        """Whether a draft title says enough to be matched, and what it lacks."""
        matcher = (await self._ready()).matcher
        return await self._run(lambda: matcher.assess_title(title, components))

    async def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
        if self._batcher is not None:
            await self._batcher.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _load(self) -> None:
        try:
            matcher = await self._run(self._loaded_and_warm)
        except Exception as error:
            self.failure = str(error)
            log.exception("the text model could not be loaded")
        else:
            self._batcher = Batcher(matcher)
        finally:
            self._loaded.set()

    def _loaded_and_warm(self) -> Matcher:
        matcher = self._load_matcher()
        matcher.warm_up()
        return matcher

    async def _ready(self) -> Batcher:
        if self._batcher is not None:
            return self._batcher
        self.start()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._loaded.wait(), WAIT_SECONDS)
        if self._batcher is None:
            reason = self.failure or "it is still being loaded"
            raise Unavailable(f"the text model is not ready: {reason}", retry_after=5)
        return self._batcher

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
