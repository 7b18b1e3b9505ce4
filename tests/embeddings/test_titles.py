"""Whether a title says enough to be matched."""

import pytest

from embeddings.matcher import Matcher


@pytest.mark.parametrize(
    "title",
    [
        "Card payments declined at checkout",
        "Login page returns an internal error",
        "Los pedidos no se pueden pagar con tarjeta",
        "Unable to create new pull requests",
        "Elevated latency on API requests in Europe",
    ],
)
def test_a_title_that_says_what_fails_and_how_is_enough(matcher: Matcher, title: str) -> None:
    assessment = matcher.assess_title(title, ["Web"])
    assert assessment.specific
    assert assessment.lacks == ()


@pytest.mark.parametrize("title", ["Issue with system", "Störung", "Incident", "障害発生", "Проблемы"])
def test_a_title_that_says_nothing_lacks_both(matcher: Matcher, title: str) -> None:
    assessment = matcher.assess_title(title, ["Web"])
    assert not assessment.specific
    assert assessment.lacks == ("what fails", "how it shows")


@pytest.mark.parametrize("title", ["Issue with payments", "Probleme beim Login", "Database issues"])
def test_a_title_that_names_the_thing_alone_lacks_how_it_shows(matcher: Matcher, title: str) -> None:
    assert matcher.assess_title(title, ["Web"]).lacks == ("how it shows",)


def test_without_components_nobody_knows_where(matcher: Matcher) -> None:
    assessment = matcher.assess_title("Card payments declined at checkout")
    assert assessment.specific
    assert assessment.lacks == ("where",)


@pytest.mark.parametrize("title", ["", "\0", "\ud800", "x" * 100_000])
def test_any_title_is_assessed(matcher: Matcher, title: str) -> None:
    assert 0 <= matcher.assess_title(title).says_how <= 1
