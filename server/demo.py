"""The demo tenant: a small shop whose page shows everything, and keys that exist in the demo process alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from server.components import create_component, set_own_state
from server.config import LOOPBACK
from server.context import Actor, App, TenantContext
from server.errors import Invalid, NotFound, Refused
from server.incidents import (
    IncidentDraft,
    UpdateDraft,
    UpdateEdit,
    create_incident,
    edit_update,
    get_incident,
    post_update,
)
from server.keys import Holder
from server.maintenance import MaintenanceDraft, schedule_maintenance
from server.models import ComponentState, Incident, Scope, Severity, SeverityChange, Status, TenantSettings
from server.tenants import TenantDraft, context_of, create_tenant, edit_settings, get_settings
from server.uptime import SHOWN_DAYS

SLUG = "demo"
# Well known, and worth nothing: only `herald demo` accepts them, and it listens on loopback only.
AGENT_KEY = "herald_demo_agent_key_for_loopback_only"
OPERATOR_KEY = "herald_demo_operator_key_for_loopback_only"
SIDEKICK_KEY = "herald_demo_sidekick_key_for_loopback_only"

PAGE = {"page_title": "Lumen Shop", "page_description": "The state of the shop, its payments and its API."}


def check_is_loopback(host: str) -> None:
    """Raises Invalid: with keys that everybody knows, the demo must not be reached from elsewhere."""
    if host not in LOOPBACK:
        raise Invalid(f"the demo listens on {' or '.join(LOOPBACK)} only; use `herald serve` for {host}")


def demo_keys(tenant_id: str) -> dict[str, Holder]:
    return {
        AGENT_KEY: _holder(tenant_id, "demo agent", Scope.AGENT, attests_addresses=True),
        OPERATOR_KEY: _holder(tenant_id, "demo operator", Scope.OPERATOR, Scope.ADMIN),
        SIDEKICK_KEY: _holder(tenant_id, "demo sidekick", Scope.SIDEKICK, attests_addresses=True),
    }


async def demo_tenant(app: App) -> TenantContext:
    """The demo tenant, seeded the first time. Whatever was changed in an earlier demo is kept.

    Raises Refused if an earlier demo was stopped while it was seeding.
    """
    seeder = Actor(id="demo", name="demo", scopes=frozenset(Scope))
    try:
        tenant = await context_of(app, SLUG, seeder)
    except NotFound:
        await create_tenant(app, TenantDraft(slug=SLUG, name="Lumen Shop"))
        tenant = await context_of(app, SLUG, seeder)
        await _seed(tenant)
        await edit_settings(tenant, PAGE)  # last: it marks that everything is there
        return tenant
    if await get_settings(tenant) == TenantSettings():
        raise Refused(
            "the demo was stopped while it was being set up: delete its database, herald.db, and start again"
        )
    return tenant


def _holder(tenant_id: str, name: str, *scopes: Scope, attests_addresses: bool = False) -> Holder:
    return Holder(tenant_id, Actor(name.replace(" ", "-"), name, frozenset(scopes), attests_addresses))


@dataclass(frozen=True)
class _Entry:
    """An update of the seeded past."""

    ago: timedelta
    message: str | None = None
    status: Status | None = None
    severity: SeverityChange | None = None


async def _seed(tenant: TenantContext) -> None:
    ids = await _seed_components(_long_ago(tenant))
    await set_own_state(tenant, ids["Reports"], ComponentState.MAINTENANCE)
    cards = await _seed_incident(
        tenant,
        "Card payments declined at checkout",
        Severity.MAJOR,
        [ids["Payments"], ids["Checkout"]],
        _Entry(timedelta(minutes=52), "Some card payments are declined. We are looking into it."),
        _Entry(
            timedelta(minutes=31),
            "A card processor refuses part of our requests. Bank transfer works.",
            Status.IDENTIFIED,
        ),
        _Entry(timedelta(minutes=6), severity=SeverityChange.CRITICAL),
    )
    await edit_update(
        tenant,
        UpdateEdit(
            incident_id=cards.id,
            update_id=cards.updates[1].id,
            message="Our card processor refuses a third of our requests. **Bank transfer and wallets work.**",
        ),
    )
    await _seed_incident(
        tenant,
        "Login code e-mails arrive up to 20 minutes late",
        Severity.MINOR,
        [ids["Sign-in"]],
        _Entry(timedelta(hours=3), "Codes for signing in arrive late. Passwords and passkeys are not affected."),
        _Entry(
            timedelta(hours=1), "Mail flows again at normal speed. We are watching the queue.", Status.MONITORING
        ),
    )
    await _seed_incident(
        tenant,
        "API requests time out in the EU region",
        Severity.MAJOR,
        [ids["Public API"]],
        _Entry(timedelta(days=6, hours=5), "Requests to the API take long or time out in the EU region."),
        _Entry(
            timedelta(days=6, hours=4), "A database replica fell behind. We are replacing it.", Status.IDENTIFIED
        ),
        _Entry(
            timedelta(days=6, hours=3), "The new replica serves requests. We are watching it.", Status.MONITORING
        ),
        _Entry(timedelta(days=6, hours=2), "Response times have been normal for an hour.", Status.RESOLVED),
    )
    await _seed_incident(
        tenant,
        "Product pictures missing in search results",
        None,
        [ids["Storefront"]],
        _Entry(timedelta(days=23, hours=9), "Search results show empty frames instead of pictures."),
        _Entry(
            timedelta(days=23, hours=8),
            "Pictures are back; the cause was an expired certificate.",
            Status.RESOLVED,
        ),
    )
    await _seed_incident(
        tenant,
        "Checkout unavailable",
        Severity.CRITICAL,
        [ids["Checkout"], ids["Payments"]],
        _Entry(timedelta(days=58, hours=3), "Nobody can pay at the moment. Everyone who can help is on it."),
        _Entry(
            timedelta(days=58, hours=2, minutes=19),
            "A faulty release was taken back and checkout works again.",
            Status.RESOLVED,
        ),
    )
    await _seed_maintenance(tenant)


async def _seed_maintenance(tenant: TenantContext) -> None:
    starts_at = tenant.now().replace(minute=0, second=0, microsecond=0) + timedelta(days=2, hours=3)
    await schedule_maintenance(
        tenant,
        MaintenanceDraft(
            title="Webhooks move to new servers",
            message="Events are delivered up to ten minutes late while we move. None is lost.",
            components=("Webhooks",),
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=2),
            notify=False,
        ),
    )


def _long_ago(tenant: TenantContext) -> TenantContext:
    """The same tenant before the history that the page shows began."""
    then = tenant.now() - timedelta(days=SHOWN_DAYS + 30)
    return replace(tenant, app=replace(tenant.app, clock=lambda: then))


async def _seed_components(tenant: TenantContext) -> dict[str, str]:
    seeded = [
        ("Storefront", "The shop as customers see it", "Core Services"),
        ("Checkout", "Basket, address and payment pages", "Core Services"),
        ("Sign-in", "Accounts, codes and passwords", "Core Services"),
        ("Payments", "Cards, wallets and bank transfer", "Core Services"),
        ("Public API", "api.lumen.example", "APIs"),
        ("Webhooks", "Events sent to your systems", "APIs"),
        ("Reports", "Nightly exports, moving to new storage", "APIs"),
    ]
    return {
        name: (await create_component(tenant, name, description, group)).id for name, description, group in seeded
    }


async def _seed_incident(
    tenant: TenantContext,
    title: str,
    severity: Severity | None,
    components: list[str],
    first: _Entry,
    *later: _Entry,
) -> Incident:
    now: datetime = tenant.now()
    incident = await create_incident(
        tenant,
        IncidentDraft(
            title=title,
            message=first.message,
            severity=severity,
            components=dict.fromkeys(components),
            started_at=now - first.ago,
            notify=False,
        ),
    )
    for entry in later:
        await post_update(
            tenant,
            UpdateDraft(
                incident_id=incident.id,
                message=entry.message,
                status=entry.status,
                severity=entry.severity,
                at=now - entry.ago,
                notify=False,
            ),
        )
    return await get_incident(tenant, incident.id)
