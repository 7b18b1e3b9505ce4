"""Which words of a message, and which part of an incident, carried a match.

By occlusion: a word's share is what the match loses without it. (Shares of the tokens in the forward pass were
tried and point at neighbours: every token's state knows its whole sentence.) A part's share is how well it matches
alone.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embeddings.recipe import IncidentText, is_boilerplate

Part = Literal["title", "components", "update"]

UNSPACED = "\u2e80-\uffff"  # the scripts of East Asia, which put no spaces between words: two characters at a time
WORD = re.compile(rf"[^\W{UNSPACED}]+(?:['’][^\W{UNSPACED}]+)*|[{UNSPACED}]{{1,2}}")
MOST_WORDS = 60  # in longer messages, neighbours are left out together


@dataclass(frozen=True, slots=True)
class WordShare:
    """Words of `Explanation.text`, from `start` to before `end`, and their share of what spoke for the match."""

    words: str
    start: int
    end: int
    share: float


@dataclass(frozen=True, slots=True)
class PartShare:
    """A part of the incident, and its share of what spoke for the match."""

    part: Part
    text: str
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Words in reading order and parts in the incident's; the shares of each sum to 1, or are all 0.

    `text` is the message as the model read it: single spaces, cut to the model's length.
    """

    text: str
    words: tuple[WordShare, ...]
    parts: tuple[PartShare, ...]


def word_spans(text: str) -> list[tuple[int, int]]:
    """The words' places, at most `MOST_WORDS`; in a longer text each stands for several neighbours."""
    spans = [found.span() for found in WORD.finditer(text)]
    together = -(-len(spans) // MOST_WORDS) or 1
    groups = [spans[start : start + together] for start in range(0, len(spans), together)]
    return [(group[0][0], group[-1][1]) for group in groups]


def without(text: str, span: tuple[int, int]) -> str:
    """The text with the span left out."""
    return text[: span[0]] + text[span[1] :]


def parts_of(incident: IncidentText) -> list[tuple[Part, str]]:
    """The parts that matching reads, each as a text of its own."""
    parts: list[tuple[Part, str]] = [("title", incident.title), ("components", ", ".join(incident.components))]
    parts += [("update", update) for update in incident.updates if not is_boilerplate(update)]
    return [(part, text) for part, text in parts if text.strip()]


def shares(values: NDArray[np.floating]) -> list[float]:
    """What is above zero, scaled to sum to 1."""
    positive = np.maximum(values, 0)
    total = float(positive.sum())
    return [float(value) / total if total else 0.0 for value in positive]
