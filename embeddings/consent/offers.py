"""What somebody's own question is about, by the tables' question that looks most like it.

A guess, good enough to take a no for a no; a yes is never built on it.
"""

import re
from functools import lru_cache

from embeddings.consent import phrases
from embeddings.consent.writing import folded

ALIKE = 0.18  # of the three-letter pieces of both, the share that both have


@lru_cache(maxsize=2048)
def seems_to_offer_mail(offer: str, language: str) -> bool:
    """Whether it looks like one open question whether to send mail: no second question, not turned round."""
    if len(re.findall("[?？؟]", offer)) > 1 or language not in phrases.languages():
        return False
    pieces = _pieces(offer)
    table = phrases.sections(language)
    found = [(_alike(pieces, _pieces(row)), name) for name in phrases.OFFERS for row in table.get(name, ())]
    likeness, name = max(found)
    return name == "offers" and likeness >= ALIKE


def _pieces(text: str) -> frozenset[str]:
    whole = f" {folded(text)} "
    return frozenset(whole[at : at + 3] for at in range(len(whole) - 2))


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)
