"""Labelled replies to train the network on, made of the phrase tables: every phrase, and phrases put together.

Edit the tables, not the rows: the same tables and the same seed give the same rows.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from embeddings.consent import phrases
from embeddings.consent.model import SOME_ADDRESS
from embeddings.consent.verdict import Verdict

PAUSE, STOP = ", ", ". "
PAUSES = {"ja": "、", "zh": "，", "yue": "，", "th": " "}
STOPS = {"ja": "。", "zh": "。", "yue": "。", "th": " "}


@dataclass(frozen=True, slots=True)
class Row:
    """A reply to one open question about mail, and what it means."""

    language: str
    reply: str
    label: Verdict


@dataclass(frozen=True, slots=True)
class Compound:
    """Two phrases after each other: of which sections, what stands between them, what they mean together."""

    first: str
    between: str
    second: str
    label: Verdict


YES, NO, UNCLEAR = Verdict.YES, Verdict.NO, Verdict.UNCLEAR
COMPOUNDS = (
    Compound("something else", STOP, "mail request", YES),
    Compound("something else", STOP, "no", NO),
    Compound("something else", STOP, "thanks", UNCLEAR),
    Compound("no", STOP, "something else", NO),
    Compound("yes", STOP, "question", YES),
    Compound("yes", STOP, "address", YES),
    Compound("yes", PAUSE, "action", YES),
    Compound("yes", PAUSE, "mail request", YES),
    Compound("yes", STOP, "other channel", NO),
    Compound("yes", PAUSE, "undecided", UNCLEAR),
    Compound("acknowledgement", PAUSE, "mail request", YES),
    Compound("acknowledgement", PAUSE, "action", YES),
    Compound("acknowledgement", PAUSE, "no", NO),
    Compound("acknowledgement", PAUSE, "polite no", NO),
    Compound("acknowledgement", PAUSE, "thanks", UNCLEAR),
    Compound("acknowledgement", PAUSE, "undecided", UNCLEAR),
    Compound("acknowledgement", STOP, "question", UNCLEAR),
    Compound("acknowledgement", STOP, "something else", UNCLEAR),
    Compound("thanks", STOP, "something else", UNCLEAR),
    Compound("thanks", STOP, "question", UNCLEAR),
    Compound("thanks", PAUSE, "no", NO),
    Compound("polite no", PAUSE, "thanks", NO),
)
EACH = 6  # of every compound in every language
STRANGERS = ("yes", "mail request", "no", "polite no", "acknowledgement", "thanks", "injection", "noise")
"""Sections of English that people answer with to an offer in any language."""


def training_rows(seed: int) -> list[Row]:
    """Rows of every language, each reply once in a language, in an order that the seed decides."""
    chance = random.Random(seed)  # noqa: S311
    rows = list(dict.fromkeys(row for language in phrases.languages() for row in _rows_of(language, chance)))
    chance.shuffle(rows)
    return rows


def _rows_of(language: str, chance: random.Random) -> Iterator[Row]:
    table = phrases.sections(language)
    for label, names in ((YES, phrases.YES), (NO, phrases.NO), (UNCLEAR, phrases.UNCLEAR)):
        for name in names:
            yield from (_row(language, phrase, label) for phrase in table.get(name, ()))
    for compound in COMPOUNDS:
        yield from _compounds(language, compound, chance)
    english = phrases.sections("en")
    for name in STRANGERS:
        label = YES if name in phrases.YES else NO if name in phrases.NO else UNCLEAR
        yield from (_row(language, phrase, label) for phrase in chance.sample(english[name], 2))


def _compounds(language: str, compound: Compound, chance: random.Random) -> Iterator[Row]:
    table = phrases.sections(language)
    if not (compound.first in table and compound.second in table):
        return
    between = {PAUSE: PAUSES, STOP: STOPS}[compound.between].get(language, compound.between)
    for _ in range(EACH):
        first, second = chance.choice(table[compound.first]), chance.choice(table[compound.second])
        yield _row(language, f"{first.rstrip('.')}{between}{second}", compound.label)


def _row(language: str, reply: str, label: Verdict) -> Row:
    return Row(language, reply.replace(phrases.ANY_ADDRESS, SOME_ADDRESS), label)
