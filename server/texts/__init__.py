"""What people read, outside the code: flat JSON files, one per language, with `{parameters}` and plural forms.

A key that a language lacks is read in English. A text that counts has one key per plural category of its language
(`page.days.one`, `page.days.other`, …; Unicode CLDR says which) and is asked for by its stem with `count=`.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from babel import Locale
from babel.dates import get_timezone_gmt, get_timezone_name
from babel.numbers import format_decimal

ENGLISH = "en"


@cache
def languages() -> tuple[str, ...]:
    """The languages there are texts in, as BCP 47 tags, in alphabetical order."""
    found = (file.name for file in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in found if name.endswith(".json")))


def text(key: str, language: str = ENGLISH, **values: Any) -> str:
    """The text of that key in that language, or in English where the language or the key is missing.

    Whole numbers are written as the language writes them. Raises KeyError for a key that English lacks too.
    """
    for candidate in (language, ENGLISH):
        found = _find(key, candidate, values.get("count"))
        if found is not None:
            return found.format_map(_written(values, candidate))
    raise KeyError(key)


@lru_cache(maxsize=1024)
def choose(accept_language: str, default: str = ENGLISH) -> str:
    """The language of ours that an Accept-Language header (RFC 9110 §12.5.4) prefers, else the default."""
    for wanted in _preferences(accept_language):
        found = closest(wanted)
        if found is not None:
            return found
    return closest(default) or ENGLISH


@lru_cache(maxsize=1024)
def closest(tag: str) -> str | None:
    """Our language for a tag: itself, without its region, or another region of the same language."""
    known = {language.lower(): language for language in languages()}
    folded = tag.strip().lower()
    base = folded.split("-")[0]
    regional = (language for language in known if language.split("-")[0] == base)
    return known.get(folded) or known.get(base) or known.get(next(regional, ""))


def zone(moment: datetime, language: str) -> str:
    """What people call the moment's time zone, such as `CET`; its distance from GMT where they have no name."""
    short = get_timezone_name(moment, width="short", locale=locale(language))
    return get_timezone_gmt(moment, "long", locale=locale(language)) if short[0] in "+-" else short


@cache
def locale(language: str) -> Locale:
    """What Babel knows of the language: its plurals, dates, numbers and direction."""
    return Locale.parse(language, sep="-")


def _preferences(header: str) -> list[str]:
    """Language tags by falling weight; those of weight 0 are refused, malformed ones ignored."""
    weighted = []
    for part in header[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if tag and tag != "*" and weight > 0:
            weighted.append((weight, tag))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]


def _find(key: str, language: str, count: int | None) -> str | None:
    known = _texts(language)
    if count is not None:
        counted = known.get(f"{key}.{locale(language).plural_form(count)}", known.get(f"{key}.other"))
        if counted is not None:
            return counted
    return known.get(key)


def _written(values: dict[str, Any], language: str) -> dict[str, Any]:
    return {
        name: format_decimal(value, locale=locale(language)) if isinstance(value, int) else value
        for name, value in values.items()
    }


@cache
def _texts(language: str) -> dict[str, str]:
    if language not in languages():
        return {}
    found: dict[str, str] = json.loads(files(__name__).joinpath(f"{language}.json").read_text("utf-8"))
    return found
