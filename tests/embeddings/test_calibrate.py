"""Fitting a scorer, and what comes of the numbers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from embeddings.calibrate import calibrate
from embeddings.labelled import TRAINING, read_tenants
from embeddings.logistic import fit_logistic
from embeddings.logits import Logits, fit_calibration, transfer
from embeddings.matcher import IncidentText, Matcher
from embeddings.profiles import prepare, resolve
from embeddings.scorer import Calibration, product


def test_a_logistic_fit_finds_the_direction_that_separates() -> None:
    chance = np.random.default_rng(0)
    vectors = chance.standard_normal((400, 5)).astype(np.float32)
    weights, bias = fit_logistic(vectors, vectors[:, 2] > 0.5)
    assert int(np.abs(weights).argmax()) == 2
    assert ((vectors @ weights + bias > 0) == (vectors[:, 2] > 0.5)).mean() > 0.95


def some_logits(calibration: Calibration, messages: int = 20_000) -> Logits:
    """Messages whose labels are drawn with exactly the probabilities that the calibration gives them."""
    chance = np.random.default_rng(1)
    cosines, faults = chance.normal(0.1, 0.15, (messages, 3)), chance.normal(0, 3, messages)
    match = calibration.match_scale * cosines + calibration.match_shift
    scores = product(match, calibration.gate_scale * faults + calibration.gate_shift)
    drawn = (chance.random(messages)[:, None] > scores.cumsum(axis=1)).sum(axis=1)
    return Logits(cosines, faults, np.where(drawn == 3, -1, drawn), np.ones(messages))


def test_calibration_finds_the_numbers_that_the_labels_were_drawn_with() -> None:
    true = Calibration(match_scale=18, match_shift=-3, gate_scale=0.8, gate_shift=0.4)
    found = fit_calibration(some_logits(true), unposted_weight=0)
    assert found.match_scale == pytest.approx(18, rel=0.05)
    assert found.match_shift == pytest.approx(-3, abs=0.15)
    assert found.gate_scale == pytest.approx(0.8, rel=0.1)
    assert found.gate_shift == pytest.approx(0.4, abs=0.15)


def test_another_backend_gets_the_calibration_that_undoes_its_difference() -> None:
    plain = some_logits(Calibration(20, -3), messages=500)
    other = Logits(plain.cosines * 0.5 + 0.1, plain.faults * 2 - 1, plain.answers, plain.weights)
    found = transfer(Calibration(20, -3), plain, other)
    assert np.allclose(found.match_scale * other.cosines + found.match_shift, 20 * plain.cosines - 3)
    assert np.allclose(found.gate_scale * other.faults + found.gate_shift, plain.faults)


@pytest.mark.slow
def test_a_custom_folder_can_be_calibrated_and_then_matches(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(prepare(resolve("english"), tmp_path, backend="fp32"), mine)
    calibrate(str(mine), tmp_path, lambda _line: None, files=[some_text(tmp_path)])
    matcher = Matcher.load(str(mine), tmp_path)
    cards = IncidentText("Card payments declined at checkout", ("Payments",), ())
    login = IncidentText("Login page shows an error", ("Login",), ())
    [scores] = matcher.score(["my card payment was declined at checkout"], matcher.embed_incidents([login, cards]))
    assert scores.argmax() == 1
    assert matcher.backend == "fp32"


def some_text(folder: Path) -> Path:
    """A few tenants of two authors."""
    lines = [
        line
        for name in ("match_dev.jsonl", "match_questions.jsonl")
        for line in (TRAINING / name).read_text(encoding="utf-8").split("\n")[:4]
    ]
    path = folder / "some.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_every_training_line_is_a_labelled_tenant() -> None:
    tenants = read_tenants()
    assert len({tenant.name for tenant in tenants}) == len(tenants)
    assert sum(len(tenant.messages) for tenant in tenants) > 6000


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "wrong.jsonl"
    record = {"tenant": "t", "incidents": [], "messages": [{"text": "a", "label": "nowhere"}]}
    path.write_text("\n" + json.dumps(record), encoding="utf-8")
    with pytest.raises(ValueError, match=r"wrong\.jsonl:2 is not a labelled tenant: KeyError\('nowhere'\)"):
        read_tenants([path])
