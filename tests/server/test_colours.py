"""A tenant's colour, whatever it is, becomes shades that can be read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.colours import DARK_GROUNDS, LIGHT_GROUNDS, contrast, palette_of

CHANNELS = st.integers(0, 255)


@settings(max_examples=500, deadline=None)
@given(st.tuples(CHANNELS, CHANNELS, CHANNELS))
def test_any_colour_of_the_cube_is_readable_in_both_schemes_and_so_is_the_text_on_it(
    channels: tuple[int, int, int],
) -> None:
    palette = palette_of("#{:02x}{:02x}{:02x}".format(*channels))

    for shade, grounds in ((palette.light, LIGHT_GROUNDS), (palette.dark, DARK_GROUNDS)):
        assert all(contrast(shade.colour, ground) >= 4.5 for ground in grounds)
        assert contrast(shade.ink, shade.colour) >= 4.5


def test_every_corner_edge_and_face_of_the_cube_is_readable() -> None:
    levels = [0, 51, 102, 118, 153, 204, 255]
    for colour in (f"#{r:02x}{g:02x}{b:02x}" for r in levels for g in levels for b in levels):
        palette = palette_of(colour)
        assert contrast(palette.light.colour, "#fbfaf7") >= 4.5, colour
        assert contrast(palette.dark.colour, "#1e1e24") >= 4.5, colour


def test_a_colour_that_is_readable_already_stays_as_it_is() -> None:
    assert palette_of("#34407f").light.colour == "#34407f"
    assert palette_of("#aab6f5").dark.colour == "#aab6f5"


def test_a_colour_is_darkened_no_further_than_it_needs() -> None:
    shade = palette_of("#ffcc00").light.colour

    assert 4.5 <= contrast(shade, "#fbfaf7") < 4.7
    assert shade[5:] == "00"  # still a yellow


@pytest.mark.parametrize(("one", "other", "ratio"), [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48)])
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
