"""Branding tools: what makes the status page the company's own; for its owner."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import BaseModel, Field

from server.branding import Branding, clear_picture, edit_branding, get_branding, set_picture, spoken_changes
from server.errors import Invalid
from server.pictures import PictureRole
from tools.desk import Desk, tenant_of
from tools.views import result

Role = Annotated[PictureRole, Field(description="`logo` in the page's header, `favicon` in the browser's tab")]


class BrandingView(BaseModel):
    title: str | None = None
    description: str | None = None
    colour: str | None = None
    home_url: str | None = None
    support_url: str | None = None
    logo_url: Annotated[str | None, Field(description="Where the logo is shown, as a PNG")] = None
    favicon_url: str | None = None


async def branding_get(ctx: Context[Desk]) -> Annotated[CallToolResult, BrandingView]:
    """Read how the status page looks: its title, description, colour, links, logo and favicon.

    Call it before `branding_update`. It says nothing of incidents or of the other settings. Returns what is set;
    what is left out is not.
    """
    return _shown(await get_branding(tenant_of(ctx)))


async def branding_update(
    ctx: Context[Desk],
    title: Annotated[str | None, Field(max_length=200, description="Empty: the tenant's name")] = None,
    description: Annotated[str | None, Field(max_length=500, description="Empty: none")] = None,
    colour: Annotated[str | None, Field(description="Such as `#34407f`; empty: Herald's own")] = None,
    home_url: Annotated[str | None, Field(description="The company's site, with https; empty: none")] = None,
    support_url: Annotated[str | None, Field(description="`https:` or `mailto:`; empty: none")] = None,
) -> Annotated[CallToolResult, BrandingView]:
    """Change the page's title, description, colour or links. What is left out stays.

    The colour is darkened or lightened as far as it must be to be readable, and never changes what states look
    like. For pictures use `branding_set_picture`, for everything else `page_settings_update`. Returns what is set.
    """
    changes = spoken_changes(
        title=title, description=description, colour=colour, home_url=home_url, support_url=support_url
    )
    return _shown(await edit_branding(tenant_of(ctx), changes))


async def branding_set_picture(
    ctx: Context[Desk],
    role: Role,
    data: Annotated[
        str, Field(max_length=350_000, description="The file in base64: PNG, JPEG, WebP or SVG, at most 250 KB")
    ],
) -> Annotated[CallToolResult, BrandingView]:
    """Show a logo or a favicon on the status page; the one before is replaced.

    Call it only with a file that the owner gave you; do not call it to draw one. An SVG has its text as outlines.
    Larger files go to `PUT /api/v1/branding/logo`. Returns what is set, with the picture's address.
    """
    try:
        upload = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise Invalid("data is no base64: encode the whole file") from error
    return _shown(await set_picture(tenant_of(ctx), role, upload))


async def branding_clear_picture(ctx: Context[Desk], role: Role) -> Annotated[CallToolResult, BrandingView]:
    """Take the logo or the favicon off the status page: the title, or Herald's icon, is shown instead.

    Call it when the owner wants none. Do not call it to replace a picture: `branding_set_picture` does that.
    Returns what is set.
    """
    return _shown(await clear_picture(tenant_of(ctx), role))


def _shown(branding: Branding) -> CallToolResult:
    return result(BrandingView.model_validate(branding.model_dump(include=set(BrandingView.model_fields))))
