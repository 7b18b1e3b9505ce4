"""Which of the tables' languages a text is in, by its letters: a naive Bayes model over 1- to 3-grams."""

import math
from collections import Counter
from functools import cache, lru_cache

from embeddings.consent import phrases
from embeddings.consent.writing import PLACEHOLDER, folded

WEIGHTED = dict.fromkeys(phrases.OFFERS, 3)  # an offer is what is asked about, so offers count most
SAMPLED = (
    *("yes", "action", "mail request", "acknowledgement", "thanks"),
    *("no", "polite no", "something else"),
)
SMOOTHING = 0.3
SIZE = 10_000  # grams that every model is scaled to
UNSEEN = math.log(SMOOTHING)


@lru_cache(maxsize=2048)
def guess(text: str) -> str:
    """The likeliest language; some language for any text."""
    grams = _grams(folded(text).replace(PLACEHOLDER, " "))
    return max(phrases.languages(), key=lambda language: _likelihood(grams, _model(language)))


def _likelihood(grams: list[str], model: dict[str, float]) -> float:
    return sum(model.get(gram, UNSEEN) for gram in grams)


@cache
def _model(language: str) -> dict[str, float]:
    """Log likelihoods; what is missing counts as `UNSEEN`."""
    table = phrases.sections(language)
    counts: Counter[str] = Counter()
    for name, weight in WEIGHTED.items():
        for phrase in table.get(name, ())[:6]:
            for gram in _grams(folded(phrase.replace(phrases.ANY_ADDRESS, ""))):
                counts[gram] += weight
    for name in SAMPLED:
        for phrase in table.get(name, ())[:12]:
            counts.update(_grams(folded(phrase.replace(phrases.ANY_ADDRESS, ""))))
    total = sum(counts.values())
    return {gram: math.log(count / total * SIZE + SMOOTHING) for gram, count in counts.items()}


def _grams(text: str) -> list[str]:
    padded = f" {text} "
    return [padded[at : at + size] for size in (1, 2, 3) for at in range(len(padded) - size + 1)]
