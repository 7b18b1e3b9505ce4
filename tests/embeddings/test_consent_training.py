"""Training what reads replies: the rows that the tables give, and a short run to the end."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from embeddings.consent.rows import training_rows
from embeddings.consent.training import Recipe, noisy, train_consent
from embeddings.consent.verdict import Verdict
from embeddings.profiles import default_cache_dir


def test_the_same_seed_gives_the_same_rows_and_another_one_others() -> None:
    assert training_rows(1) == training_rows(1)
    assert training_rows(1) != training_rows(2)


def test_no_reply_of_a_language_is_trained_on_twice_and_all_labels_occur() -> None:
    rows = training_rows(1)

    assert len(set(rows)) == len(rows)
    assert {row.label for row in rows} == set(Verdict)
    assert not any("{a}" in row.reply for row in rows)


def test_a_reply_in_a_hurry_keeps_its_address() -> None:
    chance = random.Random(1)

    typed = {noisy("Yes, to a@b.com", chance).lower() for _ in range(200)}

    assert len(typed) > 5
    assert all("a@b.com" in text for text in typed)


@pytest.mark.slow
def test_a_run_writes_an_adapter_of_the_shape_of_the_packaged_one_and_the_same_one_again(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    from embeddings.consent.model import PROFILE

    log: list[str] = []
    recipe = Recipe(steps=2, batch=4)
    files = [tmp_path / name for name in ("first.safetensors", "second.safetensors")]
    for file in files:
        train_consent(file, default_cache_dir(), recipe, log=log.append)

    assert PROFILE.adapter is not None
    packaged, first, second = (load_file(path) for path in (PROFILE.adapter, *files))
    assert {name: value.shape for name, value in first.items()} == {n: v.shape for n, v in packaged.items()}
    assert all((first[name] == second[name]).all() for name in first)
    assert log[0].endswith("2 steps of 4")
