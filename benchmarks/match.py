"""What one match costs, against plain SentenceTransformer.encode of the same model, interleaved in one run.

The baseline is the same network (adapter merged) in fp32 on two threads, all texts in one call and cut at the same
length, with the better of two batch sizes. Ours is the path that the product takes: the batcher, then the
probabilities; its memory of repeated texts is off, except where that is what is measured.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.batching import Batcher
from embeddings.encoder import Encoder
from embeddings.labelled import read_tenants
from embeddings.matcher import Matcher
from embeddings.profiles import default_cache_dir, prepare

THREADS = "2"
TOGETHER = 64
SINGLES = 24
TENANTS = 10_000
INCIDENTS = 5
MEMORY_OF = {
    "ours": "from embeddings.matcher import Matcher; Matcher.load('multilingual', cache).warm_up()",
    "baseline": "from sentence_transformers import SentenceTransformer as S; S(model, device='cpu').encode('a')",
}


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = THREADS
    figures = asyncio.run(measure(arguments.rounds))
    print(json.dumps(figures, indent=None if arguments.json else 2))


async def measure(rounds: int) -> dict[str, Any]:
    """All figures. Times are medians; ratios are medians of the rounds' ratios."""
    matcher = Matcher.load("multilingual", default_cache_dir())
    batcher = Batcher(without_memory(matcher))
    baseline = Baseline(matcher)
    texts = iter(shuffled_texts())
    baseline.warm_up([next(texts) for _ in range(TOGETHER)])
    matcher.warm_up()
    incidents = some_vectors(matcher, INCIDENTS)
    speed = [await one_round(batcher, baseline, texts, incidents) for _ in range(rounds)]
    figures: dict[str, Any] = {name: statistics.median(each[name] for each in speed) for name in speed[0]}
    figures |= scorer_times(matcher)
    figures["cached_us"] = await cached_time(matcher)
    figures["no_incident_us"] = await time_without_incidents(matcher)
    figures |= await many_tenants(batcher, matcher, texts)
    figures |= {f"memory_{name}_mb": memory(code, baseline.folder) for name, code in MEMORY_OF.items()}
    await batcher.close()
    figures |= {"backend": matcher.backend, "threads": int(THREADS), "rounds": rounds}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}


class Baseline:
    """Plain sentence-transformers on the same model."""

    def __init__(self, matcher: Matcher) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(int(THREADS))
        self.folder = prepare(matcher.profile, default_cache_dir(), backend="fp32")
        self.model = SentenceTransformer(str(self.folder), device="cpu", local_files_only=True)
        self.model.max_seq_length = matcher.profile.message_tokens
        self.prefix = matcher.profile.prefix
        self.batch = 32

    def encode(self, texts: Sequence[str]) -> None:
        """The library's documented call."""
        self.model.encode(list(texts), prompt=self.prefix, batch_size=self.batch, show_progress_bar=False)

    def warm_up(self, texts: Sequence[str]) -> None:
        """Choose the batch size that is faster here."""
        times = {}
        for size in (32, 64):
            self.batch = size
            self.encode(texts)
            times[size] = timed(lambda: self.encode(texts))
        self.batch = min(times, key=lambda size: times[size])


def without_memory(matcher: Matcher) -> Matcher:
    """The same matcher, which embeds every text anew."""
    encoder = Encoder(matcher.profile, matcher.encoder.network, remembered=0)
    return Matcher(matcher.profile, matcher.backend, matcher.fingerprint, encoder, matcher.scorer)


def shuffled_texts() -> list[str]:
    """Every distinct message of the training text, in one fixed order."""
    texts = sorted({message.text for tenant in read_tenants() for message in tenant.messages})
    random.Random(0).shuffle(texts)
    return texts


async def one_round(
    batcher: Batcher, baseline: Baseline, texts: Any, incidents: np.ndarray[Any, Any]
) -> dict[str, float]:
    """Single messages one after the other, then 64 at once; ours and the baseline's turns alternate."""
    ours, theirs = [], []
    for _ in range(SINGLES):
        text = next(texts)
        ours.append(await timed_async(lambda text=text: answer(batcher, text, incidents)))  # type: ignore[misc]
        theirs.append(timed(lambda text=text: baseline.encode([text])))  # type: ignore[misc]
    many = [next(texts) for _ in range(TOGETHER)]
    ours_together = await timed_async(lambda: together(batcher, many, incidents))
    theirs_together = timed(lambda: baseline.encode(many))
    single, plain = statistics.median(ours), statistics.median(theirs)
    return {
        "p50_ratio": single / plain,
        "throughput_ratio": theirs_together / ours_together,
        "p50_ms": 1000 * single,
        "p50_baseline_ms": 1000 * plain,
        "messages_per_second": TOGETHER / ours_together,
        "baseline_messages_per_second": TOGETHER / theirs_together,
    }


