"""Who is calling: turns the request that a tool is called in into a `TenantContext`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import Context

from server.context import Actor, App, TenantContext
from server.keys import Holder
from server.models import Scope

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The values made last, by what they were made from, so that the same one need not be made again."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[object, ...], Value] = OrderedDict()

    def get(self, *key: object) -> Value | None:
        return self._kept.get(key)

    def keep(self, value: Value, *key: object) -> None:
        self._kept[key] = value
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


@dataclass(frozen=True)
class Desk:
    """What every tool call is given. Over HTTP the bearer key names the tenant; stdio is opened for one."""

    app: App
    local: Holder | None = None
    said: Remembered[Any] = field(default_factory=Remembered)
    """What `status_check` says of an incident, by everything that it depends on."""


class KeyVerifier:
    """Implements the SDK's TokenVerifier: a bearer key of ours becomes an access token with its tenant."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def verify_token(self, token: str) -> AccessToken | None:
        holder = await self._app.keyring.holder(token)
        if holder is None:
            return None
        actor = holder.actor
        return AccessToken(
            token="",
            client_id=actor.id,
            subject=actor.name,
            scopes=sorted(actor.scopes),
            claims={"holder": holder},
        )


@dataclass(frozen=True)
class Guest:
    """Somebody without a key at an endpoint that a tenant opened to anybody."""

    holder: Holder
    address: str


@contextmanager
def received(guest: Guest) -> Iterator[None]:
    """Let calls within the block count as this guest's."""
    token = _GUEST.set(guest)
    try:
        yield
    finally:
        _GUEST.reset(token)


_GUEST: ContextVar[Guest | None] = ContextVar("guest", default=None)


def tenant_of(ctx: Context[Desk]) -> TenantContext:
    """The calling tenant. Raises PermissionError where nobody is let in, which no served request is."""
    desk = ctx.request_context.lifespan_context
    holder = current_holder(desk.local)
    return TenantContext(desk.app, holder.tenant_id, holder.actor)


def current_holder(local: Holder | None) -> Holder:
    token = get_access_token()
    if token is not None and token.claims is not None:
        holder: Holder = token.claims["holder"]
        return holder
    if local is not None:
        return local
    guest = _GUEST.get()
    if guest is not None:
        return guest.holder
    raise PermissionError("no key")


def caller_of(local: Holder | None) -> str:
    """What a rate limit counts by: the key, or a guest's address."""
    guest = _GUEST.get()
    return guest.address if guest is not None else current_holder(local).actor.id


def is_reader(actor: Actor) -> bool:
    """Whether the actor may read incidents and components beyond what a tool of its own returns."""
    return bool(actor.scopes & {Scope.AGENT, Scope.OPERATOR})
