"""Which address a reply means: those that it rejects are taken out before anything else is read."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from embeddings.consent import phrases
from embeddings.consent.writing import ADDRESS


@dataclass(frozen=True, slots=True)
class Addressed:
    """A reply without the addresses that it says not to use, and the ones that are left in it."""

    text: str
    left: tuple[str, ...]


def settle(reply: str, language: str) -> Addressed:
    """ "Use x@a.example, not y@b.example" becomes "Use x@a.example". Letters of full width are made usual ones."""
    text = unicodedata.normalize("NFKC", reply)
    for candidate in dict.fromkeys((language, "en")):
        for pattern in _rejections(candidate):
            shorter = pattern.sub(" ", text)
            if ADDRESS.search(shorter):  # an address that only is rejected leaves nothing to write to
                text = shorter
    return Addressed(text.strip() if text != reply else reply, tuple(dict.fromkeys(ADDRESS.findall(text))))


@cache
def _rejections(language: str) -> tuple[re.Pattern[str], ...]:
    rows = phrases.sections(language).get("not this address", ()) if language in phrases.languages() else ()
    return tuple(_rejection(row) for row in rows)


def _rejection(phrase: str) -> re.Pattern[str]:
    before, _, after = phrase.partition(phrases.ANY_ADDRESS)
    words = [re.escape(part.strip()).replace("\\ ", r"\s+") for part in (before, after)]
    start = rf"[,;(–—-]?\s*(?<!\w){words[0]}\s*" if words[0] else r"[,;(–—-]?\s*"
    end = rf"\s*{words[1]}" if words[1] else ""
    return re.compile(rf"{start}{ADDRESS.pattern}{end}\s*\)?", re.IGNORECASE)
