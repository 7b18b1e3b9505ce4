"""Scores before calibration, and the four numbers that turn them into probabilities that mean what they say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embeddings.labelled import NOTHING, Message
from embeddings.scorer import Calibration

if TYPE_CHECKING:
    from torch import Tensor

# Most of the training text was written to be hard: three in five of its negatives are near misses (another fault
# of the same thing, the customer's own, or one that is over). Counted fully they would teach a doubt that everyday
# messages do not deserve; with this weight they are a quarter of the negatives.
NEAR_MISSES = {"other_fault", "own_fault", "ownfault", "recovered", "negated", "resolved"}
NEAR_MISS_WEIGHT = 0.2
UNPOSTED_WEIGHT = 0.5  # a prior, on the cautious side: how often a reported fault is not posted
STARTING_POINT = np.array([1.0, -3.5, 1.0, 0.0])
COSINE_UNIT = 20.0  # brings the four numbers to about the same size


@dataclass(frozen=True, slots=True, eq=False)
class Logits:
    """Scores of many messages: cosines (m, widest), padded with -inf; faults, answers and weights (m,)."""

    cosines: NDArray[np.float64]
    faults: NDArray[np.float64]
    answers: NDArray[np.int64]
    weights: NDArray[np.float64]


def logits_of(cosines: NDArray[np.floating], faults: NDArray[np.floating], messages: Iterable[Message]) -> Logits:
    """The scores of one tenant's messages beside their labels."""
    labelled = list(messages)
    return Logits(
        cosines=cosines.astype(np.float64),
        faults=faults.astype(np.float64),
        answers=np.array([message.answer for message in labelled], np.int64),
        weights=np.array([NEAR_MISS_WEIGHT if _is_near_miss(message) else 1.0 for message in labelled]),
    )


def joined(parts: Sequence[Logits]) -> Logits:
    """All rows of the parts, padded to the widest."""
    widest = max(part.cosines.shape[1] for part in parts)
    return Logits(
        cosines=np.concatenate([_padded(part.cosines, widest) for part in parts]),
        faults=np.concatenate([part.faults for part in parts]),
        answers=np.concatenate([part.answers for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
    )


def fit_calibration(data: Logits, unposted_weight: float = UNPOSTED_WEIGHT) -> Calibration:
    """The four numbers that make the labels likeliest; each positive also counts once without its incident."""
    import torch

    numbers = torch.tensor(STARTING_POINT, requires_grad=True)
    optimizer = torch.optim.LBFGS([numbers], max_iter=200, line_search_fn="strong_wolfe")

    def step() -> "Tensor":
        optimizer.zero_grad()
        loss = _surprise(data, numbers, unposted_weight)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(step)  # type: ignore[no-untyped-call]
    scale, match_shift, gate_scale, gate_shift = (float(number) for number in numbers.detach())
    return Calibration(COSINE_UNIT * scale, match_shift, gate_scale, gate_shift)


def transfer(calibration: Calibration, plain: Logits, other: Logits) -> Calibration:
    """The calibration under which another backend's scores come closest to the plain one's; needs no labels."""
    real = np.isfinite(plain.cosines)
    match_scale, match_shift = np.polyfit(other.cosines[real], plain.cosines[real], 1)
    gate_scale, gate_shift = np.polyfit(other.faults, plain.faults, 1)
    return Calibration(
        match_scale=float(calibration.match_scale * match_scale),
        match_shift=float(calibration.match_scale * match_shift + calibration.match_shift),
        gate_scale=float(calibration.gate_scale * gate_scale),
        gate_shift=float(calibration.gate_scale * gate_shift + calibration.gate_shift),
    )


def _surprise(data: Logits, numbers: "Tensor", unposted_weight: float) -> "Tensor":
    """The negative log likelihood of the labels, per unit of weight."""
    import torch

    cosines = torch.from_numpy(data.cosines).clamp(min=-100)  # padding must not meet an infinite slope
    answers, weights = torch.from_numpy(data.answers), torch.from_numpy(data.weights)
    positive, negative = answers != NOTHING, answers == NOTHING
    odds = torch.exp((COSINE_UNIT * numbers[0] * cosines + numbers[1]).clamp(-40, 40))
    gate = torch.sigmoid(numbers[2] * torch.from_numpy(data.faults) + numbers[3])
    total = odds.sum(1)
    right = odds[positive].gather(1, answers[positive, None]).squeeze(1)
    others = total[positive] - right
    hit = gate[positive] * right / (1 + total[positive])
    missed = 1 - gate[negative] * total[negative] / (1 + total[negative])
    unposted = 1 - gate[positive] * others / (1 + others)
    likelihood = (weights[positive] * (_log(hit) + unposted_weight * _log(unposted))).sum()
    likelihood = likelihood + (weights[negative] * _log(missed)).sum()
    return -likelihood / (weights.sum() + unposted_weight * weights[positive].sum())


def _is_near_miss(message: Message) -> bool:
    return message.answer == NOTHING and message.kind in NEAR_MISSES


def _padded(cosines: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    padded = np.full((len(cosines), width), -np.inf)
    padded[:, : cosines.shape[1]] = cosines
    return padded


def _log(chance: "Tensor") -> "Tensor":
    return chance.clamp(min=1e-6).log()
