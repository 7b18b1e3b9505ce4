"""Host names of a tenant's own: claimed, proved by the DNS, lost again; and which record is wrong."""

from __future__ import annotations

import asyncio

import pytest

from server.context import App, TenantContext
from server.domains import (
    Check,
    add_domain,
    check_again,
    check_domain,
    list_domains,
    normal_host,
    remove_domain,
)
from server.errors import Invalid, NotFound, Refused, Unavailable
from server.models import DomainState, Scope
from server.store.database import Database
from server.tenants import context_of
from tests.conftest import Clock, actor

HOST = "status.acme.example"


class Dns:
    """A DNS that says what a test wrote into it."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}

    def say(self, name: str, kind: str, *texts: str) -> None:
        self.records[name, kind] = list(texts)

    async def __call__(self, name: str, kind: str) -> list[str]:
        return self.records.get((name, kind), [])


@pytest.fixture
def dns() -> Dns:
    return Dns()


async def prove(tenant: TenantContext, dns: Dns, host: str = HOST) -> Check:
    domain = await add_domain(tenant, host)
    dns.say(f"_herald.{host}", "TXT", domain.token)
    return await check_domain(tenant, host, dns)


async def test_a_host_is_its_tenants_once_the_record_is_there(app: App, acme: TenantContext, dns: Dns) -> None:
    domain = await add_domain(acme, HOST)
    assert domain.state is DomainState.AWAITING_DNS
    assert await app.hosts.owner(HOST) is None

    check = await prove(acme, dns)

    assert check.domain.state is DomainState.ISSUING_CERTIFICATE
    assert await app.hosts.owner(HOST) == "acme"
    await app.hosts.arrived(HOST)
    assert (await list_domains(acme))[0].state is DomainState.ACTIVE


@pytest.mark.parametrize(
    ("name", "text", "explained"),
    [
        (f"_herald.{HOST}", "something else", "says 'something else': it must be"),
        (f"_herald.{HOST}.acme.example", None, "enter the name without the zone's own part"),
        (HOST, None, f"it belongs to _herald.{HOST}"),
        ("elsewhere.example", None, f"there is no TXT record at _herald.{HOST}"),
    ],
)
async def test_the_wrong_record_is_explained(
    acme: TenantContext, dns: Dns, name: str, text: str | None, explained: str
) -> None:
    domain = await add_domain(acme, HOST)
    dns.say(name, "TXT", text or domain.token)

    check = await check_domain(acme, HOST, dns)

    assert check.domain.state is DomainState.AWAITING_DNS
    assert explained in (check.problem or "")


async def test_where_the_host_leads_is_told_though_the_proof_is_enough(acme: TenantContext, dns: Dns) -> None:
    dns.say(HOST, "A", "192.0.2.7")

    check = await prove(acme, dns)

    assert check.domain.state is DomainState.ISSUING_CERTIFICATE
    assert (check.problem or "").startswith(f"{HOST} leads to 192.0.2.7")


async def test_another_tenant_can_claim_a_name_but_not_take_it(
    app: App, acme: TenantContext, globex: TenantContext, dns: Dns
) -> None:
    await prove(acme, dns)
    await add_domain(globex, HOST)

    check = await check_domain(globex, HOST, dns)

    assert check.domain.state is DomainState.AWAITING_DNS
    assert await app.hosts.owner(HOST) == "acme"


async def test_a_name_is_another_tenants_only_thirty_days_after_it_was_given_up(
    app: App, acme: TenantContext, globex: TenantContext, dns: Dns, clock: Clock
) -> None:
    await prove(acme, dns)
    assert "must be removed there first" in ((await prove(globex, dns)).problem or "")
    assert await app.hosts.owner(HOST) == "acme"

    await remove_domain(acme, HOST)
    clock.advance(days=29)
    assert "check it again after 2026-04-13" in ((await check_domain(globex, HOST, dns)).problem or "")
    assert await app.hosts.owner(HOST) is None

    clock.advance(days=1)
    await check_domain(globex, HOST, dns)
    assert await app.hosts.owner(HOST) == "globex"


async def test_who_gave_a_name_up_can_have_it_back_at_once(app: App, acme: TenantContext, dns: Dns) -> None:
    await prove(acme, dns)
    await remove_domain(acme, HOST)

    await prove(acme, dns)

    assert await app.hosts.owner(HOST) == "acme"


async def test_a_proof_that_stays_gone_for_three_days_is_lost_and_the_name_stays_closed_to_others(
    app: App, acme: TenantContext, globex: TenantContext, dns: Dns, clock: Clock
) -> None:
    await prove(acme, dns)
    dns.records.clear()
    for _ in range(3):  # found missing on the first of these days
        clock.advance(days=1, minutes=1)
        await check_again(app, dns)
        assert await app.hosts.owner(HOST) == "acme"

    clock.advance(days=1, minutes=1)
    await check_again(app, dns)

    assert await app.hosts.owner(HOST) is None
    assert "was another page's here until lately" in ((await prove(globex, dns)).problem or "")


async def test_a_proof_that_comes_back_in_time_is_as_good_as_before(
    app: App, acme: TenantContext, dns: Dns, clock: Clock
) -> None:
    await prove(acme, dns)
    records, dns.records = dns.records, {}
    clock.advance(days=1, minutes=1)
    await check_again(app, dns)
    dns.records = records
    clock.advance(days=1, minutes=1)
    await check_again(app, dns)
    dns.records = {}
    clock.advance(days=2, minutes=1)

    await check_again(app, dns)

    assert await app.hosts.owner(HOST) == "acme"  # the three days began anew


async def test_a_dns_that_does_not_answer_takes_no_name_away(app: App, acme: TenantContext, clock: Clock) -> None:
    await prove(acme, Dns())

    async def silent(name: str, _kind: str) -> list[str]:
        raise Unavailable(f"the DNS does not answer for {name}")

    for _ in range(9):
        clock.advance(days=1, minutes=1)
        await check_again(app, silent)

    assert await app.hosts.owner(HOST) == "acme"


async def test_a_name_is_checked_once_a_day_however_many_processes_look(
    app: App, other_app: App, acme: TenantContext, clock: Clock
) -> None:
    await prove(acme, Dns())
    asked: list[str] = []

    async def counting(name: str, _kind: str) -> list[str]:
        asked.append(name)
        return []

    clock.advance(hours=23)
    await check_again(app, counting)
    assert asked == []
    clock.advance(hours=2)
    await asyncio.gather(check_again(app, counting), check_again(other_app, counting))
    await check_again(app, counting)
    assert asked.count(f"_herald.{HOST}") == 1


async def test_a_record_that_is_gone_ends_the_proof_and_a_new_claim_needs_a_new_one(
    app: App, acme: TenantContext, dns: Dns
) -> None:
    first = (await prove(acme, dns)).domain
    dns.records.clear()
    assert (await check_domain(acme, HOST, dns)).domain.state is DomainState.AWAITING_DNS

    await remove_domain(acme, HOST)
    dns.say(f"_herald.{HOST}", "TXT", first.token)

    await add_domain(acme, HOST)
    assert (await check_domain(acme, HOST, dns)).domain.state is DomainState.AWAITING_DNS
    assert await app.hosts.owner(HOST) is None


async def test_a_removed_host_is_forgotten_within_seconds(
    app: App, acme: TenantContext, dns: Dns, clock: Clock
) -> None:
    await prove(acme, dns)
    assert await app.hosts.owner(HOST) == "acme"

    await remove_domain(acme, HOST)
    clock.advance(seconds=2)

    assert await app.hosts.owner(HOST) is None


async def test_a_known_host_stays_known_while_the_database_is_away(
    app: App, acme: TenantContext, dns: Dns, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prove(acme, dns)
    await app.hosts.owner(HOST)
    monkeypatch.setattr(Database, "read", _away)
    clock.advance(minutes=5)

    assert await app.hosts.owner(HOST) == "acme"
    with pytest.raises(Unavailable):
        await app.hosts.owner("other.example")


async def test_one_tenant_does_not_see_or_touch_anothers_hosts(
    acme: TenantContext, globex: TenantContext, dns: Dns
) -> None:
    await prove(acme, dns)

    assert await list_domains(globex) == []
    for operation in (remove_domain(globex, HOST), check_domain(globex, HOST, dns)):
        with pytest.raises(NotFound):
            await operation


async def test_only_an_admin_may_claim_a_host(app: App, acme: TenantContext) -> None:
    operator = await context_of(app, "acme", actor(Scope.OPERATOR))

    with pytest.raises(Refused):
        await add_domain(operator, HOST)


@pytest.mark.parametrize(
    ("written", "normal"),
    [("Status.Acme.example.", HOST), (" status.BÜCHER.example", "status.xn--bcher-kva.example")],
)
def test_a_host_is_kept_as_the_dns_writes_it(written: str, normal: str) -> None:
    assert normal_host(written) == normal


@pytest.mark.parametrize(
    "host", ["", "localhost", "127.0.0.1", "a b.example", "-x.example", "x..example", "a/b.example"]
)
def test_what_is_no_public_host_is_refused(host: str) -> None:
    with pytest.raises(Invalid):
        normal_host(host)


def _away(*_: object) -> object:
    raise Unavailable("the database is away")
