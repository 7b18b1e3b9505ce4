"""The phrase tables: what people answer to an offer, per language, as `phrases/<language>.txt`.

A line in brackets names a section, every other line is one phrase; `{a}` stands for an address, and a backslash
in front keeps a phrase that begins with a bracket. The sections say what a phrase means, `grammar` what may follow
what.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "phrases"
ANY_ADDRESS = "{a}"

Sections = Mapping[str, tuple[str, ...]]

YES = ("yes", "emphatic", "action", "mail request", "no objection", "address", "no then yes")
NO = ("no", "polite no", "other channel", "yes then no", "already subscribed")
UNCLEAR = (
    *("acknowledgement", "thanks", "question", "undecided", "something else"),
    *("third party", "incidental address", "malformed address", "human", "injection", "noise"),
)
"""A section's place says what a reply that consists of one of its phrases means, to an offer of ours."""

OFFERS = (
    "offers",
    "offers two questions",
    "offers a choice",
    "no offer",
    "offers inverted mind",
    "offers inverted",
)
OTHERS = ("filler", "not this address", "please", "reservation")


@cache
def languages() -> tuple[str, ...]:
    """The languages that there are tables for, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.txt")))


@cache
def sections(language: str) -> Sections:
    """The language's table. Raises ValueError naming the line that belongs to no known section."""
    found: dict[str, list[str]] = {}
    path = FOLDER / f"{language}.txt"
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line.startswith("["):
            name = line.strip("[]")
            if name not in (*YES, *NO, *UNCLEAR, *OFFERS, *OTHERS):
                raise ValueError(f"{path}:{number}: there is no section {name!r}")
            rows = found.setdefault(name, [])
        elif line.strip():
            if not found:
                raise ValueError(f"{path}:{number}: a phrase before the first section")
            rows.append(line.removeprefix("\\"))
    return {name: tuple(phrases) for name, phrases in found.items()}
