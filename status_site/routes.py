"""Every address below a tenant's base that is answered from memory, and what makes its document."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache

from server.errors import NotFound
from status_site import feeds, opengraph, page, pictures, statuspage
from status_site.documents import Document
from status_site.view import View


@dataclass(frozen=True)
class Route:
    pattern: re.Pattern[str]
    make: Callable[..., Awaitable[Document]]
    """Called with the view and what the pattern's named groups found. May raise NotFound or Unavailable."""
    in_languages: bool = True
    """Whether it reads otherwise in another language."""


def _route(pattern: str, make: Callable[..., Awaitable[Document]], *, in_languages: bool = True) -> Route:
    return Route(re.compile(pattern), make, in_languages)


DIGEST = r"[0-9a-f]{16}"
SLUG = r"[a-z0-9](?:[a-z0-9-]{0,118}[a-z0-9])?"

ROUTES = (
    _route(r"", page.status),
    _route(rf"/incidents/(?P<slug>{SLUG})", page.incident),
    _route(r"/components/(?P<component_id>[a-z0-9_]{1,64})", page.component),
    _route(r"/history(?:/(?P<newest>\d{4}-\d{2}))?", page.history),
    _route(rf"/brand/(?P<role>logo|favicon)(?:-(?P<digest>{DIGEST}))?\.png", pictures.picture, in_languages=False),
    _route(rf"/brand/card(?:-(?P<digest>{DIGEST}))?\.png", opengraph.card, in_languages=False),
    _route(rf"/brand/colours-(?P<digest>{DIGEST})\.css", pictures.colours, in_languages=False),
    _route(r"/embed", feeds.embed),
    _route(r"/badge\.svg", feeds.badge),
    _route(r"/status\.md", feeds.markdown),
    _route(r"/llms\.txt", feeds.llms_txt, in_languages=False),
    _route(r"/history\.atom", feeds.atom, in_languages=False),
    _route(r"/history\.rss", feeds.rss, in_languages=False),
    _route(r"/feed\.json", feeds.json_feed, in_languages=False),
    _route(r"/maintenance\.ics", feeds.calendar, in_languages=False),
    _route(r"/api/v2/status\.json", statuspage.status, in_languages=False),
    _route(r"/api/v2/summary\.json", statuspage.summary, in_languages=False),
    _route(r"/api/v2/components\.json", statuspage.components, in_languages=False),
    _route(r"/api/v2/incidents\.json", statuspage.incidents, in_languages=False),
    _route(r"/api/v2/incidents/unresolved\.json", statuspage.unresolved_incidents, in_languages=False),
    _route(r"/api/v2/scheduled-maintenances\.json", statuspage.maintenances, in_languages=False),
    _route(r"/api/v2/scheduled-maintenances/upcoming\.json", statuspage.upcoming_maintenances, in_languages=False),
    _route(r"/api/v2/scheduled-maintenances/active\.json", statuspage.active_maintenances, in_languages=False),
)


@lru_cache(maxsize=10_000)
def find(path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of that path and what its pattern found; None if nothing here answers it."""
    for route in ROUTES:
        matched = route.pattern.fullmatch(path)
        if matched:
            return route, {name: found for name, found in matched.groupdict().items() if found is not None}
    return None


async def make(view: View) -> Document:
    """The document at the view's path. Raises NotFound."""
    found = find(view.path)
    if found is None:
        raise NotFound(f"there is no page {view.path!r}")
    route, names = found
    return await route.make(view, **names)
