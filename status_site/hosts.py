"""Whose page a request is for, by its Host header: `status.acme.com/history` is `/s/acme/history`.

The header decides which tenant's routes are looked up and nothing else: no address is ever made from it. A host of
one tenant's shows nothing of another's, because every path there lies below that tenant's.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import Scope

from server.context import App
from server.errors import HeraldError

ON_EVERY_HOST = ("/healthz", "/readyz")
BASE = "herald.base"
"""In a request's scope: where the tenant's pages begin on this host, if that is not `/s/SLUG`."""


class Misdirected(HeraldError):
    """Nothing is served under this host name (RFC 9110 §15.5.20)."""


class Hosting:
    def __init__(self, app: App) -> None:
        self._hosts = app.hosts
        configured = (urlsplit(app.settings.base_url).hostname, *app.settings.allowed_hosts)
        self._own = {name.partition(":")[0].lower() for name in configured if name}

    async def at_home(self, scope: Scope) -> Scope:
        """The request as it reads on this server's own host. Raises Misdirected for a host that nobody proved."""
        host = _host(scope)
        if (
            host in self._own
            or _leads_here_alone(host)
            or scope["path"] in ON_EVERY_HOST
            or scope["path"].startswith("/static/")
        ):
            return scope
        slug = await self._hosts.owner(host)
        if slug is None:
            raise Misdirected("nothing is served under this host name")
        await self._hosts.arrived(host)
        path = f"/s/{slug}{scope['path'].rstrip('/')}"
        return {**scope, "path": path, "raw_path": path.encode(), BASE: ""}


def _host(scope: Scope) -> str:
    """The one Host header without its port; nothing for a request with none or several."""
    found = [value for name, value in scope["headers"] if name == b"host"]
    if len(found) != 1:
        return ""
    host: str = found[0].decode("latin-1").lower()
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].rstrip(".")


@lru_cache(maxsize=1024)
def _leads_here_alone(host: str) -> bool:
    """Whether it is an address or a name without a dot: nobody can register those."""
    if "." not in host:
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
