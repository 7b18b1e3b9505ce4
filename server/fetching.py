"""One guarded GET: for an address that somebody typed in, which may lead anywhere.

The name is looked up once and the connection made to what was found, so that a name cannot first look public and
then lead inside. Redirects are not followed: what they lead to was not checked.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx2

from server.errors import Invalid, Unavailable

MAX_BYTES = 20 * 1024 * 1024
SECONDS = 20


async def fetch(url: str, *, allow_private: bool = False) -> bytes:
    """The body of a 200, at most 20 MB, within 20 seconds.

    Raises Invalid for an address that may not be asked, and Unavailable if it does not answer as it should.
    `allow_private` also lets plain HTTP and addresses of the own network be asked.
    """
    parts = urlsplit(url)
    if parts.scheme not in (("https", "http") if allow_private else ("https",)) or not parts.hostname:
        raise Invalid(f"cannot fetch {url!r}: give an address that starts with https://")
    try:
        async with asyncio.timeout(SECONDS):
            address = await _resolve(parts.hostname, parts.port, allow_private)
            return await _get(httpx2.URL(url), address)
    except (TimeoutError, httpx2.HTTPError) as error:
        raise Unavailable(f"{url} does not answer ({type(error).__name__}): try again later") from error


async def _resolve(host: str, port: int | None, allow_private: bool) -> str:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Invalid(f"there is no host {host!r}: check the address") from error
    addresses = [str(one[4][0]) for one in found]
    if not allow_private and not all(ip_address(address.partition("%")[0]).is_global for address in addresses):
        raise Invalid(f"{host} is in a private network: save the JSON to a file, or use --allow-private")
    return addresses[0]


async def _get(url: httpx2.URL, address: str) -> bytes:
    headers = {"Host": url.netloc.decode("ascii").rpartition("@")[2], "Accept": "application/json"}
    extensions = {"sni_hostname": url.host}
    async with (
        httpx2.AsyncClient(trust_env=False) as client,
        client.stream("GET", url.copy_with(host=address), headers=headers, extensions=extensions) as answer,
    ):
        if answer.status_code != 200:
            raise Unavailable(f"{url} answers {answer.status_code}: check the address")
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MAX_BYTES:
                raise Invalid(f"{url} sends more than {MAX_BYTES:,} bytes: import it in parts, from files")
        return bytes(body)
