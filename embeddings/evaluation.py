"""Judges a matcher on labelled text, over the very path that the product uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.labelled import NOTHING, Tenant, read_tenants
from embeddings.matcher import Matcher

BINS = 10
RECALL_TO_COMPARE_AT = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Per message: the top probability, whether the top incident is right, whether there is a right one, and, for
    those, the top probability once that incident is taken away (NaN for the others)."""

    top: NDArray[np.float64]
    right: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    unposted: NDArray[np.float64]
    languages: NDArray[np.str_]
    kinds: NDArray[np.str_]

    def where(self, rows: NDArray[np.bool_]) -> "Judged":
        """The chosen messages."""
        return Judged(*(getattr(self, name)[rows] for name in self.__slots__))


def evaluate(files: Sequence[Path], matcher: Matcher, threshold: float = 0.5) -> dict[str, Any]:
    """All figures of `herald eval match` as one JSON object. A figure that the files cannot give is null."""
    return report(judge(read_tenants(files), matcher), threshold)


def judge(tenants: Sequence[Tenant], matcher: Matcher) -> Judged:
    """Score every message against its tenant's incidents."""
    parts = [_judge_tenant(tenant, matcher) for tenant in tenants if tenant.messages]
    return Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in Judged.__slots__))


def report(judged: Judged, threshold: float = 0.5) -> dict[str, Any]:
    """The figures over all messages, by language (English and the rest), by kind, and where recall is .75."""
    english = judged.languages == "en"
    return {
        **figures(judged, threshold),
        "by_lang": {
            "en": figures(judged.where(english), threshold),
            "other": figures(judged.where(~english), threshold),
        },
        "by_kind": {
            kind: _kind(judged.where(judged.kinds == kind), threshold) for kind in sorted(set(judged.kinds))
        },
        "at_recall_75": _at_recall(judged, RECALL_TO_COMPARE_AT),
    }


def figures(judged: Judged, threshold: float) -> dict[str, float | None]:
    """Precision and recall are of the right card at the threshold; Brier and ECE of "the top card is right"."""
    shown = judged.top >= threshold
    hits = int((shown & judged.right).sum())
    precision, recall = _ratio(hits, shown.sum()), _ratio(hits, judged.positive.sum())
    return {
        "top1": _mean(judged.right[judged.positive]),
        "auc": roc_auc(judged.top, judged.positive),
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * hits, shown.sum() + judged.positive.sum()),
        "brier": _mean((judged.top - judged.right) ** 2),
        "ece": expected_calibration_error(judged.top, judged.right),
        "unposted_false_card_rate": _mean(judged.unposted[judged.positive] >= threshold),
    }


def roc_auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float | None:
    """How often a positive scores above a negative, ties counting half; None without both."""
    wins, losses = scores[positive], np.sort(scores[~positive])
    if not len(wins) or not len(losses):
        return None
    below, upto = np.searchsorted(losses, wins, "left"), np.searchsorted(losses, wins, "right")
    return float((below + upto).mean() / 2 / len(losses))


def expected_calibration_error(chance: NDArray[np.float64], right: NDArray[np.bool_]) -> float | None:
    """Mean distance between what was said and what was so, over ten bins of equal width."""
    if not len(chance):
        return None
    bins = np.minimum((chance * BINS).astype(int), BINS - 1)
    gaps = [
        (bins == k).mean() * abs(chance[bins == k].mean() - right[bins == k].mean()) for k in set(bins.tolist())
    ]
    return float(sum(gaps))


def plot(judged: Judged, path: Path) -> None:
    """Draw the reliability diagram and the precision-recall curve as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    reliability, curve = figure.subplots(1, 2)
    bins = np.minimum((judged.top * BINS).astype(int), BINS - 1)
    used = sorted(set(bins.tolist()))
    reliability.plot([0, 1], [0, 1], color="0.7")
    reliability.plot(
        [judged.top[bins == k].mean() for k in used], [judged.right[bins == k].mean() for k in used], "o-"
    )
    reliability.set(xlabel="probability shown", ylabel="share that was right", title="Reliability")
    thresholds = np.unique(judged.top)
    shown = np.array([(judged.top >= limit).sum() for limit in thresholds])
    hits = np.array([(judged.right & (judged.top >= limit)).sum() for limit in thresholds])
    curve.plot(hits / max(1, judged.positive.sum()), hits / shown)
    curve.set(xlabel="recall", ylabel="precision", title="Right card", xlim=(0, 1), ylim=(0, 1.02))
    figure.savefig(path, dpi=120)


def _judge_tenant(tenant: Tenant, matcher: Matcher) -> Judged:
    incidents = matcher.embed_incidents(tenant.incidents)
    messages = matcher.embed_messages([message.text for message in tenant.messages])
    answers = np.array([message.answer for message in tenant.messages])
    scores = matcher.probabilities(messages, incidents)
    unposted = np.full(len(answers), np.nan)
    for row in np.flatnonzero(answers != NOTHING):
        rest = np.delete(incidents, answers[row], axis=0)
        unposted[row] = _best(matcher.probabilities(messages[row : row + 1], rest))[0]
    return Judged(
        top=_best(scores),
        right=scores.argmax(axis=1) == answers if len(incidents) else np.zeros(len(answers), bool),
        positive=answers != NOTHING,
        unposted=unposted,
        languages=np.array([message.language for message in tenant.messages]),
        kinds=np.array([message.kind for message in tenant.messages]),
    )


def _kind(judged: Judged, threshold: float) -> dict[str, float | None]:
    shown = judged.top >= threshold
    return {
        "n": len(shown),
        "recall": _mean((shown & judged.right)[judged.positive]),
        "false_card_rate": _mean(shown[~judged.positive]),
    }


def _at_recall(judged: Judged, recall: float) -> dict[str, float | None]:
    """The highest threshold that reaches the recall, and what it costs."""
    hits = np.sort(judged.top[judged.right & judged.positive])[::-1]
    needed = int(np.ceil(recall * judged.positive.sum()))
    if not needed or needed > len(hits):
        return {"threshold": None, "precision": None, "unposted_false_card_rate": None}
    threshold = float(hits[needed - 1])
    found = figures(judged, threshold)
    return {
        "threshold": threshold,
        "precision": found["precision"],
        "unposted_false_card_rate": found["unposted_false_card_rate"],
    }


def _best(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    best: NDArray[np.float64] = scores.max(axis=1, initial=0.0)
    return best


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
