"""Signs in a reply that forbid the model a yes, or name another channel: patterns of `signs/*.txt`, one a line."""

import re
import unicodedata
from functools import cache
from pathlib import Path

from embeddings.consent import phrases
from embeddings.consent.writing import ADDRESS, folded, has_spaces, without_addresses

FOLDER = Path(__file__).parent / "signs"
CHANNELS = ("phone", "sms", "chat")

_AT_SIGN_LEFT = re.compile(r"@|\w+\.(com|org|net|example|de|fr|es|ru|jp|kr|cn|br|pt|pl|io|co)\b", re.IGNORECASE)
_SPELLED = re.compile(
    r"\b(at|arroba|dot|point|punkt|chiocciola)\b.*\b(dot|punto|ponto|point|punkt|com)\b", re.IGNORECASE
)
_SCORN = re.compile("👎|🙄|🤡|😡|🤬|😒|🤮|💩")


def looks_instructed(reply: str) -> bool:
    """It quotes, or tells a machine what to answer, instead of answering."""
    return bool(_pattern("instruction").search(reply))


def withdraws(reply: str) -> bool:
    """It changes its mind along the way."""
    return bool(_pattern("withdrawal").search(reply))


def refuses_for_good(reply: str) -> bool:
    """It says not only no, but never: no mail and no question again."""
    return bool(_pattern("never").search(unicodedata.normalize("NFKC", reply).replace("’", "'")))


def has_unusable_address(reply: str) -> bool:
    """Something that is meant as an address and cannot be used as it is written."""
    rest = without_addresses(reply)
    return bool(_AT_SIGN_LEFT.search(rest) or _SPELLED.search(rest))


def speaks_for_another(reply: str) -> bool:
    """It names somebody else beside an address, or the address stands in what looks like a signature."""
    if not ADDRESS.search(reply):
        return False
    return bool(_pattern("third_person").search(without_addresses(reply)) or "\n" in reply.strip())


def asks_for_a_repair(text: str) -> bool:
    """It asks that the fault be mended: a "yes, please" before that may mean the mending."""
    return bool(_pattern("repair").search(text))


def has_reservation(text: str, language: str) -> bool:
    """It holds a word that denies, restricts or sets against: not, but, only, if."""
    return any(_holds_word(text, candidate, "reservation") for candidate in dict.fromkeys((language, "en")))


def says_please(text: str, language: str) -> bool:
    return _holds_word(text, language, "please")


def is_scornful(reply: str) -> bool:
    return bool(_SCORN.search(reply))


def channel(reply: str) -> str | None:
    """A channel other than mail that the reply names."""
    rest = without_addresses(reply)
    return next((name for name in CHANNELS if _pattern(f"channel/{name}").search(rest)), None)


def _holds_word(text: str, language: str, section: str) -> bool:
    found = _words(language, section)
    return bool(found and found.search(folded(text)))


@cache
def _words(language: str, section: str) -> re.Pattern[str] | None:
    """The words of a section of the language's table, as whole words where the language parts words."""
    rows = phrases.sections(language).get(section, ()) if language in phrases.languages() else ()
    if not rows:
        return None
    either = "|".join(re.escape(folded(row)) for row in rows)
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)" if has_spaces(language) and language != "ko" else either)


@cache
def _pattern(name: str) -> re.Pattern[str]:
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    return re.compile("|".join(line for line in lines if line), re.IGNORECASE | re.MULTILINE)
