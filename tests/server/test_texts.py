"""The texts of every language: complete, with the same parameters, in the plural forms that the language has."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from server import texts
from server.texts import choose, text

SEVENTEEN = "ar de en es fr hi id it ja ko nl pl pt-BR ru tr uk zh-CN".split(" ")  # noqa: SIM905 - short to read
SAME_EVERYWHERE = {"page.overall.named", "page.bars.day"}
"""Only parameters and punctuation: English will do."""


def known(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(files("server.texts").joinpath(f"{language}.json").read_text("utf-8"))
    return {key: value for key, value in found.items() if key.startswith("page.")}


def stem(key: str) -> str:
    return re.sub(r"\.(zero|one|two|few|many|other)$", "", key)


def test_there_are_the_seventeen_languages() -> None:
    assert list(texts.languages()) == SEVENTEEN


@pytest.mark.parametrize("language", SEVENTEEN)
def test_a_language_has_every_text_of_the_page(language: str) -> None:
    assert {stem(key) for key in known("en")} - {stem(key) for key in known(language)} <= SAME_EVERYWHERE


@pytest.mark.parametrize("language", SEVENTEEN)
def test_a_text_has_the_parameters_of_the_english_one_and_no_html(language: str) -> None:
    english = {stem(key): set(re.findall(r"\{\w+\}", value)) for key, value in known("en").items()}
    for key, value in known(language).items():
        assert set(re.findall(r"\{\w+\}", value)) == english[stem(key)], key
        assert not re.search(r"[<>&]", value), key


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "4 components"),
        ("ru", "4 компонента"),
        ("pl", "4 komponenty"),
        ("ar", "4 مكوّنات"),
        ("ja", "4 個のコンポーネント"),
    ],
)
def test_a_count_takes_the_form_that_its_language_has(language: str, said: str) -> None:
    assert text("page.components.count", language, count=4) == said


def test_a_language_without_texts_reads_english_and_an_unknown_key_fails() -> None:
    assert text("page.active", "sw") == "Active incidents"
    with pytest.raises(KeyError):
        text("page.nothing", "de")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9", "de"),
        ("pt-PT", "pt-BR"),
        ("zh-Hans-CN", "zh-CN"),
        ("sw, fr;q=0.5", "fr"),
        ("fr;q=0.2, es;q=0.7", "es"),
        ("de;q=0, nl;q=0.1", "nl"),
        ("*", "en"),
        ("de;q=nonsense, it", "it"),
        ("x" * 10_000, "en"),
    ],
)
def test_the_reader_gets_the_language_they_prefer(header: str, language: str) -> None:
    assert choose(header) == language


def test_the_tenants_language_is_taken_where_the_reader_names_none_of_ours() -> None:
    assert choose("sw", "de-CH") == "de"
