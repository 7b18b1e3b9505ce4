"""Uploaded pictures: what is taken, what is refused, and that nothing of the upload itself is kept."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from server.errors import Invalid
from server.pictures import MAX_KEPT_BYTES, MAX_UPLOAD_BYTES, Picture, PictureRole, picture_of

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" {XLINK} viewBox="0 0 240 64">{{}}</svg>'


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def lettering(colour: str, size: tuple[int, int] = (240, 64)) -> bytes:
    """Thin strokes on nothing, as in a logo that is a name."""
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for left in range(10, size[0] - 10, 20):
        draw.rectangle((left, 10, left + 8, size[1] - 10), fill=colour)
    return encoded(image)


def logo(upload: bytes) -> Picture:
    return picture_of(upload, PictureRole.LOGO)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_becomes_a_png_that_fits_the_page(kind: str) -> None:
    made = logo(encoded(Image.new("RGB", (2400, 320), "#336699"), kind))

    with Image.open(BytesIO(made.png)) as image:
        assert (image.format, image.size) == ("PNG", (480, 64))
    assert (made.width, made.height) == (480, 64)


def test_what_a_file_carries_besides_pixels_is_gone() -> None:
    photo = Image.new("RGB", (64, 64), "red")
    exif = photo.getexif()
    exif[0x010E] = "Taken at the home of the owner"

    made = logo(encoded(photo, "JPEG", exif=exif, comment=b"the secret comment"))

    assert b"owner" not in made.png
    assert b"secret" not in made.png
    with Image.open(BytesIO(made.png)) as image:
        assert not image.getexif()
        assert image.info == {}


def test_a_picture_full_of_noise_is_kept_small() -> None:
    noise = Image.effect_noise((480, 128), 80).convert("RGB")

    assert len(logo(encoded(noise)).png) <= 2 * MAX_KEPT_BYTES


def test_a_favicon_is_made_square() -> None:
    made = picture_of(lettering("black"), PictureRole.FAVICON)

    assert made.width == made.height == 180


def test_an_svg_is_drawn_and_never_kept() -> None:
    made = logo(SVG.format('<script>alert(1)</script><rect width="240" height="64" fill="#c00"/>').encode())

    assert made.png.startswith(b"\x89PNG")
    assert b"script" not in made.png
    assert (made.width, made.height) == (480, 128)
    with Image.open(BytesIO(made.png)) as image:
        assert image.getpixel((240, 64)) == (204, 0, 0, 255)


@pytest.mark.parametrize(
    ("upload", "said"),
    [
        (b"", "empty"),
        (b"GIF89a" + b"\0" * 40, "no PNG, JPEG, WebP or SVG"),
        (encoded(Image.new("RGB", (64, 64)))[:-30], "no PNG, JPEG, WebP or SVG"),
        (b"x" * (MAX_UPLOAD_BYTES + 1), "1,048,577 bytes"),
        (b"<html><body>hello</body></html>", "no SVG"),
        (b"<svg", "not well formed"),
        (SVG.format("<rect/>").replace("viewBox", "data-box").encode(), "viewBox"),
        (SVG.format("<rect/>").replace("240", "999999").encode(), "50 times"),
        (SVG.format("<text>Acme</text>").encode(), "outlines"),
        (SVG.format('<image xlink:href="file:///etc/hostname"/>').encode(), "embeds a picture"),
        (SVG.format('<foreignObject width="9" height="9"/>').encode(), "embeds a picture"),
        (b'<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG.format("&a;").encode(), "document type"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_with_what_would_do(upload: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        logo(upload)


def test_a_small_file_that_would_unpack_to_gigabytes_is_refused_from_its_header() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    side = (30_000).to_bytes(4, "big")
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", side + side + b"\x08\x02\0\0\0") + chunk(b"IDAT", zlib.compress(b""))
    )

    with pytest.raises(Invalid, match="at most 16 million"):
        logo(bomb)


@pytest.mark.slow
def test_an_svg_that_draws_itself_over_and_over_is_stopped() -> None:
    doubled = "".join(
        f'<g id="g{n}">' + f'<use xlink:href="#g{n - 1}"/>' * 10 + "</g>" for n in range(1, 12)
    )  # fmt: skip
    drawing = f'<defs><g id="g0"><circle r="9"/></g>{doubled}</defs><use xlink:href="#g11"/>'

    with pytest.raises(Invalid, match="asks for too much"):
        logo(SVG.format(drawing).encode())


@pytest.mark.parametrize(
    ("upload", "on_light", "on_dark"),
    [
        (lettering("#111111"), True, False),
        (lettering("#ffffff"), False, True),
        (lettering("#d03030"), True, True),
        (encoded(Image.new("RGB", (100, 40), "#000000")), True, True),  # it brings its own ground
    ],
)
def test_it_is_known_on_which_paper_a_logo_can_be_seen(upload: bytes, on_light: bool, on_dark: bool) -> None:
    made = logo(upload)

    assert (made.reads_on_light, made.reads_on_dark) == (on_light, on_dark)


def test_the_program_that_draws_reads_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.svg"
    secret.write_text(SVG.format('<rect width="240" height="64" fill="#c00"/>'))
    drawing = SVG.format(f'<rect width="240" height="64" fill="white"/><use xlink:href="{secret}"/>')

    with Image.open(BytesIO(logo(drawing.encode()).png)) as image:
        assert image.getpixel((240, 64)) == (255, 255, 255, 255)
