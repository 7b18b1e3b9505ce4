"""Texts in, unit vectors out, with a memory of repeated texts."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from embeddings.backends import Backend, Vectors
from embeddings.profiles import Profile
from embeddings.recipe import clean


class Encoder:
    """Thread-safe; inference runs one call at a time, because two would only share the same cores."""

    def __init__(self, profile: Profile, backend: Backend, remembered: int = 10_000) -> None:
        self.network = backend
        self.dimensions = backend.dimensions
        self._prefix = profile.prefix
        self._memory = _Memory(remembered)
        self._running = threading.Lock()

    def encode(self, texts: Sequence[str], max_tokens: int) -> Vectors:
        """Unit vectors of shape (len(texts), dimensions); any string is accepted.

        A text with nothing to read (empty, spaces, NULs) has the zero vector; a long one is cut at `max_tokens`.
        """
        cleaned = [clean(text, max_tokens) for text in texts]
        keys = [_key(text, max_tokens) for text in cleaned]
        found = self._memory.get(keys)
        missing = {key: text for key, text in zip(keys, cleaned, strict=True) if text and key not in found}
        if missing:
            found |= self._embed(missing, max_tokens)
        return self._rows(keys, found)

    def recall(self, texts: Sequence[str], max_tokens: int) -> Vectors | None:
        """As `encode`, for texts that are all remembered or empty; else None. Never runs the network."""
        cleaned = [clean(text, max_tokens) for text in texts]
        keys = [_key(text, max_tokens) for text in cleaned]
        found = self._memory.get(keys)
        whole = all(key in found for key, text in zip(keys, cleaned, strict=True) if text)
        return self._rows(keys, found) if whole else None

    def _rows(self, keys: list[bytes], found: dict[bytes, Vectors]) -> Vectors:
        nothing = np.zeros(self.dimensions, np.float32)
        rows = [found.get(key, nothing) for key in keys]
        return np.stack(rows) if rows else np.empty((0, self.dimensions), np.float32)

    def _embed(self, texts: dict[bytes, str], max_tokens: int) -> dict[bytes, Vectors]:
        with self._running:
            vectors = self.network.embed([self._prefix + text for text in texts.values()], max_tokens)
        fresh = dict(zip(texts, vectors, strict=True))
        self._memory.put(fresh)
        return fresh


class _Memory:
    """The vectors of the texts used last. It keeps hashes of texts, never the texts: they are customers' words."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, keys: list[bytes]) -> dict[bytes, Vectors]:
        with self._lock:
            found = {key: self._vectors[key] for key in keys if key in self._vectors}
            for key in found:
                self._vectors.move_to_end(key)
        return found

    def put(self, vectors: dict[bytes, Vectors]) -> None:
        with self._lock:
            self._vectors.update(vectors)
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)


def _key(text: str, max_tokens: int) -> bytes:
    return blake2b(text.encode(), digest_size=16, salt=max_tokens.to_bytes(8)).digest()
