"""Fits a scorer for a model: the means, the fault gate and the four calibration numbers. Trains no network.

The numbers are fitted on logits of authors whose text the gate has not seen, because a scorer judged on text like
its own is too sure of itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embeddings.backends import Vectors
from embeddings.encoder import Encoder
from embeddings.labelled import NOTHING, Background, Tenant, authors, read_background, read_tenants
from embeddings.profiles import Profile
from embeddings.recipe import incident_text
from embeddings.scorer import Calibration, Head

if TYPE_CHECKING:
    from torch import Tensor

UNPOSTED_WEIGHT = (
    0.5  # how often a reported fault concerns something that is not posted: a prior, on the cautious side
)
RIDGE = 1.0
STARTING_POINT = Calibration(match_scale=20.0, match_shift=-3.5)


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A tenant's raw vectors beside its labels."""

    author: str
    messages: Vectors
    incidents: Vectors
    answers: NDArray[np.int64]
    faults: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Logits:
    """Uncalibrated scores of many tenants: cosines (m, widest), padded with -inf; faults (m,); answers (m,)."""

    cosines: NDArray[np.float64]
    faults: NDArray[np.float64]
    answers: NDArray[np.int64]


def fit(encoder: Encoder, profile: Profile) -> tuple[Head, Calibration]:
    """Fit a scorer for the encoder as it is, on the text that comes with the package."""
    background, tenants = read_background(), read_tenants()
    if profile.english_only:
        background, tenants = background.english(), [tenant.english() for tenant in tenants]
    embedded = [embed(encoder, profile, tenant) for tenant in tenants]
    generic = encoder.encode(background.messages, profile.message_tokens)
    incident_mean = encoder.encode(background.incidents, profile.incident_tokens).mean(axis=0)

    def head_without(author: str | None) -> Head:
        seen = [tenant for tenant in embedded if tenant.author != author]
        messages = np.concatenate([tenant.messages for tenant in seen])
        faults = np.concatenate([tenant.faults for tenant in seen])
        return fit_head(generic, background, incident_mean, messages, faults)

    unseen = [
        logits(head_without(author), [tenant for tenant in embedded if tenant.author == author])
        for author in authors(tenants)
    ]
    return head_without(None), fit_calibration(joined(unseen))


def embed(encoder: Encoder, profile: Profile, tenant: Tenant) -> Embedded:
    """The tenant's texts as vectors."""
    messages = [message.text for message in tenant.messages]
    incidents = [incident_text(incident) for incident in tenant.incidents]
    return Embedded(
        author=tenant.author,
        messages=encoder.encode(messages, profile.message_tokens),
        incidents=encoder.encode(incidents, profile.incident_tokens),
        answers=np.array([message.answer for message in tenant.messages], np.int64),
        faults=np.array([message.fault for message in tenant.messages], np.bool_),
    )


def logits(head: Head, tenants: Sequence[Embedded]) -> Logits:
    """Score every message of the tenants against its own tenant's incidents."""
    widest = max(len(tenant.incidents) for tenant in tenants)
    rows = [
        Logits(
            cosines=padded(head.cosines(tenant.messages, head.centre_incidents(tenant.incidents)), widest),
            faults=head.faults(tenant.messages).astype(np.float64),
            answers=tenant.answers,
        )
        for tenant in tenants
    ]
    return joined(rows)


def joined(parts: Sequence[Logits]) -> Logits:
    """All rows of the parts, padded to the widest."""
    widest = max(part.cosines.shape[1] for part in parts)
    return Logits(
        cosines=np.concatenate([padded(part.cosines, widest) for part in parts]),
        faults=np.concatenate([part.faults for part in parts]),
        answers=np.concatenate([part.answers for part in parts]),
    )


def fit_calibration(data: Logits, unposted_weight: float = UNPOSTED_WEIGHT) -> Calibration:
    """The four numbers that make the labels likeliest; each positive also counts once without its incident."""
    import torch

    cosines = torch.from_numpy(data.cosines).clamp(min=-100)  # padding must not meet an infinite slope
    faults = torch.from_numpy(data.faults)
    answers = torch.from_numpy(data.answers)
    positive = torch.nonzero(answers != NOTHING).squeeze(1)
    negative = torch.nonzero(answers == NOTHING).squeeze(1)
    start = STARTING_POINT
    numbers = torch.tensor(
        [start.match_scale / 20, start.match_shift, start.gate_scale, start.gate_shift],
        dtype=torch.float64,
        requires_grad=True,
    )

    def surprise() -> "Tensor":
        odds = torch.exp((20 * numbers[0] * cosines + numbers[1]).clamp(-40, 40))
        gate = torch.sigmoid(numbers[2] * faults + numbers[3])
        total = odds.sum(1)
        right = odds[positive, answers[positive]]
        others = total[positive] - right
        hit = gate[positive] * right / (1 + total[positive])
        missed = 1 - gate[negative] * total[negative] / (1 + total[negative])
        unposted = 1 - gate[positive] * others / (1 + others)
        losses = -_log(hit).sum() - _log(missed).sum() - unposted_weight * _log(unposted).sum()
        return losses / (len(answers) + unposted_weight * len(positive))

    optimizer = torch.optim.LBFGS([numbers], max_iter=200, line_search_fn="strong_wolfe")

    def step() -> "Tensor":
        optimizer.zero_grad()
        loss = surprise()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(step)  # type: ignore[no-untyped-call]
    scale, match_shift, gate_scale, gate_shift = (float(number) for number in numbers.detach())
    return Calibration(20 * scale, match_shift, gate_scale, gate_shift)


def fit_head(
    generic: Vectors, background: Background, incident_mean: Vectors, messages: Vectors, faults: NDArray[np.bool_]
) -> Head:
    """A head for an encoder as it is: means of the generic texts, and a fault gate fitted on all messages."""
    labels = np.concatenate([np.array(background.faults), faults])
    weights, bias = fit_logistic(np.concatenate([generic, messages]), labels)
    return Head(generic.mean(axis=0), incident_mean, weights, bias)


def fit_logistic(vectors: Vectors, labels: NDArray[np.bool_], ridge: float = RIDGE) -> tuple[Vectors, float]:
    """Ridge logistic regression by Newton's method: (weights, bias)."""
    inputs = np.column_stack([vectors, np.ones(len(vectors))]).astype(np.float64)
    penalty = np.full(inputs.shape[1], ridge)
    penalty[-1] = 0
    weights = np.zeros(inputs.shape[1])
    for _ in range(25):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (chance - labels) + penalty * weights
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.diag(penalty + 1e-9)
        weights -= np.linalg.solve(curve, slope)
    return weights[:-1].astype(np.float32), float(weights[-1])


def padded(cosines: NDArray[np.floating], width: int) -> NDArray[np.float64]:
    padded = np.full((len(cosines), width), -np.inf)
    padded[:, : cosines.shape[1]] = cosines
    return padded


def _log(chance: "Tensor") -> "Tensor":
    return chance.clamp(min=1e-6).log()
