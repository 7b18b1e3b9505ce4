"""Keyed hashes under the installation's own secret: references that cannot be read back or made up."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from server.config import Settings
from server.store import secrets as rows
from server.store.database import Database


class Signer:
    """Everything that is signed or hashed under a secret, each purpose with a key of its own."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    async def load(cls, settings: Settings, database: Database) -> Signer:
        """With the configured secret, or with one that is made once and kept in the database."""
        if settings.secret_key is not None:
            return cls(settings.secret_key.get_secret_value().encode())
        async with database.write() as db:
            return cls((await rows.get_or_keep(db, "signing", secrets.token_urlsafe(32))).encode())

    def reference(self, tenant_id: str, kind: str, value: str) -> str:
        """A stable stand-in (64 hex digits) for something of the host's that is not ours to keep."""
        key = hmac.digest(self._secret, f"reference|{tenant_id}|{kind}".encode(), "sha256")
        return hmac.new(key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
