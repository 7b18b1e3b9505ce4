"""The network behind what the tables do not cover: multilingual-e5-small with an adapter and a head of its own.

It reads the reply alone. The weights are those of matching and are built into the same cache; but the adapters
differ in every layer, so each network is loaded for itself.
"""

import threading
import unicodedata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.backends import Backend, Vectors
from embeddings.consent.writing import ADDRESS
from embeddings.matcher import load_backend
from embeddings.profiles import ADAPTERS, MULTILINGUAL, Profile, Progress, choose_backend, prepare

PROFILE = Profile(
    name="consent",
    weights=MULTILINGUAL.weights,
    message_tokens=160,
    adapter=ADAPTERS / "consent.safetensors",
)
MOST_CHARACTERS = 800
SOME_ADDRESS = "a@b.com"  # stands for every address, in training too


class ConsentModel:
    """Synchronous and thread-safe."""

    def __init__(self, backend: Backend, weights: Vectors, bias: Vectors, max_tokens: int) -> None:
        self._backend = backend
        self._weights = weights
        self._bias = bias
        self._max_tokens = max_tokens
        self._running = threading.Lock()

    @classmethod
    def load(
        cls, cache_dir: Path, progress: Progress | None = None, backend: str = "auto", profile: Profile = PROFILE
    ) -> "ConsentModel":
        """Prepare the weights if need be and load them. Takes seconds. Raises `WeightsUnavailable`."""
        from safetensors.numpy import load_file

        if profile.adapter is None:
            raise ValueError(f"the profile {profile.name!r} has no adapter, and so no head to decide with")
        backend = choose_backend(profile, backend)
        folder = prepare(profile, cache_dir, progress, backend)
        adapter = load_file(profile.adapter)
        weights, bias = (adapter[f"head.{name}"].astype(np.float32) for name in ("weight", "bias"))
        return cls(load_backend(profile, folder, backend), weights, bias, profile.message_tokens)

    def probabilities(self, reply: str) -> NDArray[np.float32]:
        """How likely the reply is a no, unclear and a yes to an offer of mail, in this order."""
        with self._running:
            [vector] = self._backend.embed([readable(reply)], self._max_tokens)
        logits = self._weights @ vector + self._bias
        exponents = np.exp(logits - logits.max())
        shares: NDArray[np.float32] = exponents / exponents.sum()
        return shares


def readable(reply: str) -> str:
    """The reply as the network reads it, in training and after."""
    return ADDRESS.sub(SOME_ADDRESS, unicodedata.normalize("NFKC", reply)).strip()[:MOST_CHARACTERS]
