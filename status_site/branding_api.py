"""The branding over HTTP, for its owner: read it, change it, and put a picture on the page."""

from __future__ import annotations

from litestar import Response, Router, delete, get, patch, put
from litestar.di import Provide
from litestar.params import FromPath

from server import branding
from server.branding import Branding
from server.context import TenantContext
from server.errors import Invalid
from server.models import Scope
from server.pictures import MAX_UPLOAD_BYTES, PictureRole
from status_site.bearer import REFUSALS, Caller, HttpRequest, caller_of

PATH = "/api/v1/branding"


async def owner_of(request: HttpRequest) -> TenantContext:
    """The tenant that the bearer's key owns. Raises 401 and 429, and Refused."""
    tenant = await caller_of(request)
    tenant.require(Scope.ADMIN)
    return tenant


@get()
async def show(tenant: Caller) -> Branding:
    """Title, description, colour and links, and where the pictures are."""
    return await branding.get_branding(tenant)


@patch()
async def change(tenant: Caller, request: HttpRequest) -> Branding:
    """Change what the JSON object names; null takes it back."""
    try:
        given = await request.json()
    except ValueError as error:
        raise Invalid("send a JSON object") from error
    if not isinstance(given, dict):
        raise Invalid("send a JSON object")
    return await branding.edit_branding(tenant, branding.read_changes(given))


@get("/{role:str}")
async def picture(tenant: Caller, role: FromPath[PictureRole]) -> Response[bytes]:
    """The picture as it is shown: a PNG, whatever was uploaded."""
    png = await branding.picture_bytes(tenant.app, tenant.id, role)
    return Response(png, media_type="image/png", headers={"Cache-Control": "no-store"})


@put("/{role:str}", status_code=200)
async def upload(tenant: Caller, request: HttpRequest, role: FromPath[PictureRole]) -> Branding:
    """Show the picture in the body, a PNG, JPEG, WebP or SVG, on the page."""
    return await branding.set_picture(tenant, role, await request.body())


@delete("/{role:str}", status_code=200)
async def clear(tenant: Caller, role: FromPath[PictureRole]) -> Branding:
    """Take the picture off the page."""
    return await branding.clear_picture(tenant, role)


ROUTER = Router(
    PATH,
    route_handlers=[show, change, picture, upload, clear],
    dependencies={"tenant": Provide(owner_of)},
    exception_handlers=REFUSALS,
    request_max_body_size=MAX_UPLOAD_BYTES,
)
