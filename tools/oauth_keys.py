"""The public keys that an authorization server signs its tokens with: read over the network, and kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

from server.config import is_trustworthy
from server.errors import Unavailable

SECONDS = 5.0
FRESH = timedelta(minutes=10)
USABLE = timedelta(hours=24)
PAUSE = timedelta(seconds=30)
PAUSE_WITHOUT_KEYS = timedelta(seconds=2)

log = logging.getLogger(__name__)


class IssuerKeys:
    """The keys of one issuer. They are read when first asked for, when old, and when a token names an unknown one.

    However many tokens name unknown keys, the server is asked once in 30 seconds. While it is away, what was read
    last stays good for a day.
    """

    def __init__(self, issuer: str, jwks_url: str | None, clock: Callable[[], datetime]) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._clock = clock
        self._keys: PyJWKSet | None = None
        self._read_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._reading = asyncio.Lock()

    async def get(self, key_id: str | None) -> PyJWK | None:
        """The key of that id, or the only one if a token names none; None if there is no such key.

        Raises Unavailable if the authorization server cannot be asked and never could, or not for a day.
        """
        if self._is_older_than(FRESH):
            await self._read_again(is_urgent=self._is_older_than(USABLE))
        key = self._find(key_id)
        if key is None:  # it may be new
            await self._read_again(is_urgent=True)
            key = self._find(key_id)
        return key

    def _find(self, key_id: str | None) -> PyJWK | None:
        if self._keys is None or self._is_older_than(USABLE):
            raise Unavailable(
                f"the keys of {self._issuer} cannot be read: try the access token again, or use an API key",
                retry_after=PAUSE_WITHOUT_KEYS.total_seconds(),
            )
        keys = [key for key in self._keys if key.public_key_use != "enc"]
        if key_id is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.key_id == key_id), None)

    def _is_older_than(self, age: timedelta) -> bool:
        return self._read_at is None or self._clock() - self._read_at > age

    async def _read_again(self, *, is_urgent: bool) -> None:
        """Read the keys unless that was just tried. Who can do without does not wait for another to read them."""
        if self._reading.locked() and not is_urgent:
            return
        async with self._reading:
            pause = PAUSE if self._keys is not None else PAUSE_WITHOUT_KEYS
            if self._tried_at is not None and self._clock() - self._tried_at < pause:
                return
            self._tried_at = self._clock()
            try:
                async with asyncio.timeout(2 * SECONDS), httpx2.AsyncClient(timeout=SECONDS) as http:
                    self._keys = await self._fetch(http)
                self._read_at = self._clock()
            except (httpx2.HTTPError, httpx2.InvalidURL, PyJWTError, ValueError, TimeoutError) as error:
                log.warning("the keys of %s cannot be read: %s", self._issuer, error or type(error).__name__)

    async def _fetch(self, http: httpx2.AsyncClient) -> PyJWKSet:
        return PyJWKSet.from_dict(await _read(http, self._jwks_url or await self._discover(http)))

    async def _discover(self, http: httpx2.AsyncClient) -> str:
        """Where the keys are, by the issuer's metadata (RFC 8414, OpenID Connect Discovery). Raises ValueError."""
        for url in metadata_urls(self._issuer):
            response = await http.get(url)
            if response.status_code == httpx2.codes.OK:
                return self._jwks_url_in(_object(response))
        raise ValueError(f"there is no metadata at {' or '.join(metadata_urls(self._issuer))}")

    def _jwks_url_in(self, metadata: dict[str, Any]) -> str:
        if metadata.get("issuer") != self._issuer:  # RFC 8414, 3.3: or another server speaks for this one
            raise ValueError(
                f"its metadata is that of {metadata.get('issuer')!r}: set HERALD_OAUTH_ISSUER to match"
            )
        url = metadata.get("jwks_uri")
        if not isinstance(url, str) or not is_trustworthy(url):
            raise ValueError(f"its metadata has no jwks_uri with https, but {url!r}: set HERALD_OAUTH_JWKS_URL")
        return url


def metadata_urls(issuer: str) -> list[str]:
    """Where an issuer's metadata may be, the most specific standard first."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return list(dict.fromkeys(_well_known(origin, path)))


def _well_known(origin: str, path: str) -> Iterator[str]:
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
    yield f"{origin}/.well-known/openid-configuration{path}"
    yield f"{origin}{path}/.well-known/openid-configuration"


async def _read(http: httpx2.AsyncClient, url: str) -> dict[str, Any]:
    response = await http.get(url)
    response.raise_for_status()
    return _object(response)


def _object(response: httpx2.Response) -> dict[str, Any]:
    found = response.json()
    if not isinstance(found, dict):
        raise ValueError(f"{response.url} is not a JSON object")
    return found
