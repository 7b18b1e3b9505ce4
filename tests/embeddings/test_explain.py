"""Why something matched."""

import pytest

from embeddings.explain import MOST_WORDS, word_spans
from embeddings.matcher import IncidentText, Matcher

CARDS = IncidentText(
    title="Card payments declined at checkout",
    components=("Payments API",),
    updates=("This incident has been resolved.", "The printer in the lobby is out of paper."),
)


def test_the_words_that_name_the_fault_carry_the_match(matcher: Matcher) -> None:
    message = "Hi there, since this morning my card keeps getting declined, please help"
    explanation = matcher.explain(message, CARDS)
    strongest = sorted(explanation.words, key=lambda word: -word.share)[:2]
    assert {word.words for word in strongest} == {"card", "declined"}
    assert sum(word.share for word in explanation.words) == pytest.approx(1)
    assert all(explanation.text[word.start : word.end] == word.words for word in explanation.words)


def test_the_part_of_the_incident_that_says_the_same_has_the_largest_share(matcher: Matcher) -> None:
    parts = matcher.explain("my card is declined", CARDS).parts
    assert [part.part for part in parts] == ["title", "components", "update"]
    assert max(parts, key=lambda part: part.share).part == "title"


def test_languages_without_spaces_are_split_too() -> None:
    assert word_spans("支払い拒 決済") == [(0, 2), (2, 4), (5, 7)]


def test_a_long_message_is_explained_by_groups_of_words() -> None:
    spans = word_spans("word " * 500)
    assert len(spans) <= MOST_WORDS
    assert spans[-1][1] == 5 * 500 - 1


@pytest.mark.parametrize("message", ["", "\0", "?!", "\ud800", "🔥" * 1000])
def test_there_is_an_explanation_of_anything(matcher: Matcher, message: str) -> None:
    explanation = matcher.explain(message, CARDS)
    assert sum(word.share for word in explanation.words) <= 1.000001
