"""API keys: shown once, stored as a digest, and dead within a second of being revoked."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.context import Actor, TenantContext
from server.errors import Invalid, NotFound
from server.ids import new_id
from server.models import ApiKey, Scope, one_line
from server.store import keys as rows
from server.store.database import Database

if TYPE_CHECKING:
    from server.recorder import Recorder

PREFIX = "herald_"
REMEMBERED_SECONDS = 0.5
MAX_REMEMBERED = 10_000
MAX_NAME = 200


@dataclass(frozen=True)
class Holder:
    """Whom a key lets in: the tenant, and the actor that its calls count as."""

    tenant_id: str
    actor: Actor


class Keyring:
    """Recognises keys. A key is looked up at most twice a second, so a revoked one works no longer than that.

    `fixed` are well-known keys that exist in this process alone; only the demo has any.
    """

    def __init__(self, database: Database, recorder: Recorder, fixed: Mapping[str, Holder] | None = None) -> None:
        self._database = database
        self._recorder = recorder
        self._fixed = {digest(secret): holder for secret, holder in (fixed or {}).items()}
        self._known: dict[str, tuple[float, Holder]] = {}

    @property
    def is_demo(self) -> bool:
        """Whether this process accepts well-known keys."""
        return bool(self._fixed)

    async def holder(self, secret: str) -> Holder | None:
        """Whom the key lets in, None if it is unknown or revoked. Raises Unavailable without a database."""
        wanted = digest(secret)
        if wanted in self._fixed:
            return self._fixed[wanted]
        known = self._known.get(wanted)
        if known is not None and known[0] > time.monotonic():
            holder = known[1]
        else:
            found = await self._look_up(wanted)
            if found is None:
                return None
            holder = found
        self._recorder.key_used(holder.tenant_id, holder.actor.id)
        return holder

    async def holder_of_key(self, tenant_id: str, key_id: str) -> Holder | None:
        """As `holder`, for the key of that id: for what was made with it and must die with it."""
        for holder in self._fixed.values():
            if (holder.tenant_id, holder.actor.id) == (tenant_id, key_id):
                return holder
        async with self._database.read() as db:
            key = await rows.get(db, tenant_id, key_id)
        if key is None or key.revoked_at is not None:
            return None
        self._recorder.key_used(tenant_id, key_id)
        return Holder(tenant_id, Actor(key.id, key.name, key.scopes, key.attests_addresses))

    async def _look_up(self, wanted: str) -> Holder | None:
        self._known.pop(wanted, None)
        until = time.monotonic() + REMEMBERED_SECONDS  # counted from before the look-up, which may take its time
        async with self._database.read() as db:
            key = await rows.by_digest(db, wanted)
        if key is None or key.revoked_at is not None:
            return None
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        holder = Holder(key.tenant_id, Actor(key.id, key.name, key.scopes, key.attests_addresses))
        self._known[wanted] = (until, holder)
        return holder


def digest(secret: str) -> str:
    """What is stored of a key. It has 256 random bits, so a plain hash gives nothing away."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


async def create_key(
    tenant: TenantContext, name: str, scopes: Collection[Scope], attests_addresses: bool = False
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is not stored and cannot be shown again."""
    tenant.require(Scope.ADMIN)
    try:
        name = one_line(name)
    except ValueError as error:
        raise Invalid(f"the key's name cannot be kept: {error}") from error
    if not 0 < len(name) <= MAX_NAME:
        raise Invalid(f"give the key a name of 1 to {MAX_NAME} characters, such as the system that will use it")
    if not scopes:
        raise Invalid(f"give the key at least one scope: {', '.join(Scope)}")
    key = ApiKey(
        id=new_id("key"),
        tenant_id=tenant.id,
        name=name,
        scopes=frozenset(scopes),
        attests_addresses=attests_addresses,
        created_at=tenant.now(),
        last_used_at=None,
        revoked_at=None,
    )
    secret = PREFIX + secrets.token_urlsafe(32)
    async with tenant.write() as db:
        await rows.insert(db, key, digest(secret))
        await tenant.audit(db, "key.create", key.id, name=key.name, scopes=sorted(scopes))
    return key, secret


async def list_keys(tenant: TenantContext) -> list[ApiKey]:
    tenant.require(Scope.ADMIN)
    async with tenant.read() as db:
        return await rows.of_tenant(db, tenant.id)


async def revoke_key(tenant: TenantContext, key_id: str) -> None:
    """Every process refuses the key within a second. Revoking again changes nothing."""
    tenant.require(Scope.ADMIN)
    async with tenant.write() as db:
        if not await rows.revoke(db, tenant.id, key_id, tenant.now()):
            raise NotFound(f"there is no key {key_id!r}; `herald key list` shows those that exist")
        await tenant.audit(db, "key.revoke", key_id)
