"""Tenants: the companies that share this installation and never see each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from server.context import Actor, App, TenantContext
from server.errors import Invalid
from server.ids import new_id
from server.models import Line, Model, Scope, Slug, Tenant, TenantSettings
from server.store import audit
from server.store import tenants as rows

COMMAND_LINE = Actor(id="cli", name="command line", scopes=frozenset(Scope))


class TenantDraft(Model):
    slug: Slug
    name: Annotated[Line, Field(min_length=1, max_length=200)]
    settings: TenantSettings = TenantSettings()


async def create_tenant(app: App, draft: TenantDraft) -> Tenant:
    """Raises Invalid if the slug is taken."""
    tenant = Tenant(id=new_id("ten"), **draft.model_dump(), version=0, created_at=app.clock())
    async with app.database.write() as db:
        if not await rows.insert(db, tenant):
            raise Invalid(f"there is already a tenant {draft.slug!r}: choose another slug")
        await audit.insert(
            db, tenant.id, tenant.created_at, COMMAND_LINE.id, COMMAND_LINE.name, "tenant.create", tenant.id, {}
        )
    return tenant


async def list_tenants(app: App) -> list[Tenant]:
    async with app.database.read() as db:
        return await rows.every(db)


async def context_of(app: App, slug: str, actor: Actor = COMMAND_LINE) -> TenantContext:
    """The tenant of that slug, as the actor sees it. Raises NotFound."""
    async with app.database.read() as db:
        return TenantContext(app, (await rows.by_slug(db, slug)).id, actor)


async def get_settings(tenant: TenantContext) -> TenantSettings:
    tenant.require(Scope.ADMIN)
    async with tenant.read() as db:
        return (await rows.get(db, tenant.id)).settings


async def edit_settings(tenant: TenantContext, changes: Mapping[str, object]) -> TenantSettings:
    """Change the settings named, leave the others, and return all. A value that a setting refuses changes none.

    Raises pydantic's ValidationError, which names the setting.
    """
    tenant.require(Scope.ADMIN)
    async with tenant.publish() as db:
        before = (await rows.get(db, tenant.id)).settings
        settings = TenantSettings.model_validate(before.model_dump() | dict(changes))
        await rows.save_settings(db, tenant.id, settings)
        changed = settings.model_dump(mode="json", include=set(changes))
        await tenant.audit(db, "tenant.settings", tenant.id, **changed)
        return settings
