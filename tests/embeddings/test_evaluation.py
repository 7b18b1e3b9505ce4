"""The figures, on cases small enough to be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from embeddings.evaluation import (
    Judged,
    evaluate,
    expected_calibration_error,
    figures,
    plot,
    report,
    roc_auc,
)
from embeddings.labelled import TRAINING
from embeddings.matcher import Matcher

FOUR = Judged(
    top=np.array([0.9, 0.6, 0.8, 0.1]),
    right=np.array([True, True, False, False]),
    positive=np.array([True, True, False, True]),
    unposted=np.array([0.7, 0.2, np.nan, 0.1]),
    languages=np.array(["en", "de", "en", "en"]),
    kinds=np.array(["direct", "direct", "other_fault", "para"]),
)


def test_precision_and_recall_count_the_right_card_only() -> None:
    found = figures(FOUR, threshold=0.5)
    assert found["top1"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["auc"] == pytest.approx(1 / 3)
    assert found["unposted_false_card_rate"] == pytest.approx(1 / 3)
    assert found["brier"] == pytest.approx((0.01 + 0.16 + 0.64 + 0.01) / 4)
    assert found["ece"] == pytest.approx((0.1 + 0.4 + 0.8 + 0.1) / 4)


def test_auc_counts_ties_half_and_needs_both_classes() -> None:
    assert roc_auc(np.array([0.5, 0.5]), np.array([True, False])) == 0.5
    assert roc_auc(np.array([0.5]), np.array([True])) is None


def test_calibration_error_is_nought_when_what_was_said_is_so() -> None:
    said = np.repeat([0.25, 0.75], 400)
    so = np.concatenate([np.arange(400) < 100, np.arange(400) < 300])
    assert expected_calibration_error(said, so) == pytest.approx(0)
    assert expected_calibration_error(np.array([]), np.array([], bool)) is None


def test_the_report_has_the_promised_keys() -> None:
    found = report(FOUR)
    plain = ["top1", "auc", "precision", "recall", "f1", "brier", "ece", "unposted_false_card_rate"]
    assert list(found) == [*plain, "by_lang", "by_kind", "at_recall_75"]
    assert list(found["by_lang"]["en"]) == list(found["by_lang"]["other"]) == plain
    assert found["by_kind"]["direct"] == {"n": 2, "recall": 1.0, "false_card_rate": None}
    assert found["by_kind"]["other_fault"] == {"n": 1, "recall": None, "false_card_rate": 1.0}
    assert list(found["at_recall_75"]) == ["threshold", "precision", "unposted_false_card_rate"]


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot(FOUR, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_default_profile_is_good_on_the_development_text(matcher: Matcher) -> None:
    found = evaluate([TRAINING / "match_dev.jsonl"], matcher)
    assert found["auc"] > 0.98
    assert found["precision"] > 0.95
    assert found["recall"] > 0.75
