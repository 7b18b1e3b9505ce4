"""Signs in a reply that forbid the model a yes, or name another channel: patterns of `signs/*.txt`, one a line."""

import re
from functools import cache
from pathlib import Path

from embeddings.consent.writing import ADDRESS, without_addresses

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


def has_unusable_address(reply: str) -> bool:
    """Something that is meant as an address and cannot be used as it is written."""
    rest = without_addresses(reply)
    return bool(_AT_SIGN_LEFT.search(rest) or _SPELLED.search(rest))


def speaks_for_another(reply: str) -> bool:
    """It names somebody else beside an address, or the address stands in what looks like a signature."""
    if not ADDRESS.search(reply):
        return False
    return bool(_pattern("third_person").search(without_addresses(reply)) or "\n" in reply.strip())


def is_scornful(reply: str) -> bool:
    return bool(_SCORN.search(reply))


def channel(reply: str) -> str | None:
    """A channel other than mail that the reply names."""
    rest = without_addresses(reply)
    return next((name for name in CHANNELS if _pattern(f"channel/{name}").search(rest)), None)


@cache
def _pattern(name: str) -> re.Pattern[str]:
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    return re.compile("|".join(line for line in lines if line), re.IGNORECASE | re.MULTILINE)
