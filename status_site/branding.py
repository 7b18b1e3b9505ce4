"""A tenant's branding as its pages show it: the addresses of its pictures, and a style sheet for its colours.

The colours come as a sheet of the page's own, because the content security policy allows no inline styles. It says
nothing but the two properties for marks and buttons: states keep their colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from server.branding import digest_of, picture_path
from server.colours import palette_of
from server.models import BrandPicture
from server.pictures import PictureRole
from server.snapshots import Snapshot


@dataclass(frozen=True)
class Look:
    title: str
    base: str
    logo: BrandPicture | None
    favicon: BrandPicture | None
    sheet: str | None
    """The address of the style sheet with the tenant's colours, if it chose any."""
    home_url: str | None
    support_url: str | None

    def address(self, picture: BrandPicture) -> str:
        return f"{self.base}{picture_path(picture)}"

    @property
    def plate(self) -> str | None:
        """The class of a logo that stands out in one scheme alone: in the other it gets a plate behind it."""
        if self.logo is None or self.logo.reads_on_light is self.logo.reads_on_dark:
            return None
        return "plate-in-dark" if self.logo.reads_on_light else "plate-in-light"

    @property
    def home_name(self) -> str:
        return (urlsplit(self.home_url or "").hostname or "").removeprefix("www.")


def look_of(snapshot: Snapshot, base: str) -> Look:
    """How the pages that begin at this base look."""
    settings = snapshot.tenant.settings
    colour = settings.brand_colour
    return Look(
        title=settings.page_title or snapshot.tenant.name,
        base=base,
        logo=snapshot.pictures.get(PictureRole.LOGO),
        favicon=snapshot.pictures.get(PictureRole.FAVICON),
        sheet=f"{base}/brand/colours-{digest_of(sheet_of(colour))}.css" if colour else None,
        home_url=settings.home_url,
        support_url=settings.support_url,
    )


def sheet_of(colour: str) -> bytes:
    palette = palette_of(colour)
    return (
        f":root {{ --brand: light-dark({palette.light.colour}, {palette.dark.colour}); "
        f"--on-brand: light-dark({palette.light.ink}, {palette.dark.ink}); }}\n"
    ).encode()
