"""What makes a page the tenant's own: logo, favicon, colour, title, description and where its links lead."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationError

from server.colours import Palette, palette_of
from server.config import Settings
from server.context import App, TenantContext
from server.errors import Invalid, NotFound
from server.links import page_url
from server.models import BrandPicture, Colour, ContactLink, Line, Model, Scope, TenantSettings, WebLink
from server.pictures import PictureRole, picture_of
from server.snapshots import Snapshot
from server.store import branding as rows
from server.tenants import edit_settings

DEFAULT_COLOUR = "#34407f"

SETTING_OF = {
    "title": "page_title",
    "description": "page_description",
    "colour": "brand_colour",
    "home_url": "home_url",
    "support_url": "support_url",
}


class BrandingChanges(Model):
    """What a caller says of the branding. What is left out stays; None takes it back."""

    title: Annotated[Line, Field(min_length=1, max_length=200)] | None = None
    description: Annotated[Line, Field(min_length=1, max_length=500)] | None = None
    colour: Colour | None = None
    home_url: WebLink | None = None
    support_url: ContactLink | None = None


class Branding(BrandingChanges):
    """The branding as it is."""

    logo: BrandPicture | None
    logo_url: str | None
    favicon: BrandPicture | None
    favicon_url: str | None


@dataclass(frozen=True)
class Brand:
    """What whoever shows the tenant elsewhere needs, such as a mail: a name, colours and an absolute address."""

    title: str
    home: str
    palette: Palette
    logo: BrandPicture | None
    logo_url: str | None
    """On the page's own address, without a digest: after the logo was replaced it shows the new one."""


def brand_of(settings: Settings, snapshot: Snapshot) -> Brand:
    chosen = snapshot.tenant.settings
    logo = snapshot.pictures.get(PictureRole.LOGO)
    home = page_url(settings, snapshot.tenant)
    return Brand(
        title=chosen.page_title or snapshot.tenant.name,
        home=home,
        palette=palette_of(chosen.brand_colour or DEFAULT_COLOUR),
        logo=logo,
        logo_url=f"{home}/brand/{PictureRole.LOGO}.png" if logo else None,
    )


def digest_of(content: bytes) -> str:
    """What makes the address of a page's own file new with every new content."""
    return hashlib.sha256(content).hexdigest()[:16]


def picture_path(picture: BrandPicture) -> str:
    """Where the page has it, below the page's base. The digest makes the address new with every new picture."""
    return f"/brand/{picture.role}-{picture.digest}.png"


async def get_branding(tenant: TenantContext) -> Branding:
    tenant.require(Scope.ADMIN)
    return _branding(tenant.app.settings, await tenant.app.snapshots.get(tenant.id))


async def edit_branding(tenant: TenantContext, changes: BrandingChanges) -> Branding:
    """Change what is given; the page follows at once."""
    given = {SETTING_OF[name]: value for name, value in changes.model_dump(exclude_unset=True).items()}
    if not given:
        raise Invalid(f"nothing would change: give {', '.join(SETTING_OF)}")
    await edit_settings(tenant, given)
    return await get_branding(tenant)


async def set_picture(tenant: TenantContext, role: PictureRole, upload: bytes) -> Branding:
    """Show the picture on the page. Raises Invalid for one that cannot be shown, saying what would do."""
    tenant.require(Scope.ADMIN)
    made = await asyncio.to_thread(picture_of, upload, role)
    picture = BrandPicture(
        role=role,
        digest=digest_of(made.png),
        width=made.width,
        height=made.height,
        reads_on_light=made.reads_on_light,
        reads_on_dark=made.reads_on_dark,
    )
    async with tenant.publish() as db:
        await rows.replace(db, tenant.id, picture, made.png)
        await tenant.audit(db, f"branding.set_{role}", tenant.id, digest=picture.digest)
    return await get_branding(tenant)


async def clear_picture(tenant: TenantContext, role: PictureRole) -> Branding:
    """Take the picture off the page. Raises NotFound if there is none."""
    tenant.require(Scope.ADMIN)
    async with tenant.publish() as db:
        if not await rows.delete(db, tenant.id, role):
            raise NotFound(f"there is no {role}: nothing was taken off the page")
        await tenant.audit(db, f"branding.clear_{role}", tenant.id)
    return await get_branding(tenant)


async def clear_branding(tenant: TenantContext) -> Branding:
    """Back to the tenant's name in Herald's own colours, without pictures, description and links."""
    await edit_settings(tenant, dict.fromkeys(SETTING_OF.values()))
    async with tenant.publish() as db:
        for role in PictureRole:
            await rows.delete(db, tenant.id, role)
        await tenant.audit(db, "branding.clear", tenant.id)
    return await get_branding(tenant)


async def picture_bytes(app: App, tenant_id: str, role: PictureRole) -> bytes:
    """The picture as PNG. Raises NotFound."""
    async with app.database.read() as db:
        png = await rows.png(db, tenant_id, role)
    if png is None:
        raise NotFound(f"there is no {role}")
    return png


def spoken_changes(**said: str | None) -> BrandingChanges:
    """What somebody says in words: what is None stays, an empty text takes it back. Raises as `read_changes`."""
    return read_changes({name: text or None for name, text in said.items() if text is not None})


def read_changes(given: dict[str, object]) -> BrandingChanges:
    """The changes, validated. Raises Invalid, naming the field that is wrong."""
    try:
        return BrandingChanges.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise Invalid(f"{place}: {problem['msg'].removeprefix('Value error, ')}") from error


def _branding(settings: Settings, snapshot: Snapshot) -> Branding:
    chosen: TenantSettings = snapshot.tenant.settings
    home = page_url(settings, snapshot.tenant)
    logo, favicon = (snapshot.pictures.get(role) for role in (PictureRole.LOGO, PictureRole.FAVICON))
    return Branding(
        title=chosen.page_title,
        description=chosen.page_description,
        colour=chosen.brand_colour,
        home_url=chosen.home_url,
        support_url=chosen.support_url,
        logo=logo,
        logo_url=f"{home}{picture_path(logo)}" if logo else None,
        favicon=favicon,
        favicon_url=f"{home}{picture_path(favicon)}" if favicon else None,
    )
