"""Messages of many callers, together."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from embeddings.backends import Vectors
from embeddings.batching import Batcher
from embeddings.errors import Overloaded
from embeddings.matcher import Matcher


class Held:
    """A network that answers when it is let go, and notes what came together."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.started = threading.Event()
        self.go = threading.Event()
        self.fails = False

    def recall_messages(self, messages: Sequence[str]) -> Vectors | None:
        return np.zeros((1, 2), np.float32) if list(messages) == ["known"] else None

    def embed_messages(self, messages: Sequence[str]) -> Vectors:
        self.batches.append(list(messages))
        self.started.set()
        if not self.go.wait(10):
            raise TimeoutError
        if self.fails:
            raise RuntimeError("out of memory")
        return np.array([[len(message), 0] for message in messages], np.float32)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def batcher(held: Held) -> AsyncIterator[Batcher]:
    batcher = Batcher(held, waiting=40, batch=32)  # type: ignore[arg-type]  # stands in for the network
    yield batcher
    held.go.set()
    await batcher.close()


async def until_running(held: Held) -> None:
    await asyncio.to_thread(held.started.wait, 10)


async def test_a_lone_message_starts_at_once_and_newcomers_go_together(batcher: Batcher, held: Held) -> None:
    first = asyncio.create_task(batcher.embed_messages(["a"]))
    await until_running(held)
    others = [asyncio.create_task(batcher.embed_messages(["b" * n])) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    held.go.set()
    assert (await first)[0, 0] == 1
    assert [vectors[0, 0] for vectors in await asyncio.gather(*others)] == [1, 2, 3]
    assert held.batches == [["a"], ["b", "bb", "bbb"]]


async def test_a_remembered_message_passes_the_queue(batcher: Batcher, held: Held) -> None:
    waiting = asyncio.create_task(batcher.embed_messages(["slow"]))
    await until_running(held)
    assert (await batcher.embed_messages(["known"])).shape == (1, 2)
    assert not waiting.done()


async def test_a_full_queue_refuses_and_says_when_to_come_back(batcher: Batcher, held: Held) -> None:
    running = asyncio.create_task(batcher.embed_messages(["a"]))
    await until_running(held)
    queued = asyncio.create_task(batcher.embed_messages(["b"] * 40))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refusal:
        await batcher.embed_messages(["c"])
    assert refusal.value.retry_after >= 1
    held.go.set()
    assert len(await queued) == 40
    assert len(await running) == 1
    assert len(await batcher.embed_messages(["d"])) == 1


async def test_a_caller_who_left_costs_nothing(batcher: Batcher, held: Held) -> None:
    running = asyncio.create_task(batcher.embed_messages(["a"]))
    await until_running(held)
    gone = asyncio.create_task(batcher.embed_messages(["gone"]))
    stays = asyncio.create_task(batcher.embed_messages(["stays"]))
    await asyncio.sleep(0)
    gone.cancel()
    held.go.set()
    await asyncio.gather(running, stays)
    assert held.batches == [["a"], ["stays"]]


async def test_a_failure_reaches_its_callers_and_not_the_next_ones(batcher: Batcher, held: Held) -> None:
    held.go.set()
    held.fails = True
    with pytest.raises(RuntimeError, match="out of memory"):
        await batcher.embed_messages(["a"])
    held.fails = False
    assert len(await batcher.embed_messages(["b"])) == 1


async def test_on_the_real_model_it_gives_what_the_matcher_gives(matcher: Matcher) -> None:
    batcher = Batcher(matcher)
    texts = [f"parcel {n} is lost" for n in range(70)]
    together = np.concatenate(await asyncio.gather(*(batcher.embed_messages([text]) for text in texts)))
    assert np.array_equal(together, matcher.embed_messages(texts))
    assert np.array_equal(await batcher.embed_messages(texts), together)
    await batcher.close()
