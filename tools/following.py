"""`subscriptions/listen`: a stream that says which `status://` resources changed, in this process or another.

Only a tenant's own resources can be followed, and one tenant cannot take the streams of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.subscriptions import ResourceUpdated, ServerEvent
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, SubscriptionsListenRequestParams

from server.models import Tenant
from server.snapshots import Snapshot

MAX_STREAMS = 100


class Changes:
    """Implements the SDK's SubscriptionBus over the snapshots: what replaces one is what changed."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[ServerEvent], None]] = {}

    async def publish(self, event: ServerEvent) -> None:
        self._tell(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        token = object()
        self._listeners[token] = listener
        return lambda: self._listeners.pop(token, None) and None

    def replaced(self, before: Snapshot, after: Snapshot) -> None:
        """A watcher of snapshots: tell the streams which resources read otherwise now."""
        if self._listeners:
            for uri in _changed(before, after):
                self._tell(ResourceUpdated(uri=uri))

    def _tell(self, event: ServerEvent) -> None:
        for listener in list(self._listeners.values()):
            listener(event)


class Streams:
    """Counts the open streams of each tenant and lets no more than `most` be opened."""

    def __init__(self, most: int = MAX_STREAMS) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    async def follow(
        self, tenant: Tenant, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Serve one stream to its end. Raises MCPError for a foreign resource and for one stream too many."""
        wanted = SubscriptionsListenRequestParams.model_validate(ctx.params or {}, by_name=False)
        for uri in wanted.notifications.resource_subscriptions or ():
            if not str(uri).startswith(f"status://{tenant.slug}/"):
                raise MCPError(INVALID_PARAMS, f"There is no resource {uri} to follow; resources/list shows yours")
        if self._open[tenant.id] >= self._most:
            raise MCPError(INTERNAL_ERROR, f"{self._most} streams are open for this tenant already: close one")
        self._open[tenant.id] += 1
        try:
            return await call_next(ctx)
        finally:
            self._open[tenant.id] -= 1


def summary_uri(tenant: Tenant) -> str:
    return f"status://{tenant.slug}/summary"


def incident_uri(tenant: Tenant, incident_id: str) -> str:
    return f"status://{tenant.slug}/incidents/{incident_id}"


def _changed(before: Snapshot, after: Snapshot) -> Iterator[str]:
    yield summary_uri(after.tenant)
    known = _versions(before)
    for incident_id, version in _versions(after).items():
        if known.get(incident_id) != version:
            yield incident_uri(after.tenant, incident_id)


def _versions(snapshot: Snapshot) -> dict[str, int]:
    return {incident.id: incident.version for incident in (*snapshot.active, *snapshot.history)}
