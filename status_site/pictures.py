"""A tenant's pictures and colours as files of its page.

Their addresses hold a digest. At the present one they are kept by browsers for good; an older one, in a mail or on
a page that was kept somewhere, answers what stands there now.
"""

from __future__ import annotations

from server.branding import picture_bytes
from server.errors import NotFound
from server.pictures import PictureRole
from status_site.assets import FOR_A_WHILE, FOR_GOOD
from status_site.branding import digest_of, sheet_of
from status_site.documents import Document
from status_site.view import View


async def picture(view: View, role: str, digest: str) -> Document:
    png = await picture_bytes(view.app, view.snapshot.tenant.id, PictureRole(role))
    return _file(png, "image/png", digest)


async def colours(view: View, digest: str) -> Document:
    colour = view.snapshot.tenant.settings.brand_colour
    if colour is None:
        raise NotFound("this page has no colours of its own")
    return _file(sheet_of(colour), "text/css; charset=utf-8", digest)


def _file(content: bytes, media_type: str, digest: str) -> Document:
    cache_control = FOR_GOOD if digest == digest_of(content) else FOR_A_WHILE
    return Document(content, media_type, cache_control, cors=True)
