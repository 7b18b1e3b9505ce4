"""The colours of the style sheet keep their contrast (WCAG 2.2: 1.4.3 and 1.4.11), in light and in dark."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

SHEET = files("status_site").joinpath("static", "herald.css").read_text("utf-8")
STATES = ("operational", "maintenance", "degraded", "partial_outage", "major_outage")
WORDS = ("ink", "soft", "brand", *STATES)
SHAPES = ("edge", *(f"bar-{state}" for state in (*STATES, "unknown")))


def colours(dark: bool) -> dict[str, str]:
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", SHEET)
    return {name: after if dark else before for name, before, after in pairs}


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("ground", ["paper", "sheet"])
@pytest.mark.parametrize(
    ("name", "least"), [*((word, 4.5) for word in WORDS), *((shape, 3.0) for shape in SHAPES)]
)
def test_a_colour_stands_out_from_what_is_behind_it(name: str, least: float, ground: str, dark: bool) -> None:
    found = colours(dark)

    assert contrast(found[name], found[ground]) >= least


def test_bars_tell_states_apart_by_height_as_well_as_by_colour() -> None:
    heights = [int(one) for one in re.findall(r"\.bars \.\w+_?\w*::before \{ block-size: (\d+)%", SHEET)]

    assert heights == sorted(heights)
    assert len(set(heights)) == len(STATES) - 1  # maintenance is as low as operational, and striped
