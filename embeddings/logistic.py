"""Ridge logistic regression, for the few hundred numbers that are fitted on top of an encoder."""

import numpy as np
from numpy.typing import NDArray

from embeddings.backends import Vectors

STEPS = 25


def fit_logistic(vectors: Vectors, labels: NDArray[np.bool_], ridge: float = 1.0) -> tuple[Vectors, float]:
    """Weights and bias by Newton's method; the bias is not penalised. Exact enough to be deterministic."""
    inputs = np.column_stack([vectors, np.ones(len(vectors))]).astype(np.float64)
    penalty = np.append(np.full(vectors.shape[1], ridge), 1e-9)
    weights = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -40, 40)))
        slope = inputs.T @ (chance - labels) + penalty * weights
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.diag(penalty)
        weights -= np.linalg.solve(curve, slope)
    return weights[:-1].astype(np.float32), float(weights[-1])
