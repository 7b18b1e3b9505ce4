"""Message and incidents → calibrated probability that the message is about that incident.

    P(i) = sigmoid(c·fault + d) · exp(a·cos(i) + b) / (1 + Σ exp(a·cos(j) + b))

A fault gate (is something reported broken at all?) times a softmax over the active incidents with a "none" option.
Cosines are between centred vectors: what all messages, and all incidents, have in common is taken out first.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.backends import Vectors
from embeddings.errors import ScorerMismatch
from embeddings.titles import TitleReader

Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The four numbers: match logit = `match_scale`·cosine + `match_shift`; likewise for the gate."""

    match_scale: float
    match_shift: float
    gate_scale: float = 1.0
    gate_shift: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What messages have in common, what incidents have in common, and the direction that says "broken"."""

    message_mean: Vectors
    incident_mean: Vectors
    fault_weights: Vectors
    fault_bias: float

    def centre_incidents(self, vectors: Vectors) -> Vectors:
        """Unit vectors ready for `cosines`; zero vectors stay zero."""
        return _centred(vectors, self.incident_mean)

    def cosines(self, messages: Vectors, centred_incidents: Vectors) -> Vectors:
        """Shape (messages, incidents), in [-1, 1]."""
        return _centred(messages, self.message_mean) @ centred_incidents.T

    def faults(self, messages: Vectors) -> Vectors:
        """Shape (messages,): above 0 where the message reports a fault."""
        return messages @ self.fault_weights + np.float32(self.fault_bias)


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """A head with its calibration for one backend, and the title reader of the same model."""

    head: Head
    calibration: Calibration
    titles: TitleReader

    def probabilities(self, messages: Vectors, centred_incidents: Vectors) -> Probabilities:
        """Shape (messages, incidents), in [0, 1], each row's sum at most 1. A zero message vector scores 0."""
        c = self.calibration
        match = c.match_scale * self.head.cosines(messages, centred_incidents) + c.match_shift
        gate = c.gate_scale * self.head.faults(messages) + c.gate_shift
        readable = np.asarray(messages.any(axis=1))
        return product(match, gate) * readable[:, None]


def product(match: NDArray[np.floating], gate: NDArray[np.floating]) -> Probabilities:
    """Gate logits (m,) and match logits (m, n) to probabilities (m, n)."""
    odds = np.exp(np.clip(match.astype(np.float64), -40, 40))
    open_gate = 1 / (1 + np.exp(-np.clip(gate.astype(np.float64), -40, 40)))
    probabilities: Probabilities = open_gate[:, None] * odds / (1 + odds.sum(axis=1, keepdims=True))
    return probabilities


def load_scorer(path: Path, fingerprint: str, backend: str, model: str) -> Scorer:
    """Read a scorer, refusing one that was fitted for another model, prefix or text recipe.

    Raises `ScorerMismatch`, naming the command that refits it.
    """
    remedy = f"fit it with: herald calibrate --model {model}"
    if not path.is_file():
        raise ScorerMismatch(f"there is no scorer for the model {model!r}; {remedy}")
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        facts = file.metadata()
        if facts.get("fingerprint") != fingerprint:
            raise ScorerMismatch(
                f"the scorer was fitted for another model or text recipe than {model!r}; {remedy}"
            )
        head = Head(
            message_mean=file.get_tensor("message_mean"),
            incident_mean=file.get_tensor("incident_mean"),
            fault_weights=file.get_tensor("fault_weights"),
            fault_bias=float(facts["fault_bias"]),
        )
        titles = TitleReader(file.get_tensor("title_weights"), file.get_tensor("title_biases"))
    calibrations = json.loads(facts["calibrations"])
    if backend not in calibrations:
        raise ScorerMismatch(f"the scorer of {model!r} is not calibrated for the backend {backend!r}; {remedy}")
    return Scorer(head, Calibration(**calibrations[backend]), titles)


def save_scorer(
    path: Path, head: Head, titles: TitleReader, calibrations: dict[str, Calibration], fingerprint: str
) -> None:
    """Write a scorer with a calibration per backend, in one step."""
    from safetensors.numpy import save_file

    tensors = {
        "message_mean": head.message_mean,
        "incident_mean": head.incident_mean,
        "fault_weights": head.fault_weights,
        "title_weights": titles.weights,
        "title_biases": titles.biases,
    }
    facts = {
        "fingerprint": fingerprint,
        "fault_bias": repr(float(head.fault_bias)),
        "calibrations": json.dumps({name: asdict(values) for name, values in calibrations.items()}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata=facts)
    partial.chmod(0o644)  # the library makes it private to its user
    partial.replace(path)


def _centred(vectors: Vectors, mean: Vectors) -> Vectors:
    centred = vectors - mean
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    kept = vectors.any(axis=1, keepdims=True) & (length > 1e-9)
    return np.where(kept, centred / np.maximum(length, 1e-9), 0).astype(np.float32)
