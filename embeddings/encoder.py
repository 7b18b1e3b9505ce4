"""Texts in, unit vectors out: token-sorted micro-batches, truncation by tokens, and a memory of repeated texts."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.profiles import Profile
from embeddings.recipe import clean

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]

BATCH = 32


class Backend(Protocol):
    """Runs the network. Need not be thread-safe, nor cache, nor accept an empty text."""

    dimensions: int

    def embed(self, texts: list[str], max_tokens: int) -> Vectors:
        """Unit vectors, one row per text."""
        ...


class Encoder:
    """Thread-safe; inference runs one call at a time, because two would only share the same cores."""

    def __init__(self, profile: Profile, backend: Backend, remembered: int = 10_000) -> None:
        self.dimensions = backend.dimensions
        self._prefix = profile.prefix
        self._backend = backend
        self._memory = _Memory(remembered)
        self._running = threading.Lock()

    def encode(self, texts: Sequence[str], max_tokens: int) -> Vectors:
        """Unit vectors of shape (len(texts), dimensions); any string is accepted.

        A text with nothing to read (empty, spaces, NULs) has the zero vector; a long one is cut at `max_tokens`.
        """
        cleaned = [clean(text, max_tokens) for text in texts]
        keys = [_key(text, max_tokens) for text in cleaned]
        found = {key: vector for key in set(keys) if (vector := self._memory.get(key)) is not None}
        missing = {key: text for key, text in zip(keys, cleaned, strict=True) if text and key not in found}
        if missing:
            found |= self._embed(missing, max_tokens)
        nothing = np.zeros(self.dimensions, np.float32)
        rows = [found.get(key, nothing) for key in keys]
        return np.stack(rows) if rows else np.empty((0, self.dimensions), np.float32)

    def _embed(self, texts: dict[bytes, str], max_tokens: int) -> dict[bytes, Vectors]:
        with self._running:
            vectors = self._backend.embed([self._prefix + text for text in texts.values()], max_tokens)
        fresh = dict(zip(texts, vectors, strict=True))
        self._memory.put(fresh)
        return fresh


class _Memory:
    """The vectors of the texts used last. It keeps hashes of texts, never the texts: they are customers' words."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Vectors | None:
        with self._lock:
            if key in self._vectors:
                self._vectors.move_to_end(key)
            return self._vectors.get(key)

    def put(self, vectors: dict[bytes, Vectors]) -> None:
        with self._lock:
            self._vectors.update(vectors)
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)


def _key(text: str, max_tokens: int) -> bytes:
    return blake2b(text.encode(), digest_size=16, salt=max_tokens.to_bytes(8)).digest()


class TorchBackend:
    """A prepared folder through sentence-transformers, batched by token count rather than by characters."""

    def __init__(self, folder: Path, bfloat16: bool = False) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        settings = {"dtype": torch.bfloat16 if bfloat16 else torch.float32, "add_pooling_layer": False}
        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True, model_kwargs=settings)
        self._tokenizer = load_tokenizer(folder)
        self.dimensions = self._model.get_embedding_dimension() or 0

    def embed(self, texts: list[str], max_tokens: int) -> Vectors:
        import torch

        vectors = np.empty((len(texts), self.dimensions), np.float32)
        for rows, ids, mask in micro_batches(self._tokenizer, texts, max_tokens):
            features = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            with torch.inference_mode():
                vectors[rows] = self._model(features)["sentence_embedding"].float().numpy()
        return vectors


class AnyModelBackend:
    """Any sentence-transformers model, whatever its modules, through its own `encode`."""

    def __init__(self, folder: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        self._longest = self._model.max_seq_length
        self.dimensions = self._model.get_embedding_dimension() or 0

    def embed(self, texts: list[str], max_tokens: int) -> Vectors:
        if self._longest is not None:
            self._model.max_seq_length = min(max_tokens, self._longest)
        vectors = self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32)


def load_tokenizer(folder: Path) -> "Tokenizer":
    """The folder's tokenizer, neither padding nor truncating."""
    from tokenizers import Tokenizer

    tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def micro_batches(
    tokenizer: "Tokenizer", texts: list[str], max_tokens: int, size: int = BATCH
) -> Iterator[tuple[list[int], Ids, Ids]]:
    """Yield (row numbers, ids, mask) of texts with about as many tokens each, so that little is padding."""
    tokens = [_cut(encoding.ids, max_tokens) for encoding in tokenizer.encode_batch(texts)]
    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        ids = np.zeros((len(rows), len(tokens[rows[-1]])), np.int64)
        mask = np.zeros_like(ids)
        for line, row in enumerate(rows):
            ids[line, : len(tokens[row])] = tokens[row]
            mask[line, : len(tokens[row])] = 1
        yield rows, ids, mask


def _cut(ids: list[int], max_tokens: int) -> list[int]:
    """The first tokens, and the closing one that every text of these models ends with."""
    return ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], ids[-1]]
