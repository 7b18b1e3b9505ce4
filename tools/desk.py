"""Who is calling: turns the request that a tool is called in into a `TenantContext`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

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
    """What every tool call is given. Over HTTP the request's caller names the tenant; stdio is opened for one."""

    app: App
    local: Holder | None = None
    said: Remembered[Any] = field(default_factory=Remembered)
    """What `status_check` says of an incident, by everything that it depends on."""


@dataclass(frozen=True)
class Caller:
    """Who makes a request over HTTP, and what a rate limit counts it by: the key, or a guest's address."""

    holder: Holder
    counted_as: str


@contextmanager
def received(caller: Caller) -> Iterator[None]:
    """Let calls within the block count as this caller's."""
    token = _CALLER.set(caller)
    try:
        yield
    finally:
        _CALLER.reset(token)


_CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)


def tenant_of(ctx: Context[Desk]) -> TenantContext:
    """The calling tenant. Raises PermissionError where nobody is let in, which no served request is."""
    desk = ctx.request_context.lifespan_context
    holder = current_holder(desk.local)
    return TenantContext(desk.app, holder.tenant_id, holder.actor)


def current_holder(local: Holder | None) -> Holder:
    if local is not None:
        return local
    caller = _CALLER.get()
    if caller is not None:
        return caller.holder
    raise PermissionError("no key")


def counted_as(local: Holder | None) -> str:
    """What a rate limit counts the current request by."""
    caller = _CALLER.get()
    return caller.counted_as if caller is not None else current_holder(local).actor.id


def is_reader(actor: Actor) -> bool:
    """Whether the actor may read incidents and components beyond what a tool of its own returns."""
    return bool(actor.scopes & {Scope.AGENT, Scope.OPERATOR})
