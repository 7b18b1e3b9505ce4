"""Host names of a tenant's own: proved by a DNS record before anything is served under them, and again each day.

Without the proof, whoever finds a name that still points here could claim it (a takeover). The record holds a
secret of the tenant's, and a name that was given up or whose proof is gone is no other tenant's for 30 days.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import dns.asyncresolver
import dns.exception
import dns.resolver
import idna

from server.context import App, TenantContext
from server.errors import Invalid, Unavailable
from server.models import Domain, Scope
from server.store import domains as rows
from server.store.database import Database
from server.waiting import is_set_within

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

DNS_SECONDS = 5
EVERY_SECONDS = 60
CHECKED_EVERY = timedelta(days=1)
FORGIVEN_FOR = timedelta(days=3)
QUARANTINE = timedelta(days=30)
BATCH = 50
KNOWN_FOR = timedelta(seconds=2)
MAX_KNOWN = 10_000
PROOF = "_herald"

log = logging.getLogger(__name__)

Lookup = Callable[[str, str], Awaitable[list[str]]]
"""Name and record type → the records' texts; none if there are none. Raises Unavailable."""


@dataclass(frozen=True)
class Check:
    """What a look at the DNS found, and what to do if something is wrong."""

    domain: Domain
    problem: str | None


def normal_host(host: str) -> str:
    """The host name in lower case and ASCII (IDNA 2008), without a port. Raises Invalid."""
    name = host.strip().lower().rstrip(".")
    try:
        ascii_name = idna.encode(name, uts46=True).decode()
    except idna.IDNAError as error:
        raise Invalid(f"{host!r} is not a host name: write it like status.example.com") from error
    if "." not in ascii_name or ascii_name.replace(".", "").isdigit():
        raise Invalid(f"{host!r} is not a public host name: write it like status.example.com")
    return ascii_name


async def add_domain(tenant: TenantContext, host: str) -> Domain:
    """Note that the tenant wants its page under that host, which `check_domain` has to prove first."""
    tenant.require(Scope.ADMIN)
    name = normal_host(host)
    async with tenant.write() as db:
        wanted = Domain(host=name, token=secrets.token_hex(16), created_at=tenant.now())
        await rows.insert(db, tenant.id, wanted)
        await tenant.audit(db, "domain.add", name)
        return await rows.get(db, tenant.id, name)


async def list_domains(tenant: TenantContext) -> list[Domain]:
    async with tenant.read() as db:
        return await rows.of_tenant(db, tenant.id)


async def remove_domain(tenant: TenantContext, host: str) -> None:
    """Stop serving the page under that host. Claiming it again needs a new record, by another tenant 30 days."""
    tenant.require(Scope.ADMIN)
    name = normal_host(host)
    async with tenant.write() as db:
        await rows.get(db, tenant.id, name)
        await rows.release(db, tenant.id, name, tenant.now())
        await rows.delete(db, tenant.id, name)
        await tenant.audit(db, "domain.remove", name)


async def check_domain(tenant: TenantContext, host: str, lookup: Lookup) -> Check:
    """Look at the DNS now, and serve the page there from now on, or stop, as it says."""
    tenant.require(Scope.ADMIN)
    async with tenant.read() as db:
        domain = await rows.get(db, tenant.id, normal_host(host))
    problem = await _proof_problem(domain, lookup)
    async with tenant.write() as db:
        problem = problem or await _claim_problem(db, tenant, domain.host)
        if problem is not None:
            await rows.release(db, tenant.id, domain.host, tenant.now())
        elif domain.verified_at is None:
            await rows.verify(db, tenant.id, domain.host, tenant.now())
        else:
            await rows.note_failing(db, tenant.id, domain.host, None)
        await tenant.audit(db, "domain.check", domain.host, problem=problem)
        checked = await rows.get(db, tenant.id, domain.host)
    tenant.app.hosts.forget()
    return Check(checked, problem or await _address_problem(tenant.app, domain, lookup))


async def keep_proofs(app: App, stop: asyncio.Event, lookup: Lookup | None = None) -> None:
    """Ask the DNS each day whether every name is still its tenant's, until `stop`."""
    while not await is_set_within(stop, EVERY_SECONDS):
        try:
            await check_again(app, lookup or look_up)
        except Unavailable as error:
            log.warning("proofs of host names wait: %s", error)
        except Exception:
            log.exception("proofs of host names could not be checked")


async def check_again(app: App, lookup: Lookup) -> None:
    """Check the names that were not for a day. One whose proof stays gone for three days is served no longer.

    A DNS that does not answer proves nothing, so nobody loses a name by it.
    """
    now = app.clock()
    async with app.database.write() as db:
        taken = await rows.take_unchecked(db, now - CHECKED_EVERY, now, BATCH)
    for tenant_id, domain in taken:
        try:
            problem = await _proof_problem(domain, lookup)
        except Unavailable as error:
            log.warning("the proof of %s waits until tomorrow: %s", domain.host, error)
        else:
            await _note(app, tenant_id, domain, problem)


