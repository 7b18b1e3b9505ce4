"""The branding over HTTP, for its owner: read it, change it, and put a picture on the page."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, delete, get, patch, put
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.params import FromPath, SkipValidation

from server import branding
from server.branding import Branding
from server.context import App, TenantContext
from server.errors import HeraldError, Invalid
from server.models import Scope
from server.pictures import MAX_UPLOAD_BYTES, PictureRole
from status_site.refusals import headers_of, status_of

PATH = "/api/v1/branding"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="herald"'}

HttpRequest = Request[Any, Any, State]
Caller = NamedDependency[SkipValidation[TenantContext]]  # it is ours: no input to look into


async def owner_of(request: HttpRequest) -> TenantContext:
    """The tenant whose owner's key the bearer has. Raises 401, and Refused for a key that lacks the scope."""
    app: App = request.app.state.app
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    holder = await app.keyring.holder(secret.strip()) if kind.lower() == "bearer" else None
    if holder is None:
        raise NotAuthorizedException("send `Authorization: Bearer` with an admin key", headers=CHALLENGE)
    tenant = TenantContext(app, holder.tenant_id, holder.actor)
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


def _refusal(_: HttpRequest, error: HeraldError) -> Response[dict[str, str]]:
    return Response({"error": str(error)}, status_code=status_of(error), headers=headers_of(error))


def _http_error(_: HttpRequest, error: HTTPException) -> Response[dict[str, str]]:
    return Response({"error": error.detail}, status_code=error.status_code, headers=error.headers)


ROUTER = Router(
    PATH,
    route_handlers=[show, change, picture, upload, clear],
    dependencies={"tenant": Provide(owner_of)},
    exception_handlers={HeraldError: _refusal, HTTPException: _http_error},
    request_max_body_size=MAX_UPLOAD_BYTES,
)
