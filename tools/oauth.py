"""Access tokens of an OAuth 2.1 authorization server: whom one lets in (RFC 9068), where one is got (RFC 9728).

Herald is a resource server and nothing else: it issues no token, keeps none and passes none on.
"""

from __future__ import annotations

import hashlib
from typing import Any

import jwt

from server.config import Settings
from server.context import Actor, App
from server.errors import HeraldError, NotFound
from server.keys import MAX_NAME, Holder
from server.models import Scope, Tenant, one_line
from tools.oauth_keys import IssuerKeys

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a pair of keys: with `none` or a shared secret anybody could sign (RFC 8725, 2.1)."""
TYPES = ("at+jwt", "application/at+jwt", "jwt")
LEEWAY_SECONDS = 30
METADATA_PATH = "/.well-known/oauth-protected-resource"
OFFERED = (Scope.AGENT, Scope.OPERATOR, Scope.ADMIN)
"""What a client may ask for. The Sidekick has no tools."""


class NotAdmitted(HeraldError):
    """A token opens nothing. `code` is the kind, in the words of RFC 6750, section 3.1."""

    def __init__(self, message: str, code: str = "invalid_token") -> None:
        super().__init__(message)
        self.code = code


class AccessTokens:
    """Recognises the tokens of one authorization server that were made for this server."""

    def __init__(self, app: App, issuer: str) -> None:
        self._app = app
        self._issuer = issuer
        self._settings = app.settings
        self._audience = app.settings.oauth_audience or resource(app.settings)
        self._keys = IssuerKeys(issuer, app.settings.oauth_jwks_url, app.clock)

    async def holder(self, token: str) -> Holder:
        """Whom the token lets in, and with which scopes. Raises NotAdmitted, or Unavailable without the keys."""
        claims = await self._claims(token)
        tenant = await self._tenant(claims)
        scopes = granted(claims, self._settings.oauth_scope_prefix)
        if not scopes:
            wanted = " ".join(offered(self._settings))
            raise NotAdmitted(f"the token has none of the scopes {wanted}", "insufficient_scope")
        return Holder(tenant.id, _actor(claims, scopes))

    async def _claims(self, token: str) -> dict[str, Any]:
        """What the token says, after everything about it was checked."""
        try:
            header = jwt.get_unverified_header(token)
            if str(header.get("typ", "jwt")).lower() not in TYPES:
                raise NotAdmitted(f"the token is no access token, but {header['typ']!r}")
            key = await self._keys.get(header.get("kid"))
            if key is None:
                raise NotAdmitted("the token is signed with a key that its issuer does not publish")
            return jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            raise NotAdmitted(f"the token is refused: {error}") from error

    async def _tenant(self, claims: dict[str, Any]) -> Tenant:
        claim = self._settings.oauth_tenant_claim
        slug = self._settings.oauth_tenant or claims.get(claim)
        if not isinstance(slug, str):
            raise NotAdmitted(f"the token names no tenant: let its issuer put the tenant's slug into {claim!r}")
        try:
            return (await self._app.snapshots.by_slug(slug)).tenant
        except NotFound:
            raise NotAdmitted(f"the tenant that {claim!r} of the token names is not here") from None


def granted(claims: dict[str, Any], prefix: str) -> frozenset[Scope]:
    """Our scopes among the token's: `scope` as the standard has it, `scp` as Okta and Entra do."""
    said = claims.get("scope", claims.get("scp", ""))
    names = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
    return frozenset(scope for scope in Scope if f"{prefix}{scope}" in names)


def offered(settings: Settings) -> list[str]:
    """The scopes under the names that the authorization server knows them by."""
    return [f"{settings.oauth_scope_prefix}{scope}" for scope in OFFERED]


def resource(settings: Settings) -> str:
    """The identifier of this server as something that tokens are made for (RFC 8707)."""
    return f"{settings.base_url}/mcp"


def metadata(settings: Settings) -> dict[str, Any]:
    """Where a client gets a token for this server."""
    return {
        "resource": resource(settings),
        "resource_name": "Herald",
        "authorization_servers": [settings.oauth_issuer],
        "scopes_supported": offered(settings),
        "bearer_methods_supported": ["header"],
    }


def challenge(settings: Settings, refused: NotAdmitted | None) -> str:
    """`WWW-Authenticate` for a request without a good token: what is wrong, and where one is got."""
    told: dict[str, str] = {}
    if refused is not None:
        told |= {"error": refused.code, "error_description": _quotable(str(refused))}
    if refused is not None and refused.code == "insufficient_scope":
        told["scope"] = " ".join(offered(settings))
    if settings.oauth_issuer:
        told["resource_metadata"] = f"{settings.base_url}{METADATA_PATH}/mcp"
    return " ".join(["Bearer", ", ".join(f'{name}="{text}"' for name, text in told.items())]).rstrip()


def _actor(claims: dict[str, Any], scopes: frozenset[Scope]) -> Actor:
    """The person or program in the token's words, as audit and rate limits know it: one through one client."""
    client = claims.get("client_id", claims.get("azp", ""))
    said = f"{claims['iss']}\n{client}\n{claims['sub']}"
    name = f"{claims['sub']} ({client})" if client else str(claims["sub"])
    try:
        name = one_line(name)[:MAX_NAME]
    except ValueError as error:
        raise NotAdmitted(f"the token's subject or client cannot be kept: {error}") from error
    return Actor(f"oauth_{hashlib.sha256(said.encode()).hexdigest()[:32]}", name, scopes)


def _quotable(text: str) -> str:
    """What may stand between the quotes (RFC 6750, 3): the text may cite a token, whose characters may be any."""
    return "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "'" for letter in text)
