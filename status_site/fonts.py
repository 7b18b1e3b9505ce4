"""The fonts that pictures are drawn with, which characters they have, and how wide a text becomes.

They come in packages, so a picture is the same on every machine. Chinese, Japanese and Korean need the extra
`cjk`: that font alone is larger than all others together.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

LATIN = ("fontpkg_noto_sans", "files/NotoSans[wdth,wght].ttf")
ARABIC = ("fontpkg_noto_sans_arabic", "files/NotoSansArabic[wdth,wght].ttf")
DEVANAGARI = ("fontpkg_noto_sans_devanagari", "files/NotoSansDevanagari[wdth,wght].ttf")
CJK = ("cvttf_NotoSansCJK_Medium", "NotoSansCJKtc-Medium.otf")

BLOCKS = (
    (0x0000, 0x052F, LATIN),
    (0x0600, 0x06FF, ARABIC),
    (0x0750, 0x077F, ARABIC),
    (0x0900, 0x097F, DEVANAGARI),
    (0x1E00, 0x206F, LATIN),
    (0x20A0, 0x20C0, LATIN),
    (0x2E80, 0x9FFF, CJK),
    (0xAC00, 0xD7AF, CJK),
    (0xFB50, 0xFDFF, ARABIC),
    (0xFE70, 0xFEFF, ARABIC),
    (0xFF00, 0xFFEF, CJK),
)


@cache
def font_files() -> list[str]:
    return [str(_path(font)) for font in (LATIN, ARABIC, DEVANAGARI, CJK) if _is_here(font)]


def can_draw(text: str) -> bool:
    """Whether there is a font for every character."""
    return all((font := _font_of(character)) is not None and _is_here(font) for character in text)


def width(text: str, size: int) -> float:
    """In pixels, nearly: kerning between two scripts is left out."""
    return sum(_measured(_font_of(word[0]) or LATIN, size).getlength(word) for word in _runs(text))


@lru_cache(maxsize=4096)
def lines_of(text: str, size: int, widest: float, most: int) -> tuple[str, ...]:
    """The text in lines that are not wider, broken between words or, without spaces, anywhere. The rest is cut.

    Remembered, because every page of a tenant names the same picture, and measuring is most of the work.
    """
    lines = [""]
    for part in text.split(" ") if " " in text else list(text):
        joined = f"{lines[-1]} {part}".strip() if " " in text else lines[-1] + part
        if lines[-1] and width(joined, size) > widest:
            lines.append(part)
        else:
            lines[-1] = joined
    shown = [_shortened(line, size, widest) for line in lines[:most]]
    if len(lines) > most:
        shown[-1] = _shortened(f"{shown[-1]}…", size, widest)
    return tuple(shown)


def _shortened(line: str, size: int, widest: float) -> str:
    while width(line, size) > widest:
        line = f"{line.removesuffix('…')[:-1]}…"
    return line


def _runs(text: str) -> list[str]:
    runs: list[str] = []
    for character in text:
        if runs and (_font_of(character) or LATIN) == (_font_of(runs[-1][-1]) or LATIN):
            runs[-1] += character
        else:
            runs.append(character)
    return runs


@cache
def _font_of(character: str) -> tuple[str, str] | None:
    code = ord(character)
    return next((font for first, last, font in BLOCKS if first <= code <= last), None)


@cache
def _is_here(font: tuple[str, str]) -> bool:
    return find_spec(font[0]) is not None


@cache
def _path(font: tuple[str, str]) -> Path:
    return Path(str(files(font[0]).joinpath(font[1])))


@cache
def _measured(font: tuple[str, str], size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_path(font if _is_here(font) else LATIN), size)
