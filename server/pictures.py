"""Turns an uploaded picture into a small PNG of ours, or says why not. No byte of the upload is ever served.

PNG, JPEG and WebP are decoded by Pillow and encoded again, so what they carry besides pixels is gone. An SVG,
which can hold scripts, is drawn once by resvg, in a process with limits.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from server.colours import DARK_GROUNDS, LIGHT_GROUNDS, LINEAR, WEIGHTS, luminance
from server.errors import Invalid, Unavailable

MAX_UPLOAD_BYTES = 1024 * 1024
MAX_PIXELS = 16_000_000
MAX_KEPT_BYTES = 32 * 1024
"""A page with its pictures stays light: above this, the number of colours is reduced."""
FORMATS = ("PNG", "JPEG", "WEBP")
DRAWING_SECONDS = 10
HARDLY_VISIBLE = 2.0
LOST_SHARE = 0.25

SVG = "{http://www.w3.org/2000/svg}"
EMBEDDING = ("image", "feImage", "foreignObject")


class PictureRole(StrEnum):
    """What a tenant's picture is for."""

    LOGO = "logo"
    FAVICON = "favicon"


SIZES = {PictureRole.LOGO: (480, 128), PictureRole.FAVICON: (180, 180)}
"""The largest that is kept: sharp on dense screens at the size at which it is shown."""


@dataclass(frozen=True)
class Picture:
    png: bytes
    width: int
    height: int
    reads_on_light: bool
    reads_on_dark: bool
    """Whether its outline stands out from our paper. An opaque picture brings its own ground."""


def picture_of(upload: bytes, role: PictureRole) -> Picture:
    """The upload as we keep it. Slow: call it in a thread. Raises Invalid, saying what would do."""
    if not upload:
        raise Invalid("the file is empty: send a PNG, JPEG, WebP or SVG")
    if len(upload) > MAX_UPLOAD_BYTES:
        raise Invalid(f"the file has {len(upload):,} bytes: at most {MAX_UPLOAD_BYTES:,} are taken")
    size = SIZES[role]
    png = _drawn(upload, size) if upload.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else upload
    image = _fitted(_decoded(png), size)
    if role is PictureRole.FAVICON:
        image = ImageOps.pad(image, (max(image.size),) * 2, color=(0, 0, 0, 0))
    return Picture(
        png=_encoded(image),
        width=image.width,
        height=image.height,
        reads_on_light=_stands_out(image, LIGHT_GROUNDS[0]),
        reads_on_dark=_stands_out(image, DARK_GROUNDS[0]),
    )


def _decoded(upload: bytes) -> Image.Image:
    """Its first frame. The size is known from the header: nothing larger than allowed is ever decoded."""
    try:
        with Image.open(BytesIO(upload), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Invalid(
                    f"the picture has {image.width} × {image.height} pixels: at most 16 million are taken"
                )
            return ImageOps.exif_transpose(image).convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Invalid("the picture has too many pixels: at most 16 million are taken") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what Pillow raises for what it cannot read
        raise Invalid("this is no PNG, JPEG, WebP or SVG that can be read: save it again and retry") from error


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.width <= size[0] and image.height <= size[1]:
        return image
    return ImageOps.contain(image, size)


def _encoded(image: Image.Image) -> bytes:
    png = _png(image)
    return png if len(png) <= MAX_KEPT_BYTES else _png(image.quantize(256, Image.Quantize.FASTOCTREE))


def _png(image: Image.Image) -> bytes:
    out = BytesIO()
    image.info = {}
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _stands_out(image: Image.Image, ground: str) -> bool:
    """Whether most of the outline, where the picture meets what is behind it, has a contrast to that ground."""
    opaque = image.getchannel("A").point(lambda alpha: 255 if alpha >= 128 else 0)
    inside = opaque.filter(ImageFilter.MinFilter(3))
    outline = np.asarray(opaque, bool) & ~np.asarray(inside, bool)
    if not outline.any():
        return True
    light = np.asarray(LINEAR)[np.asarray(image.convert("RGB"))[outline]] @ WEIGHTS
    behind = luminance(ground)
    contrasts = (np.maximum(light, behind) + 0.05) / (np.minimum(light, behind) + 0.05)
    return bool((contrasts < HARDLY_VISIBLE).mean() < LOST_SHARE)


def _drawn(upload: bytes, size: tuple[int, int]) -> bytes:
    """The SVG as PNG, as large as fits."""
    drawing = _checked_svg(upload)
    width, height = _proportions(drawing)
    wide = width * size[1] >= height * size[0]
    target = (str(size[0]), "0") if wide else ("0", str(size[1]))
    program = [sys.executable, "-I", str(Path(__file__).with_name("rasterise.py")), *target]
    try:
        done = subprocess.run(  # noqa: S603 - our own program, with two numbers
            program, input=Xml.tostring(drawing), capture_output=True, timeout=DRAWING_SECONDS, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable("drawing the SVG took too long: upload a PNG of it, or try again") from error
    except subprocess.CalledProcessError as error:
        raise Invalid("the SVG cannot be drawn, or asks for too much: upload a PNG of it") from error
    return done.stdout


def _checked_svg(upload: bytes) -> Xml.Element:
    """Raises Invalid for what is no SVG and for one that refers to anything outside itself."""
    if b"<!DOCTYPE" in upload or b"<!ENTITY" in upload or b"\x00" in upload:  # entities can grow without bounds
        raise Invalid("the SVG has a document type: remove the line with <!DOCTYPE")
    try:
        root = Xml.fromstring(upload)  # noqa: S314 - without a document type there are no entities
    except (Xml.ParseError, ValueError, LookupError) as error:
        raise Invalid(f"the SVG is not well formed: {error}") from error
    if root.tag != f"{SVG}svg":
        raise Invalid("this is no SVG: its first element must be <svg xmlns='http://www.w3.org/2000/svg'>")
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag.rpartition("}")[2] in EMBEDDING:
            raise Invalid("the SVG embeds a picture or a page: upload that picture itself, or a PNG of the whole")
        if element.tag in (f"{SVG}text", f"{SVG}tspan"):
            raise Invalid("the SVG has text, whose fonts are not here: convert its text to outlines")
    return root


def _proportions(root: Xml.Element) -> tuple[float, float]:
    box = (root.get("viewBox") or "").replace(",", " ").split()
    sides = (
        box[2:]
        if len(box) == 4
        else [root.get("width", "").removesuffix("px"), root.get("height", "").removesuffix("px")]
    )
    try:
        width, height = (float(side) for side in sides)
    except ValueError:
        width = height = 0
    if not (0 < width < 1e6 and 0 < height < 1e6 and 1 / 50 < width / height < 50):
        raise Invalid(
            "give the SVG a viewBox, such as viewBox='0 0 240 64', that is not over 50 times as long as wide"
        )
    return width, height
