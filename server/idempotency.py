"""Doing a thing once: a repeated request under the same key gets the first result instead of a second effect."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from server.context import TenantContext
from server.errors import Conflict, Invalid
from server.store import idempotency as rows

KEPT = timedelta(hours=24)
MAX_KEY = 200

Result = TypeVar("Result", bound=BaseModel)


async def once(
    db: AsyncConnection,
    tenant: TenantContext,
    key: str | None,
    request: BaseModel,
    result: type[Result],
    do: Callable[[], Awaitable[Result]],
) -> Result:
    """Do it, or return what it returned when this actor did it under this key in the last 24 hours.

    Raises Conflict when the key was used for another request. Result and effect share the caller's transaction,
    so a key is never taken by something that did not happen.
    """
    if key is None:
        return await do()
    if not 0 < len(key) <= MAX_KEY:
        raise Invalid(f"an idempotency key has 1 to {MAX_KEY} characters")
    digest = hashlib.sha256(f"{type(request).__name__}{request.model_dump_json()}".encode()).hexdigest()
    now = tenant.now()
    await rows.forget_before(db, tenant.id, now - KEPT)
    earlier = await rows.claim(db, tenant.id, tenant.actor.id, key, digest, now)
    if earlier is None:
        done = await do()
        await rows.keep(db, tenant.id, tenant.actor.id, key, done.model_dump(mode="json"))
        return done
    first, kept = earlier
    if first != digest:
        raise Conflict(f"the idempotency key {key!r} was used for another request: choose a new key")
    return result.model_validate(kept)
