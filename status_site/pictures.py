"""A tenant's pictures and colours as files of its page.

At an address with the digest of what stands there now, browsers keep them for good; at one without a digest, for a
while: a mail that was sent long ago shows the logo of today. A digest of before is not answered, nor kept: whoever
made them up could fill the memory that holds everybody's pages.
"""

from __future__ import annotations

from server.branding import digest_of, picture_bytes
from server.errors import NotFound
from server.pictures import PictureRole
from status_site.assets import FOR_A_WHILE, FOR_GOOD
from status_site.branding import sheet_of
from status_site.documents import Document
from status_site.view import View


async def picture(view: View, role: str, digest: str | None = None) -> Document:
    shown = view.snapshot.pictures.get(role)
    if shown is None or digest not in (None, shown.digest):
        raise NotFound(f"there is no such {role}")
    png = await picture_bytes(view.app, view.snapshot.tenant.id, PictureRole(role))
    return Document(png, "image/png", FOR_GOOD if digest else FOR_A_WHILE, cors=True)


async def colours(view: View, digest: str) -> Document:
    colour = view.snapshot.tenant.settings.brand_colour
    if colour is None or digest != digest_of(sheet_of(colour)):
        raise NotFound("these are not the colours of this page")
    return Document(sheet_of(colour), "text/css; charset=utf-8", FOR_GOOD)
