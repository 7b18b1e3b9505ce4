"""One tenant's ids mean nothing to another: each operation answers as it does for what does not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from server import components, history, incidents, keys
from server.context import TenantContext
from server.errors import HeraldError
from server.incidents import IncidentDraft, Resolution, UpdateDraft, UpdateEdit
from server.models import ComponentState, Incident, Scope
from server.store.schema import component_state_history, incident_components, incident_updates


@dataclass(frozen=True)
class Ids:
    incident: str
    update: str
    component: str
    key: str


MISSING = Ids("inc_nope", "upd_nope", "cmp_nope", "key_nope")

Operation = Callable[[TenantContext, Ids, Incident], Awaitable[object]]
OPERATIONS: dict[str, Operation] = {
    "create_incident": lambda it, ids, _: incidents.create_incident(
        it, IncidentDraft(title="x", components={ids.component: None})
    ),
    "post_update": lambda it, ids, _: incidents.post_update(
        it, UpdateDraft(incident_id=ids.incident, message="x")
    ),
    "post_update, components": lambda it, ids, own: incidents.post_update(
        it, UpdateDraft(incident_id=own.id, components={ids.component: None})
    ),
    "resolve_incident": lambda it, ids, _: incidents.resolve_incident(it, Resolution(incident_id=ids.incident)),
    "edit_update": lambda it, ids, _: incidents.edit_update(
        it, UpdateEdit(incident_id=ids.incident, update_id=ids.update, message="x")
    ),
    "edit_update of one's own incident": lambda it, ids, own: incidents.edit_update(
        it, UpdateEdit(incident_id=own.id, update_id=ids.update, message="x")
    ),
    "get_incident": lambda it, ids, _: incidents.get_incident(it, ids.incident),
    "list_revisions": lambda it, ids, _: incidents.list_revisions(it, ids.incident),
    "verify": lambda it, ids, _: history.verify(it, ids.incident),
    "edit_component": lambda it, ids, _: components.edit_component(
        it, ids.component, components.Described(name="x")
    ),
    "reorder_components": lambda it, ids, _: components.reorder_components(it, [ids.component]),
    "delete_component": lambda it, ids, _: components.delete_component(it, ids.component),
    "set_own_state": lambda it, ids, _: components.set_own_state(it, ids.component, ComponentState.DEGRADED),
    "revoke_key": lambda it, ids, _: keys.revoke_key(it, ids.key),
}


@pytest.fixture
async def acmes(acme: TenantContext) -> Ids:
    component = await components.create_component(acme, "API")
    incident = await incidents.create_incident(
        acme, IncidentDraft(title="Acme's trouble", components={component.id: None})
    )
    key, _ = await keys.create_key(acme, "Acme's key", {Scope.AGENT})
    return Ids(incident.id, incident.latest.id, component.id, key.id)


async def refusal(operation: Awaitable[object]) -> tuple[type[HeraldError], str]:
    with pytest.raises(HeraldError) as refused:
        await operation
    return refused.type, str(refused.value)


async def test_another_tenants_ids_are_answered_like_ids_that_do_not_exist(
    acme: TenantContext, globex: TenantContext, acmes: Ids
) -> None:
    own = await incidents.create_incident(globex, IncidentDraft(title="Globex's trouble"))
    before = await incidents.get_incident(acme, acmes.incident), await components.list_components(acme)

    for name, operation in OPERATIONS.items():
        kind, words = await refusal(operation(globex, acmes, own))
        other_kind, other_words = await refusal(operation(globex, MISSING, own))

        for given, missing in zip(vars(acmes).values(), vars(MISSING).values(), strict=True):
            words = words.replace(given, missing)
        assert (kind, words) == (other_kind, other_words), name

    after = await incidents.get_incident(acme, acmes.incident), await components.list_components(acme)
    assert after == before


async def test_lists_and_snapshots_hold_nothing_of_another_tenant(
    acme: TenantContext, globex: TenantContext, acmes: Ids
) -> None:
    snapshot = await globex.app.snapshots.get(globex.id)

    assert (snapshot.active, snapshot.history, snapshot.components) == ((), (), ())
    assert (await incidents.list_incidents(globex)).incidents == ()
    assert await components.list_components(globex) == []
    assert await keys.list_keys(globex) == []
    assert await history.verify(globex) == []


async def test_the_database_itself_refuses_a_row_that_points_into_another_tenant(
    acme: TenantContext, globex: TenantContext, acmes: Ids
) -> None:
    own = await incidents.create_incident(globex, IncidentDraft(title="Globex's trouble"))
    now = globex.now()
    forged = [
        sa.insert(incident_components).values(
            tenant_id=globex.id, incident_id=own.id, component_id=acmes.component
        ),
        sa.insert(incident_components).values(
            tenant_id=acme.id, incident_id=own.id, component_id=acmes.component
        ),
        sa.insert(component_state_history).values(
            tenant_id=globex.id, component_id=acmes.component, at=now, state="degraded"
        ),
        sa.insert(incident_updates).values(
            tenant_id=globex.id, id="upd_x", incident_id=acmes.incident, at=now, created_at=now, author="x",
            version=1, translations={}, title_translations={},
        ),
    ]  # fmt: skip

    for statement in forged:
        with pytest.raises(IntegrityError):
            async with globex.write() as db:
                await db.execute(statement)
