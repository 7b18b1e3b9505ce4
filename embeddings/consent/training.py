"""Trains the network behind the phrase tables, on replies made of these tables.

Reproducible on one machine for a given seed; bfloat16 kernels differ a little between machines.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.consent.model import PROFILE, readable
from embeddings.consent.rows import Row, training_rows
from embeddings.consent.verdict import Verdict
from embeddings.profiles import prepare

if TYPE_CHECKING:
    from embeddings.consent.network import ReplyNetwork

Log = Callable[[str], None]

ORDER = (Verdict.NO, Verdict.UNCLEAR, Verdict.YES)
"""As `ConsentModel.probabilities` gives them."""
CLOSINGS = ("!", "!!", "...", " :)", " 🙏", " 👍", " 😊", ".")
REPORTED = 50  # steps between two lines of the log


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run can be told."""

    steps: int = 400
    batch: int = 48
    rank: int = 16
    learning_rate: float = 8e-4
    head_learning_rate: float = 2e-3
    warm_up: int = 40
    smoothing: float = 0.03
    weights: tuple[float, float, float] = (1.0, 1.3, 1.0)
    """Of no, unclear and yes: a doubt that is missed is the dearest."""
    seed: int = 2


def train_consent(path: Path, cache_dir: Path, recipe: Recipe, log: Log = print) -> None:
    """Write an adapter with its head, about 3 MB, to `path`."""
    import torch
    from safetensors.torch import save_file

    from embeddings.consent.network import ReplyNetwork

    torch.manual_seed(recipe.seed)
    rows = training_rows(recipe.seed)
    log(f"{len(rows)} rows, {recipe.steps} steps of {recipe.batch}")
    folder = prepare(replace(PROFILE, adapter=None), cache_dir, backend="fp32")
    network = ReplyNetwork(folder, recipe.rank)
    _run(network, rows, recipe, log)
    partial = path.with_suffix(".partial")
    save_file(network.saved(), partial)
    partial.replace(path)


def noisy(text: str, chance: random.Random) -> str:
    """The reply as somebody in a hurry types it: at times without capitals or marks, with a slip or a smile."""
    case = chance.random()
    text = text.lower() if case < 0.2 else text.upper() if case < 0.25 else text
    if chance.random() < 0.2:
        text = "".join(letter for letter in text if letter not in ",，、،")
    if chance.random() < 0.12 and len(text) > 5 and "@" not in text:
        at = chance.randrange(1, len(text) - 1)
        text = text[:at] + chance.choice((text[at + 1 :], text[at + 1] + text[at] + text[at + 2 :]))
    return text + chance.choice(CLOSINGS) if chance.random() < 0.06 else text


def _run(network: ReplyNetwork, rows: Sequence[Row], recipe: Recipe, log: Log) -> None:
    import torch

    chance = random.Random(recipe.seed)  # noqa: S311
    head = list(network.head.parameters())
    groups = [
        {"params": network.low_rank(), "lr": recipe.learning_rate},
        {"params": head, "lr": recipe.head_learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _pace(step, recipe))
    loss = torch.nn.CrossEntropyLoss(torch.tensor(recipe.weights), label_smoothing=recipe.smoothing)
    network.train()
    batches: list[list[Row]] = []
    total, began = 0.0, time.monotonic()
    for step in range(1, recipe.steps + 1):
        batches = batches or _batches(rows, recipe.batch, chance)
        batch = batches.pop()
        texts = [noisy(readable(row.reply), chance) for row in batch]
        wanted = torch.tensor([ORDER.index(row.label) for row in batch])
        surprise = loss(network.logits(texts, PROFILE.message_tokens), wanted)
        optimizer.zero_grad()
        surprise.backward()
        torch.nn.utils.clip_grad_norm_([*network.low_rank(), *head], 1.0)
        optimizer.step()
        schedule.step()
        total += surprise.item()
        if step % REPORTED == 0:
            log(f"step {step}: loss {total / REPORTED:.3f} after {time.monotonic() - began:.0f} s")
            total = 0.0


def _batches(rows: Sequence[Row], size: int, chance: random.Random) -> list[list[Row]]:
    """All rows once, those of about the same length together: less padding, half the time."""
    ordered = sorted(rows, key=lambda row: len(row.reply) + 8 * chance.random())
    batches = [ordered[at : at + size] for at in range(0, len(ordered), size)]
    chance.shuffle(batches)
    return batches


def _pace(step: int, recipe: Recipe) -> float:
    return min(1.0, (step + 1) / recipe.warm_up) * max(0.02, 1 - step / recipe.steps)
