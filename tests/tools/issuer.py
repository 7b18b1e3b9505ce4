"""An authorization server's public side, metadata and keys, on a loopback port; tests sign what they like."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.types import Receive, Scope, Send

from tests.tools.conftest import served

AUDIENCE = "https://herald.test/mcp"


class Issuer:
    """What it publishes can be changed while it is served; `asked` holds the paths that were read."""

    def __init__(self) -> None:
        self.url = ""
        self.metadata: dict[str, Any] = {}
        self.asked: list[str] = []
        self.is_down = False
        self.private: dict[str, Any] = {}
        self.public: dict[str, dict[str, Any]] = {}
        self.rotate("first")

    def settle(self, url: str) -> None:
        self.url = url
        self.metadata = {"issuer": url, "jwks_uri": f"{url}/keys"}

    def rotate(self, key_id: str) -> None:
        """Sign with a new key from now on, and publish it alone."""
        key = ec.generate_private_key(ec.SECP256R1())
        self.private[key_id] = key
        self.publish(key_id, ECAlgorithm.to_jwk(key.public_key(), as_dict=True))

    def use_rsa(self, bits: int) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        self.private["rsa"] = key
        self.publish("rsa", RSAAlgorithm.to_jwk(key.public_key(), as_dict=True))

    def publish(self, key_id: str, public: dict[str, Any]) -> None:
        self.public = {key_id: public | {"kid": key_id, "use": "sig"}}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """A good token's for acme's agents, with these changed; None takes one away."""
        now = int(time.time())
        good = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ada",
            "client_id": "desk",
            "iat": now,
            "exp": now + 300,
            "scope": "openid herald:agent",
            "tenant": "acme",
        }
        return {name: value for name, value in (good | changed).items() if value is not None}

    def token(self, key_id: str | None = None, typ: str = "at+jwt", **changed: Any) -> str:
        """A good token, or one that is good but for what is changed."""
        signer = key_id or list(self.private)[-1]
        algorithm = "RS256" if signer == "rsa" else "ES256"
        headers = {"kid": signer, "typ": typ}
        return jwt.encode(self.claims(**changed), self.private[signer], algorithm, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        path = scope["path"]
        self.asked.append(path)
        found = {
            "/.well-known/oauth-authorization-server": self.metadata,
            "/keys": {"keys": list(self.public.values())},
        }
        status = 500 if self.is_down else 200 if path in found else 404
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(found.get(path)).encode()})


@asynccontextmanager
async def issuer_served() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with served(issuer, lifespan="off") as url:
        issuer.settle(url)
        yield issuer
