"""A tenant's colour made readable: shades of it that keep their contrast on our light and on our dark paper.

Contrast is that of WCAG 2.2 (1.4.3 and 1.4.11). A shade keeps the hue: for the light paper the colour is darkened
towards black, for the dark one lightened towards white, no further than its contrast needs.
"""

from __future__ import annotations

from dataclasses import dataclass

TEXT_CONTRAST = 4.5
LIGHT_GROUNDS = ("#fbfaf7", "#ffffff")
DARK_GROUNDS = ("#16161a", "#1e1e24")
"""What words stand on: the paper and the sheets of `status_site/static/herald.css`."""

WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Of red, green and blue in the luminance."""
LINEAR = tuple(
    channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
    for channel in (step / 255 for step in range(256))
)
"""The light of each of a channel's 256 steps."""

BLACK, WHITE = "#000000", "#ffffff"
STEPS = 255

Channels = tuple[int, int, int]


@dataclass(frozen=True)
class Shade:
    colour: str
    """Readable on every ground of its scheme."""
    ink: str
    """Readable on `colour`."""


@dataclass(frozen=True)
class Palette:
    light: Shade
    dark: Shade


def palette_of(colour: str) -> Palette:
    """The two shades of `#rrggbb` that the page, mail and pictures use."""
    light = _shade(colour, BLACK, LIGHT_GROUNDS)
    dark = _shade(colour, WHITE, DARK_GROUNDS)
    return Palette(Shade(light, _ink_on(light)), Shade(dark, _ink_on(dark)))


def contrast(one: str, other: str) -> float:
    """From 1, no contrast at all, to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it: 0 is black, 1 is white."""
    return sum(weight * LINEAR[channel] for weight, channel in zip(WEIGHTS, _channels(colour), strict=True))


def _shade(colour: str, towards: str, grounds: tuple[str, ...]) -> str:
    """The first step on the way that is readable. At its end, black or white, every colour is."""
    steps = (_mixed(colour, towards, step / STEPS) for step in range(STEPS + 1))
    return next(mixed for mixed in steps if all(contrast(mixed, ground) >= TEXT_CONTRAST for ground in grounds))


def _ink_on(colour: str) -> str:
    """White or black: one of the two has a contrast of at least 4.58 to any colour."""
    return max((WHITE, BLACK), key=lambda ink: contrast(ink, colour))


def _mixed(colour: str, other: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(other), strict=True)
    red, green, blue = (round(one + (two - one) * share) for one, two in pairs)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _channels(colour: str) -> Channels:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
