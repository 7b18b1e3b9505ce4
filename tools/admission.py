"""Who is let in at `/mcp`: holders of an API key, and of an access token where OAuth is set up."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

from server.context import App
from server.keys import Holder
from tools.oauth import AccessTokens, NotAdmitted


class Admission:
    """Looks at the `Authorization` header, and at nothing else of a request."""

    def __init__(self, app: App) -> None:
        issuer = app.settings.oauth_issuer
        self._keyring = app.keyring
        self._tokens = AccessTokens(app, issuer) if issuer else None

    async def holder(self, scope: Scope) -> Holder | None:
        """Whom the request's credential lets in, None without one.

        Raises NotAdmitted for a credential that opens nothing, Unavailable where it cannot be looked up.
        """
        scheme, _, secret = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            return None
        if self._tokens is not None and _is_token(secret):
            return await self._tokens.holder(secret)
        holder = await self._keyring.holder(secret)
        if holder is None:
            raise NotAdmitted("the key is unknown or was revoked: use one from `herald key create`")
        return holder


def _is_token(secret: str) -> bool:
    """Whether it has the three parts of a signed JWT. No key of ours has a dot."""
    return secret.count(".") == 2
