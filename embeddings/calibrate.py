"""Fits a scorer for a model: the means, the fault gate, the title reader and the calibration. Trains no network.

Calibration is fitted on logits of authors whose text the gate has not seen, because a scorer judged on text like
its own is too sure of itself. Backends other than the one it was fitted on get theirs by likeness to that one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embeddings.backends import Vectors
from embeddings.encoder import Encoder
from embeddings.labelled import (
    NOTHING,
    TRAINING_FILES,
    Background,
    Tenant,
    authors,
    read_background,
    read_tenants,
)
from embeddings.logistic import fit_logistic
from embeddings.matcher import load_backend, scorer_path
from embeddings.profiles import Profile, fingerprint, prepare, resolve
from embeddings.recipe import incident_text
from embeddings.scorer import Calibration, Head, save_scorer
from embeddings.titles import fit_titles

if TYPE_CHECKING:
    from torch import Tensor

Log = Callable[[str], None]

UNPOSTED_WEIGHT = 0.5  # a prior, on the cautious side: how often a reported fault is not posted
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


def calibrate(name: str, cache_dir: Path, log: Log = print, files: Sequence[Path] = TRAINING_FILES) -> Path:
    """Fit a scorer for a profile, folder or hub name on labelled text; return its file.

    Takes minutes. For the multilingual profile prefer `train`: its adapter has seen that text, so a gate fitted on
    it is too sure of itself.
    """
    profile = resolve(name)
    encoders = {backend: load_encoder(profile, cache_dir, backend) for backend in backends_of(profile)}
    log(f"fitting a scorer for {name} on {', '.join(encoders)}")
    head, calibration = fit(encoders["fp32"], profile, read_tenants(files))
    return save(profile, cache_dir, encoders, head, calibration, log)


def save(
    profile: Profile,
    cache_dir: Path,
    encoders: dict[str, Encoder],
    head: Head,
    calibration: Calibration,
    log: Log = print,
) -> Path:
    """Write the scorer with the title reader and a calibration for each encoder; `calibration` is for fp32."""
    sample = read_tenants(TRAINING_FILES[:1])
    plain = logits(head, [embed(encoders["fp32"], profile, tenant) for tenant in sample])
    calibrations = {"fp32": calibration}
    for backend in encoders.keys() - {"fp32"}:
        other = logits(head, [embed(encoders[backend], profile, tenant) for tenant in sample])
        calibrations[backend] = transfer(calibration, plain, other)
    for backend, numbers in calibrations.items():
        log(f"{backend}: {numbers}")
    titles = fit_titles(lambda texts: encoders["fp32"].encode(texts, profile.incident_tokens), read_tenants())
    model = fingerprint(profile, prepare(profile, cache_dir, backend="fp32"))
    path = scorer_path(profile, cache_dir)
    save_scorer(path, head, titles, calibrations, model)
    return path


def backends_of(profile: Profile) -> list[str]:
    """The backends that a scorer of this profile is calibrated for."""
    return ["fp32"] if profile.custom else ["fp32", "bf16", "int8"]


def load_encoder(profile: Profile, cache_dir: Path, backend: str) -> Encoder:
    """An encoder that needs no scorer yet."""
    return Encoder(profile, load_backend(profile, prepare(profile, cache_dir, backend=backend), backend))


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


def fit(encoder: Encoder, profile: Profile, tenants: Sequence[Tenant]) -> tuple[Head, Calibration]:
    """Fit head and calibration for the encoder as it is."""
    background = read_background()
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


def padded(cosines: NDArray[np.floating], width: int) -> NDArray[np.float64]:
    padded = np.full((len(cosines), width), -np.inf)
    padded[:, : cosines.shape[1]] = cosines
    return padded


def _log(chance: "Tensor") -> "Tensor":
    return chance.clamp(min=1e-6).log()
