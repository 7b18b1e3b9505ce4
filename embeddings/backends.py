"""The ways to run a network on a CPU, behind one small interface; and which of them is the fastest here.

All but the last share the tokenizer and the batching: texts sorted by tokens, in small batches, cut by tokens.
"""

import os
import platform
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]

BATCH = 32
BACKENDS = ("auto", "fp32", "bf16", "int8")
GRAPH = "encoder.onnx"
# Without these, the sums of 8-bit products overflow on some processors.
INTEGER_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "asimddp"}
BFLOAT16_PRODUCTS = {"amx_bf16", "avx512_bf16"}


class Backend(Protocol):
    """Runs the network. Need not be thread-safe, nor cache, nor accept an empty text."""

    dimensions: int

    def embed(self, texts: list[str], max_tokens: int) -> Vectors:
        """Unit vectors, one row per text."""
        ...


def fastest(flags: frozenset[str] | None = None) -> str:
    """The name of the fastest backend that is exact enough on this processor."""
    flags = processor_flags() if flags is None else flags
    if flags & INTEGER_DOT_PRODUCTS and find_spec("onnxruntime") and find_spec("onnx"):
        return "int8"
    return "bf16" if flags & BFLOAT16_PRODUCTS else "fp32"


def processor_flags() -> frozenset[str]:
    """What the processor can do, in Linux's words; empty where that cannot be told."""
    if platform.machine() == "arm64":  # Apple's name; every such chip has them
        return frozenset({"asimddp"})
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    names = {"flags", "Features"}
    return frozenset(flag for line in lines if line.split("\t")[0] in names for flag in line.split(":")[1].split())


class OnnxBackend:
    """The 8-bit graph on onnxruntime. Imports neither torch nor transformers."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        threads = os.environ.get("OMP_NUM_THREADS", "")
        options.intra_op_num_threads = int(threads) if threads.isdigit() else 0  # 0: one for each core
        # Threads spin between the operations of a run, and sleep after it: that core answers requests.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = onnxruntime.InferenceSession(folder / GRAPH, options, providers=["CPUExecutionProvider"])
        self._tokenizer = load_tokenizer(folder)
        self.dimensions = int(self._session.get_outputs()[0].shape[-1])

    def embed(self, texts: list[str], max_tokens: int) -> Vectors:
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        for rows, ids, mask in micro_batches(self._tokenizer, texts, max_tokens):
            feeds = {"input_ids": ids, "attention_mask": mask}
            [vectors[rows]] = self._session.run(["vectors"], feeds)
        return vectors


class TorchBackend:
    """A sentence-transformers folder of ours; it sorts by characters itself, so the batches are made here."""

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
