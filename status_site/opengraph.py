"""The picture that other sites show beside a link to the page (Open Graph): whose it is, and how everything is.

Drawn by resvg from an SVG of ours, which says everything that the picture shows; its digest is in the address. It
is in the tenant's own language: those who fetch it do not say which one they read.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import resvg_py
from markupsafe import Markup

from server import texts
from server.branding import brand_of, digest_of, picture_bytes
from server.errors import NotFound
from server.models import BrandPicture, ComponentState
from server.pictures import PictureRole
from status_site import fonts
from status_site.assets import FOR_A_WHILE, FOR_GOOD
from status_site.documents import Document
from status_site.reader import Reader
from status_site.render import sentence

if TYPE_CHECKING:
    from status_site.view import View

WIDTH, HEIGHT = 1200, 630
MARGIN = 80
SENTENCE_SIZE, NAME_SIZE, SMALL_SIZE = 64, 44, 30
MOST_LINES = 4
LOGO_BOX = (480, 96)
PAPER, INK, SOFT = "#fbfaf7", "#1b1a17", "#5d5a52"
PLATE, PLATE_EDGE = "#16161a", 20
RIGHT_TO_LEFT, END = "\u202b", "\u202c"
STATES = {
    ComponentState.OPERATIONAL: "#1b6e43",
    ComponentState.MAINTENANCE: "#2b55a8",
    ComponentState.DEGRADED: "#8a5a00",
    ComponentState.PARTIAL_OUTAGE: "#a8480b",
    ComponentState.MAJOR_OUTAGE: "#b3231c",
}


async def card(view: View, digest: str | None = None) -> Document:
    """Raises NotFound for the digest of another picture than that of now."""
    drawing = drawing_of(view)
    if digest not in (None, digest_of(drawing.encode())):
        raise NotFound("this picture is not of now")
    png = await asyncio.to_thread(_drawn, drawing.replace(_LOGO, await _logo(view)))
    return Document(png, "image/png", FOR_GOOD if digest else FOR_A_WHILE, cors=True)


def card_path(view: View) -> str:
    """Where the picture of now is, below the page's base."""
    return f"/brand/card-{digest_of(drawing_of(view).encode())}.png"


def drawing_of(view: View) -> str:
    """The picture as SVG, with a placeholder for the pixels of the logo. What no font has is said otherwise."""
    brand = brand_of(view.app.settings, view.snapshot)
    home = urlsplit(brand.home)
    place = f"{home.netloc}{home.path}"
    said = sentence(_reader(view), view.page)
    if not fonts.can_draw(said):
        said = sentence(Reader(texts.ENGLISH, base=""), view.page)
    if not fonts.can_draw(said):  # names of components, in yet another script
        said = Reader(texts.ENGLISH, base="").state(view.page.overall)
    rtl = _reader(view).direction == "rtl"
    lines = fonts.lines_of(said, SENTENCE_SIZE, WIDTH - 2 * MARGIN - 110, MOST_LINES)
    title = brand.title if fonts.can_draw(brand.title) else place
    top = 330 - (len(lines) - 1) * SENTENCE_SIZE * 0.62
    parts = [
        Markup('<rect width="{}" height="{}" fill="{}"/>').format(WIDTH, HEIGHT, PAPER),
        Markup('<rect width="{}" height="20" fill="{}"/>').format(WIDTH, brand.palette.light.colour),
        _image(brand.logo, rtl=rtl) if brand.logo else _text(title, 140, NAME_SIZE, INK, rtl=rtl, weight=600),
        _mark(view.page.overall, top - 22, rtl=rtl),
        *(
            _text(line, top + place_of_line * SENTENCE_SIZE * 1.25, SENTENCE_SIZE, INK, rtl=rtl, inset=110)
            for place_of_line, line in enumerate(lines)
        ),
        _text(fonts.lines_of(place, SMALL_SIZE, WIDTH - 2 * MARGIN, 1)[0], 560, SMALL_SIZE, SOFT, rtl=rtl),
    ]
    size = Markup('width="{0}" height="{1}" viewBox="0 0 {0} {1}"').format(WIDTH, HEIGHT)
    svg = Markup('<svg xmlns="http://www.w3.org/2000/svg" {}>{}</svg>').format(size, Markup("").join(parts))
    return str(svg)


_LOGO = "data:image/png;base64,"


async def _logo(view: View) -> str:
    if PictureRole.LOGO not in view.snapshot.pictures:
        return _LOGO
    png = await picture_bytes(view.app, view.snapshot.tenant.id, PictureRole.LOGO)
    return _LOGO + b64encode(png).decode()


def _reader(view: View) -> Reader:
    return Reader(texts.choose("", view.snapshot.tenant.settings.default_language), base="")


def _image(logo: BrandPicture, *, rtl: bool) -> Markup:
    """On a plate, if it was drawn for dark paper alone. Its digest is in the drawing; its pixels come later."""
    scale = min(LOGO_BOX[0] / logo.width, LOGO_BOX[1] / logo.height)
    width, height = round(logo.width * scale), round(logo.height * scale)
    needs_plate = logo.reads_on_dark and not logo.reads_on_light
    edge = PLATE_EDGE if needs_plate else 0
    left = WIDTH - MARGIN - edge - width if rtl else MARGIN + edge
    plate = Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="12" fill="{}"/>').format(
        left - edge, 80 - edge, width + 2 * edge, height + 2 * edge, PLATE if needs_plate else "none"
    )
    image = Markup('<image id="logo-{}" x="{}" y="80" width="{}" height="{}" href="{}"/>')
    return plate + image.format(logo.digest, left, width, height, _LOGO)


def _mark(state: ComponentState, middle: float, *, rtl: bool) -> Markup:
    """A tick where all is well, an exclamation mark where it is not."""
    centre = WIDTH - MARGIN - 36 if rtl else MARGIN + 36
    sign = "M-16 1l11 11 21-23" if state is ComponentState.OPERATIONAL else "M0-20v24M0 16v2"
    return Markup(
        '<g transform="translate({} {})"><circle r="36" fill="{}"/>'
        '<path d="{}" fill="none" stroke="#fff" stroke-width="8" stroke-linecap="round" stroke-linejoin="round"/>'
        "</g>"
    ).format(centre, middle, STATES[state], sign)


def _text(
    text: str, baseline: float, size: int, colour: str, *, rtl: bool, inset: int = 0, weight: int = 400
) -> Markup:
    x, anchor = (WIDTH - MARGIN - inset, "end") if rtl else (MARGIN + inset, "start")
    text = f"{RIGHT_TO_LEFT}{text}{END}" if rtl and not text.isascii() else text  # a drawing has no direction
    return Markup(
        '<text x="{}" y="{}" font-family="Noto Sans" font-size="{}" font-weight="{}" fill="{}" text-anchor="{}">'
        "{}</text>"
    ).format(x, baseline, size, weight, colour, anchor, text)


def _drawn(drawing: str) -> bytes:
    png: bytes = resvg_py.svg_to_bytes(
        svg_string=drawing, width=WIDTH, height=HEIGHT, skip_system_fonts=True, font_files=fonts.font_files()
    )
    return png
