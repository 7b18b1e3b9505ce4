"""Writes a BERT encoder as an ONNX graph whose matrix products run on 8-bit integers, for onnxruntime.

The graph is put together by hand, not exported: that needs no torch, uses onnxruntime's fused operators, and keeps
the vocabulary at one scale per token, where a general quantiser would take one for the whole table.

Inputs are input_ids and attention_mask (texts, tokens); the output is vectors (texts, d) of unit length.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

FUSED = "com.microsoft"  # onnxruntime's own operators
OPSET = 17
IR_VERSION = 9

Array = NDArray[Any]


def build_int8(folder: Path, target: Path) -> None:
    """Read the BERT in a sentence-transformers folder (mean pooling, unit vectors) and write its graph."""
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    target.write_bytes(_graph(load_file(folder / "model.safetensors"), config).SerializeToString())


def _graph(weights: Mapping[str, Array], config: Mapping[str, Any]) -> "ModelProto":
    from onnx import TensorProto, helper

    draft = _Draft(weights, heads=config["num_attention_heads"], epsilon=config["layer_norm_eps"])
    draft.constant("step", np.array(1 / 127, np.float32))
    draft.constant("middle", np.array(128, np.uint8))
    draft.node("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    hidden = _embedding(draft)
    for layer in range(config["num_hidden_layers"]):
        hidden = _layer(draft, f"encoder.layer.{layer}.", hidden)
    _pooling(draft, hidden)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    width = config["hidden_size"]
    outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", width])]
    graph = helper.make_graph(draft.nodes, "encoder", inputs, outputs, draft.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


class _Draft:
    """Collects nodes and constants; every method returns the name of what it made."""

    def __init__(self, weights: Mapping[str, Array], heads: int, epsilon: float) -> None:
        self.weights = weights
        self.heads = heads
        self.epsilon = epsilon
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def node(self, kind: str, inputs: list[str], *outputs: str, fused: bool = False, **attributes: Any) -> str:
        from onnx import helper

        domain = FUSED if fused else ""
        self.nodes.append(helper.make_node(kind, inputs, list(outputs), domain=domain, **attributes))
        return outputs[0]

    def constant(self, name: str, value: Array) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def product(self, name: str, sources: list[str], x: str) -> str:
        """x·W on integers, the named layers side by side; weights have a scale per output.

        Each token is brought to size 1 and quantised with a fixed step. With one step for the whole batch, as is
        usual, one loud token drowns the others, and a text's vector depends on its company.
        """
        weight = np.concatenate([self.weights[f"{source}.weight"] for source in sources]).T
        integers, scale = _quantised(weight, axis=0)
        size = self.node("ReduceMax", [self.node("Abs", [x], f"{name}.abs")], f"{name}.size", axes=[-1])
        levelled = self.node("Div", [x, size], f"{name}.levelled")
        rounded = self.node("QuantizeLinear", [levelled, "step", "middle"], f"{name}.rounded")
        factors = [
            self.constant(f"{name}.weight", integers),
            "step",
            self.constant(f"{name}.scale", scale.ravel()),
        ]
        raw = self.node("MatMulIntegerToFloat", [rounded, *factors, "middle"], f"{name}.raw", fused=True)
        return self.node("Mul", [raw, size], name)

    def bias(self, name: str, sources: list[str]) -> str:
        return self.constant(
            f"{name}.bias", np.concatenate([self.weights[f"{source}.bias"] for source in sources])
        )

    def add_and_normalise(self, source: str, x: str, skip: str, bias: str = "") -> str:
        gamma = self.constant(f"{source}.gamma", self.weights[f"{source}.weight"])
        beta = self.constant(f"{source}.beta", self.weights[f"{source}.bias"])
        inputs = [x, skip, gamma, beta, bias]
        return self.node("SkipLayerNormalization", inputs, source, fused=True, epsilon=self.epsilon)


def _embedding(draft: _Draft) -> str:
    from onnx import TensorProto

    integers, scale = _quantised(draft.weights["embeddings.word_embeddings.weight"], axis=1)
    rows = draft.node("Gather", [draft.constant("words", integers), "input_ids"], "words.integers")
    scales = draft.node("Gather", [draft.constant("words.scale", scale), "input_ids"], "words.scales")
    floats = draft.node("Cast", [rows], "words.floats", to=TensorProto.FLOAT)
    words = draft.node("Mul", [floats, scales], "words.vectors")
    kind = draft.weights["embeddings.token_type_embeddings.weight"][0]  # every text is of the first type
    places = draft.constant("places", draft.weights["embeddings.position_embeddings.weight"] + kind)
    length = draft.node("Shape", ["input_ids"], "length", start=1)
    start = draft.constant("zero", np.array([0], np.int64))
    used = draft.node("Slice", [places, start, length], "places.used")
    zeros = draft.node("Sub", [words, words], "nothing")
    placed = draft.node("Add", [zeros, used], "places.vectors")
    return draft.add_and_normalise("embeddings.LayerNorm", words, placed)


def _layer(draft: _Draft, layer: str, x: str) -> str:
    mixed = _attention(draft, layer, x)
    out, source = f"{layer}out", f"{layer}attention.output."
    mixed = draft.product(out, [f"{source}dense"], mixed)
    x = draft.add_and_normalise(f"{source}LayerNorm", mixed, x, draft.bias(out, [f"{source}dense"]))
    wide, source = f"{layer}wide", f"{layer}intermediate.dense"
    widened = draft.product(wide, [source], x)
    bent = draft.node("BiasGelu", [widened, draft.bias(wide, [source])], f"{layer}bent", fused=True)
    narrow, source = f"{layer}narrow", f"{layer}output."
    narrowed = draft.product(narrow, [f"{source}dense"], bent)
    return draft.add_and_normalise(f"{source}LayerNorm", narrowed, x, draft.bias(narrow, [f"{source}dense"]))


def _attention(draft: _Draft, layer: str, x: str) -> str:
    name, sources = f"{layer}qkv", [f"{layer}attention.self.{part}" for part in ("query", "key", "value")]
    parts = [f"{layer}{part}" for part in ("q", "k", "v")]
    draft.node("Split", [draft.product(name, sources, x)], *parts, axis=-1)
    inputs = [*parts, draft.bias(name, sources), "mask"]
    return draft.node("MultiHeadAttention", inputs, f"{layer}mixed", fused=True, num_heads=draft.heads)


def _pooling(draft: _Draft, hidden: str) -> None:
    """The mean over a text's tokens at unit length; normalising makes sum and mean the same."""
    from onnx import TensorProto

    last = draft.constant("last", np.array([-1], np.int64))
    mask = draft.node("Cast", ["attention_mask"], "mask.floats", to=TensorProto.FLOAT)
    column = draft.node("Unsqueeze", [mask, last], "mask.column")
    kept = draft.node("Mul", [hidden, column], "kept")
    total = draft.node("ReduceSum", [kept, draft.constant("one", np.array([1], np.int64))], "total", keepdims=0)
    draft.node("LpNormalization", [total], "vectors", axis=-1, p=2)


def _quantised(weight: Array, axis: int) -> tuple[Array, Array]:
    """Symmetric 8-bit integers and their scale, one per slice along the other axis."""
    scale = np.maximum(np.abs(weight).max(axis=axis, keepdims=True), 1e-8) / 127
    return np.round(weight / scale).astype(np.int8), scale.astype(np.float32)
