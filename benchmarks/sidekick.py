"""What a match of the Sidekick costs over HTTP, against the bare encoder: `python -m benchmarks.sidekick --json`.

`herald serve` runs as a process of its own; the encoder (our fastest backend, its memory of repeated texts off)
runs in this one, and their turns alternate. Every message is new, and in a conversation of its own: the server
embeds it, and where a card appears notes it. Messages come singly, then 64 at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from benchmarks.match import SINGLES, TOGETHER, shuffled_texts, timed_async, without_memory
from benchmarks.mcp import (
    HERALD,
    Target,
    call,
    environment_in,
    free_port,
    headers,
    run_herald,
    running,
    tool_call,
)
from embeddings.batching import Batcher
from embeddings.matcher import Matcher
from embeddings.profiles import default_cache_dir

INCIDENTS = (
    "Users cannot sign in and see an error page",
    "Card payments are declined",
    "Mails arrive hours late",
    "The app crashes when it opens",
    "Reports and exports do not load",
)
WARM_UP = 8

Ask = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True)
class Desk:
    """A tenant's support desk: where it asks, and with which key."""

    url: str
    key: str


@dataclass(frozen=True)
class Answered:
    """How long one message took, in seconds, and whether a card came."""

    seconds: float
    card: bool


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, desks(Path(folder)) as (busy, quiet):
        report = asyncio.run(measure(busy, quiet, arguments.rounds))
    print(json.dumps(report, indent=None if arguments.json else 2))


async def measure(busy: Desk, quiet: Desk, rounds: int) -> dict[str, Any]:
    """All figures, in milliseconds where they are times; the ratio is the median of the rounds' ratios."""
    matcher = Matcher.load("multilingual", default_cache_dir())
    batcher = Batcher(without_memory(matcher))
    texts = iter(shuffled_texts())

    async def encode(text: str) -> bool:
        await batcher.embed_messages([text])
        return False

    singles: dict[str, list[Answered]] = {"match": [], "encoder": []}
    crowds: dict[str, list[Answered]] = {"match": [], "encoder": []}
    speeds: dict[str, list[float]] = {"5": [], "0": []}
    ratios = []
    async with client(busy) as busy_http, client(quiet) as quiet_http:
        asks = {"match": asker(busy_http), "encoder": encode}
        for ask in (*asks.values(), asker(quiet_http)):
            await one_by_one([ask], [next(texts) for _ in range(WARM_UP)])
        for _ in range(rounds):
            alone = await one_by_one(list(asks.values()), [next(texts) for _ in range(SINGLES)])
            ratios.append(median_ms(alone[0]) / median_ms(alone[1]))
            many = [next(texts) for _ in range(TOGETHER)]
            for name, answered in zip(asks, alone, strict=True):
                singles[name] += answered
            for name, ask in asks.items():
                taken, answered = await at_once(ask, many)
                crowds[name] += answered
                if name == "match":
                    speeds["5"].append(TOGETHER / taken)
            taken, _ = await at_once(asker(quiet_http), [next(texts) for _ in range(TOGETHER)])
            speeds["0"].append(TOGETHER / taken)
    await batcher.close()
    return {
        "benchmark": "sidekick",
        "p50_ratio": round(statistics.median(ratios), 3),
        "p50_ratio_rounds": [round(ratio, 3) for ratio in ratios],
        "p50_overhead_ms": round(median_ms(singles["match"]) - median_ms(singles["encoder"]), 3),
        "single_ms": {name: percentiles(answered) for name, answered in singles.items()},
        f"concurrent_{TOGETHER}_ms": {name: percentiles(answered) for name, answered in crowds.items()},
        "single_p50_ms_by_card": by_card(singles["match"]),
        "messages_per_second_by_incidents": {
            count: round(statistics.median(each), 1) for count, each in speeds.items()
        },
        "backend": matcher.backend,
        "cores": os.cpu_count(),
        "rounds": rounds,
    }


async def one_by_one(asks: Sequence[Ask], texts: Sequence[str]) -> list[list[Answered]]:
    """Every text to each in turn."""
    answered: list[list[Answered]] = [[] for _ in asks]
    for text in texts:
        for ask, kept in zip(asks, answered, strict=True):
            kept.append(await clocked(ask, text))
    return answered


async def at_once(ask: Ask, texts: Sequence[str]) -> tuple[float, list[Answered]]:
    """All texts at the same time: the seconds until the last answer, and each one's own."""
    answered: list[Answered] = []

    async def everything() -> None:
        answered.extend(await asyncio.gather(*(clocked(ask, text) for text in texts)))

    return await timed_async(everything), answered


async def clocked(ask: Ask, text: str) -> Answered:
    started = time.perf_counter()
    card = await ask(text)
    return Answered(time.perf_counter() - started, card)


def asker(http: httpx2.AsyncClient) -> Ask:
    """Asks the server, in a new conversation each time. Raises HTTPStatusError for any refusal."""

    async def ask(text: str) -> bool:
        body = {"conversation_id": os.urandom(8).hex(), "message": text}
        response = await http.post("/sidekick/v1/match", json=body)
        response.raise_for_status()
        return response.json()["card"] is not None

    return ask


def client(desk: Desk) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=desk.url,
        headers={"Authorization": f"Bearer {desk.key}"},
        timeout=60,
        limits=httpx2.Limits(max_connections=TOGETHER, max_keepalive_connections=TOGETHER),
    )


def median_ms(answered: Sequence[Answered]) -> float:
    return 1000 * statistics.median(one.seconds for one in answered)


def percentiles(answered: Sequence[Answered]) -> dict[str, float]:
    p50, p99 = np.percentile([1000 * one.seconds for one in answered], [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def by_card(answered: Sequence[Answered]) -> dict[str, Any]:
    """A new card is noted in the database before it is answered: what the others take stands beside it."""
    found: dict[str, Any] = {}
    for name, card in (("with_card", True), ("without", False)):
        some = [one for one in answered if one.card is card]
        found[name] = {"count": len(some), "p50": round(median_ms(some), 3) if some else None}
    return found


@contextmanager
def desks(folder: Path) -> Iterator[tuple[Desk, Desk]]:
    """`herald serve` with a tenant that has five active incidents, and one that has none."""
    environment = environment_in(folder)
    run = partial(run_herald, environment)
    keys = {}
    for slug in ("busy", "quiet"):
        run("tenant", "create", slug)
        run("component", "create", "Service", "--tenant", slug)
        scopes = ("--scope", "sidekick", "--scope", "operator")
        keys[slug] = run("key", "create", "bench", "--tenant", slug, *scopes)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running([str(HERALD), "serve", "--port", str(port)], f"{url}/readyz", environment) as process:
        for title in INCIDENTS:
            wanted = tool_call("incident_create", title=title, components=["Service"])
            sent = headers("incident_create", keys["busy"])
            asyncio.run(call(Target("herald", process, f"{url}/mcp", sent, wanted), 1))
        yield Desk(url, keys["busy"]), Desk(url, keys["quiet"])


if __name__ == "__main__":
    main()