async def answer(batcher: Batcher, text: str, incidents: np.ndarray[Any, Any]) -> None:
    """One message, from words to probabilities."""
    batcher.matcher.probabilities(await batcher.embed_messages([text]), incidents)


async def together(batcher: Batcher, texts: Sequence[str], incidents: np.ndarray[Any, Any]) -> None:
    """That many callers at once."""
    await asyncio.gather(*(answer(batcher, text, incidents) for text in texts))


def scorer_times(matcher: Matcher) -> dict[str, float]:
    """From a message's vector to probabilities over 1, 10 and 200 incidents, in microseconds."""
    message = matcher.embed_messages(["my card is declined"])
    times = {}
    for count in (1, 10, 200):
        incidents = some_vectors(matcher, count)
        each = [timed(lambda: matcher.probabilities(message, incidents)) for _ in range(500)]  # noqa: B023
        times[f"scorer_us_{count}"] = 1e6 * statistics.median(each)
    return times


async def cached_time(matcher: Matcher) -> float:
    """A message that was asked before, through the batcher, in microseconds."""
    batcher = Batcher(matcher)
    await batcher.embed_messages(["my card is declined"])
    each = [await timed_async(lambda: batcher.embed_messages(["my card is declined"])) for _ in range(500)]
    await batcher.close()
    return 1e6 * statistics.median(each)


async def time_without_incidents(matcher: Matcher) -> float:
    """The whole operation for a tenant with no active incident, in microseconds."""
    from server.config import Settings
    from server.inference import Inference
    from server.matching import Asker, find_matches
    from server.opening import open_app
    from server.tenants import TenantDraft, context_of, create_tenant

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite+aiosqlite:///{folder}/herald.db")
        async with open_app(settings, lambda: datetime.now(UTC), inference=Inference(lambda: matcher)) as app:
            await create_tenant(app, TenantDraft(slug="quiet", name="Quiet"))
            tenant = await context_of(app, "quiet")

            async def ask() -> None:
                await find_matches(tenant, "my card is declined", Asker(source="mcp"))

            each = [await timed_async(ask) for _ in range(500)]
    return 1e6 * statistics.median(each)


async def many_tenants(batcher: Batcher, matcher: Matcher, texts: Any) -> dict[str, float]:
    """Per message with 10,000 tenants of five incidents each in memory, over the same with one tenant."""
    one = some_vectors(matcher, INCIDENTS)
    chance = np.random.default_rng(0)
    noise = chance.standard_normal((TENANTS, *one.shape), dtype=np.float32)
    tenants = noise / np.linalg.norm(noise, axis=2, keepdims=True)
    ratios = []
    for _ in range(5):
        messages = [next(texts) for _ in range(60)]
        alone, among = [], []
        for text in messages:
            message = await batcher.embed_messages([text])
            alone.append(timed(lambda: matcher.probabilities(message, one)))  # noqa: B023
            theirs = tenants[chance.integers(TENANTS)]
            among.append(timed(lambda: matcher.probabilities(message, theirs)))  # noqa: B023
        encoding = [await timed_async(lambda text=text: batcher.embed_messages([text])) for text in messages]  # type: ignore[misc]
        cost = statistics.median(encoding)
        ratios.append((cost + statistics.median(among)) / (cost + statistics.median(alone)))
    return {"ten_thousand_tenants_ratio": statistics.median(ratios)}


def some_vectors(matcher: Matcher, count: int) -> np.ndarray[Any, Any]:
    """Vectors of that many posted incidents."""
    incidents = [incident for tenant in read_tenants() for incident in tenant.incidents]
    return matcher.embed_incidents(incidents[:count])


def memory(code: str, model: Path) -> float:
    """The most memory that a process which only does this holds, in megabytes (Linux)."""
    # not getrusage: its peak is inherited from the process that started this one
    peak = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
    names = f"from pathlib import Path; cache = Path({str(default_cache_dir())!r}); model = {str(model)!r}"
    command = [sys.executable, "-c", "; ".join([names, code, peak])]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]) / 1024


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


async def timed_async(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds."""
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
