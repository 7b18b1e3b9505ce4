"""What an operation is given: the process (`App`), and one tenant as one actor sees it (`TenantContext`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncConnection

from server.config import Settings
from server.errors import Refused
from server.models import Scope
from server.store import audit, changes, tenants
from server.store.database import Database

if TYPE_CHECKING:
    from server.analyzers import Analyzer
    from server.domains import Hosts
    from server.inference import Inference
    from server.keys import Keyring
    from server.limits import NetworkLimits
    from server.matching import IncidentVectors
    from server.recorder import Recorder
    from server.second_reader import SecondReader
    from server.snapshots import Snapshots
    from server.subscriptions import OfferBook
    from server.tokens import Signer


@dataclass(frozen=True)
class App:
    """What the process has. Opened and closed by the shell; passed, never looked up."""

    settings: Settings
    database: Database
    snapshots: Snapshots
    inference: Inference
    incident_vectors: IncidentVectors
    recorder: Recorder
    signer: Signer
    keyring: Keyring
    offers: OfferBook
    analyzer: Analyzer
    second_reader: SecondReader | None
    network_limits: NetworkLimits
    hosts: Hosts
    clock: Callable[[], datetime]


@dataclass(frozen=True)
class Actor:
    """Who acts: an API key, or the operator of this machine at the command line."""

    id: str
    name: str
    scopes: frozenset[Scope]
    attests_addresses: bool = False


@dataclass(frozen=True)
class TenantContext:
    """One tenant as one actor may see it. Every operation on a tenant's data takes one."""

    app: App
    id: str
    actor: Actor

    def require(self, *allowed: Scope) -> None:
        """Pass if the actor has one of the scopes. Raises Refused with the scopes that would do."""
        if not self.actor.scopes.intersection(allowed):
            wanted = " or ".join(sorted(allowed))
            raise Refused(f"this needs the scope {wanted}: use a key that has it")

    def now(self) -> datetime:
        return self.app.clock()

    async def audit(self, db: AsyncConnection, action: str, subject: str, **details: Any) -> None:
        """Note in the caller's transaction that this actor did this."""
        await audit.insert(db, self.id, self.now(), self.actor.id, self.actor.name, action, subject, details)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self.app.database.read() as db:
            yield db

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction for what no page and no match shows (keys, counters)."""
        async with self.app.database.write() as db:
            yield db

    @asynccontextmanager
    async def publish(self, dry_run: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction for what is shown: it moves the tenant's version, and what this process shows follows.

        A tenant's run one after another: each sees all that the one before it did. Other processes see the new
        version within their next poll. A dry run takes everything back at the end.
        """
        async with self.app.database.write() as db:
            await tenants.lock(db, self.id)
            yield db
            if dry_run:
                await db.rollback()
                return
            await changes.record(db, self.id)
        await self.app.snapshots.refresh(self.id)
