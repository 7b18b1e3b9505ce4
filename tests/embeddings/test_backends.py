"""Every backend scores as the plain one does, and the fastest is chosen by what the processor can do."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embeddings.backends import fastest
from embeddings.evaluation import evaluate
from embeddings.labelled import TRAINING
from embeddings.matcher import Matcher
from embeddings.profiles import choose_backend, resolve

DEVELOPMENT = [TRAINING / "match_dev.jsonl"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"avx512_vnni", "avx512_bf16"}, "int8"),
        ({"asimddp"}, "int8"),
        ({"avx512_bf16"}, "bf16"),
        ({"avx2"}, "fp32"),
        (set(), "fp32"),
    ],
)
def test_the_fastest_backend_follows_from_the_processor(flags: set[str], expected: str) -> None:
    assert fastest(frozenset(flags)) == expected


def test_a_backend_can_be_asked_for_by_name() -> None:
    assert choose_backend(resolve("multilingual"), "fp32") == "fp32"
    assert choose_backend(resolve("some/model"), "auto") == "fp32"
    with pytest.raises(ValueError, match="auto, fp32, bf16, int8"):
        choose_backend(resolve("multilingual"), "int4")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["int8", "bf16"])
def test_a_faster_backend_loses_next_to_nothing(cache_dir: Path, backend: str) -> None:
    plain = evaluate(DEVELOPMENT, Matcher.load("multilingual", cache_dir, backend="fp32"))
    fast = evaluate(DEVELOPMENT, Matcher.load("multilingual", cache_dir, backend=backend))
    assert fast["auc"] >= plain["auc"] - 0.003
    assert fast["recall"] >= plain["recall"] - 0.02
    assert fast["precision"] >= plain["precision"] - 0.01


def test_eight_bit_vectors_do_not_depend_on_their_company(cache_dir: Path) -> None:
    encoder = Matcher.load("multilingual", cache_dir, backend="int8").encoder
    text = "my card is declined"
    alone = encoder.network.embed([text], 96)[0]
    among = encoder.network.embed(["!" * 90, text, "NullPointerException at 0x7f", "よ" * 60], 96)[1]
    assert np.allclose(alone, among, atol=1e-6)


def test_the_eight_bit_path_never_imports_torch(cache_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from embeddings.matcher import IncidentText, Matcher\n"
        f"matcher = Matcher.load('multilingual', Path({str(cache_dir)!r}), backend='int8'); matcher.warm_up()\n"
        "matcher.score(['broken'], matcher.embed_incidents([IncidentText('Login fails', (), ())]))\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'onnx'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_vectors_have_unit_length_whatever_the_backend(cache_dir: Path) -> None:
    for backend in ("fp32", "bf16", "int8"):
        vectors = Matcher.load("english", cache_dir, backend=backend).embed_messages(["one", "two words"])
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2)
