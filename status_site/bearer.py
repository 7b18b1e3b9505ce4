"""Whom the bearer's key or panel token lets in, and how often: for the routes that other programs call."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, NotAuthorizedException, TooManyRequestsException
from litestar.params import SkipValidation

from server import panels
from server.context import App, TenantContext
from server.errors import HeraldError
from server.rates import RateLimit
from status_site.refusals import headers_of, status_of

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="herald"'}

HttpRequest = Request[Any, Any, State]
Caller = NamedDependency[SkipValidation[TenantContext]]  # it is ours: no input to look into


def secret_of(request: HttpRequest) -> str:
    """What the request carries as a key or a panel token. Raises 401."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    if kind.lower() != "bearer" or not secret:
        raise NotAuthorizedException("send `Authorization: Bearer` with a key or a panel token", headers=CHALLENGE)
    return secret


async def caller_of(request: HttpRequest) -> TenantContext:
    """The tenant that the bearer may act for. Raises 401, or 429 for who calls too often."""
    app: App = request.app.state.app
    secret = secret_of(request)
    if panels.is_panel_token(secret):
        holder = await panels.holder_of(app, secret)
    else:
        holder = await app.keyring.holder(secret)
    if holder is None:
        raise NotAuthorizedException(
            "this key is unknown or revoked, or this token has expired", headers=CHALLENGE
        )
    rates: RateLimit = request.app.state.rates
    # the agents behind a desk's key are counted one by one: the host names them when it mints their tokens
    wait = rates.wait_seconds(f"{holder.actor.id} {holder.actor.name}")
    if wait:
        raise TooManyRequestsException(
            f"more than {rates.per_minute} requests a minute: wait {wait} s", headers={"Retry-After": str(wait)}
        )
    return TenantContext(app, holder.tenant_id, holder.actor)


def _refusal(_: HttpRequest, error: HeraldError) -> Response[dict[str, Any]]:
    return Response({"error": str(error)}, status_code=status_of(error), headers=headers_of(error))


def _http_error(_: HttpRequest, error: HTTPException) -> Response[dict[str, Any]]:
    said: dict[str, Any] = {"error": error.detail}
    if isinstance(error.extra, list):
        said["problems"] = error.extra
    return Response(said, status_code=error.status_code, headers=error.headers)


REFUSALS: dict[Any, Any] = {HeraldError: _refusal, HTTPException: _http_error}
"""How refusals read to a program: a status and a sentence, as JSON."""