def instructions(app: App, domain: Domain) -> list[str]:
    """The DNS records to make, one a line as zone files write them."""
    target = urlsplit(app.settings.base_url).hostname
    return [
        f"{PROOF}.{domain.host}. TXT {domain.token}",
        f"{domain.host}. CNAME {target}.   (at the top of a zone: A and AAAA with its addresses)",
    ]


async def _note(app: App, tenant_id: str, domain: Domain, problem: str | None) -> None:
    now = app.clock()
    since = domain.failing_since or now
    async with app.database.write() as db:
        if problem is None:
            await rows.note_failing(db, tenant_id, domain.host, None)
        elif now - since < FORGIVEN_FOR:
            log.warning("%s of %s will be lost: %s", domain.host, tenant_id, problem)
            await rows.note_failing(db, tenant_id, domain.host, since)
        else:
            log.warning("%s of %s is lost: %s", domain.host, tenant_id, problem)
            await rows.release(db, tenant_id, domain.host, now)
    app.hosts.forget()


async def _claim_problem(db: AsyncConnection, tenant: TenantContext, host: str) -> str | None:
    """Whether the name is another tenant's, or was until lately. Says neither whose nor why."""
    if await rows.is_anothers(db, tenant.id, host):
        return (
            f"{host} is another page's here: it must be removed there first, and then {QUARANTINE.days} days pass"
        )
    released_at = await rows.released_elsewhere(db, tenant.id, host)
    if released_at is not None and tenant.now() < released_at + QUARANTINE:
        free_on = (released_at + QUARANTINE).date().isoformat()
        return f"{host} was another page's here until lately: check it again after {free_on}"
    return None


async def _proof_problem(domain: Domain, lookup: Lookup) -> str | None:
    name = f"{PROOF}.{domain.host}"
    found = await lookup(name, "TXT")
    if domain.token in found:
        return None
    if found:
        return f"the TXT record of {name} says {found[0]!r}: it must be {domain.token!r}"
    doubled = f"{name}.{domain.host.split('.', 1)[1]}"
    if domain.token in await lookup(doubled, "TXT"):
        return f"the TXT record was made at {doubled}: enter the name without the zone's own part"
    if domain.token in await lookup(domain.host, "TXT"):
        return f"the TXT record was made at {domain.host}: it belongs to {name}"
    return f"there is no TXT record at {name}: make one that says {domain.token!r}"


async def _address_problem(app: App, domain: Domain, lookup: Lookup) -> str | None:
    """Whether the host leads here, as far as the DNS tells. Behind a proxy it cannot: this only informs."""
    target = urlsplit(app.settings.base_url).hostname or ""
    if any(name.rstrip(".").lower() == target for name in await lookup(domain.host, "CNAME")):
        return None
    theirs = {*await lookup(domain.host, "A"), *await lookup(domain.host, "AAAA")}
    ours = {*await lookup(target, "A"), *await lookup(target, "AAAA")} if target else set()
    if not theirs:
        return f"{domain.host} leads nowhere yet: make a CNAME record to {target}"
    if theirs.isdisjoint(ours):
        return (
            f"{domain.host} leads to {', '.join(sorted(theirs))}, {target} is at {', '.join(sorted(ours)) or '?'}"
        )
    return None


async def look_up(name: str, kind: str) -> list[str]:
    """Ask the DNS. The one place that does."""
    try:
        answer = await dns.asyncresolver.resolve(name, kind, lifetime=DNS_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise Unavailable(f"the DNS does not answer for {name}: {error}") from error
    if kind == "TXT":
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]
    return [record.to_text() for record in answer]


class Hosts:
    """Whose page a Host header asks for. An answer holds for two seconds, and as long as the database is away."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._known: OrderedDict[str, tuple[str | None, datetime]] = OrderedDict()
        self._arrived: set[str] = set()

    async def owner(self, host: str) -> str | None:
        """The slug of the tenant that has proved the host to be its own."""
        now = self._clock()
        slug, until = self._known.get(host, (None, now))
        if until > now:
            return slug
        try:
            slug = await self._ask(host)
        except Unavailable:
            if host not in self._known:
                raise
        self._known[host] = slug, now + KNOWN_FOR
        self._known.move_to_end(host)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return slug

    def forget(self) -> None:
        """Ask anew from now on."""
        self._known.clear()

    async def arrived(self, host: str) -> None:
        """Note once that a visitor reached the page under this host."""
        if host not in self._arrived:
            self._arrived.add(host)
            async with self._database.write() as db:
                await rows.arrived(db, host, self._clock())

    async def _ask(self, host: str) -> str | None:
        async with self._database.read() as db:
            return await rows.owner(db, host)
