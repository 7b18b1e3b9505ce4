"""What is signed, hashed or sealed under the installation's own secret: links, references and passwords.

The secret is a ring: the first one signs and seals, those after it still verify and open, so that it can be
changed without breaking the links in mails that were sent. Each purpose has a key of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.config import Settings
from server.errors import Unavailable
from server.store import secrets as rows
from server.store.database import Database

MAC_BYTES = 16
SHORT_MAC_BYTES = 10
NONCE_BYTES = 12
KEY_ID_BYTES = 4


class Signer:
    def __init__(self, secret: bytes, *former: bytes) -> None:
        self._ring = (secret, *former)

    @classmethod
    async def load(cls, settings: Settings, database: Database) -> Signer:
        """With the configured secrets, or with one that is made once and kept in the database."""
        if settings.secret_key is not None:
            ring = [part.strip() for part in settings.secret_key.get_secret_value().split(",")]
            return cls(*(part.encode() for part in ring if part))
        async with database.write() as db:
            return cls((await rows.get_or_keep(db, "signing", secrets.token_urlsafe(32))).encode())

    def reference(self, tenant_id: str, kind: str, value: str) -> str:
        """A stable stand-in (64 hex digits) for something of the host's that is not ours to keep."""
        return self.references(tenant_id, kind, value)[0]

    def references(self, tenant_id: str, kind: str, value: str) -> list[str]:
        """The stand-ins of the value under every secret of the ring: to find one that was kept earlier."""
        text = value.encode("utf-8", "surrogatepass")
        keys = (_key(secret, f"reference|{tenant_id}|{kind}") for secret in self._ring)
        return [hmac.new(key, text, hashlib.sha256).hexdigest() for key in keys]

    def mac(self, purpose: str, *about: str) -> str:
        """22 characters (128 bits) that prove that we wrote this, for this purpose alone."""
        return _mac(self._ring[0], purpose, about)

    def is_mac(self, mac: str, purpose: str, *about: str) -> bool:
        """Whether `mac` was made of the same, under any secret of the ring."""
        given = mac.encode("utf-8", "surrogatepass")
        return any(hmac.compare_digest(given, _mac(secret, purpose, about).encode()) for secret in self._ring)

    def short_mac(self, purpose: str, *about: str) -> str:
        """16 lower-case letters and digits (80 bits), for places where mail servers may fold the case."""
        return _short(self._ring[0], purpose, about)

    def is_short_mac(self, mac: str, purpose: str, *about: str) -> bool:
        given = mac.lower().encode("utf-8", "surrogatepass")
        return any(hmac.compare_digest(given, _short(secret, purpose, about).encode()) for secret in self._ring)

    def seal(self, text: str, *place: str) -> str:
        """Encrypt with AES-256-GCM. It opens only at the same place, such as a tenant's column."""
        secret, nonce = self._ring[0], os.urandom(NONCE_BYTES)
        sealed = AESGCM(_key(secret, "seal")).encrypt(nonce, text.encode(), _joined(place))
        return urlsafe_b64encode(_key_id(secret) + nonce + sealed).decode()

    def open(self, sealed: str, *place: str) -> str:
        """What was sealed there. Raises Unavailable if no secret of the ring opens it."""
        raw = urlsafe_b64decode(sealed)
        key_id, nonce, text = (
            raw[:KEY_ID_BYTES],
            raw[KEY_ID_BYTES:][:NONCE_BYTES],
            raw[KEY_ID_BYTES + NONCE_BYTES :],
        )
        for secret in self._ring:
            if _key_id(secret) == key_id:
                try:
                    return AESGCM(_key(secret, "seal")).decrypt(nonce, text, _joined(place)).decode()
                except InvalidTag:
                    break
        raise Unavailable("a stored secret cannot be opened: add the former secret to HERALD_SECRET_KEY")


def digest(token: str) -> str:
    """What is stored of a random token. It has 256 bits, so a plain hash gives nothing away."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=1024)
def _key(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, purpose.encode(), "sha256")


def _key_id(secret: bytes) -> bytes:
    return _key(secret, "key id")[:KEY_ID_BYTES]


def _mac(secret: bytes, purpose: str, about: tuple[str, ...]) -> str:
    tag = hmac.digest(_key(secret, f"mac|{purpose}"), _joined(about), "sha256")
    return urlsafe_b64encode(tag[:MAC_BYTES]).decode().rstrip("=")


def _short(secret: bytes, purpose: str, about: tuple[str, ...]) -> str:
    tag = hmac.digest(_key(secret, f"short|{purpose}"), _joined(about), "sha256")
    return b32encode(tag[:SHORT_MAC_BYTES]).decode().lower()


def _joined(parts: tuple[str, ...]) -> bytes:
    return "\x1f".join(parts).encode("utf-8", "surrogatepass")
