"""The record against a small model of it, on both databases in lock-step, under random sequences of operations."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from server import history
from server.components import create_component, list_components, set_own_state
from server.config import Settings
from server.context import App, TenantContext
from server.incidents import (
    IncidentDraft,
    UpdateDraft,
    UpdateEdit,
    create_incident,
    edit_update,
    get_incident,
    post_update,
)
from server.inference import Inference
from server.models import ComponentState, Scope, Severity, SeverityChange, Status
from server.opening import open_app
from server.store import components as component_rows
from server.tenants import TenantDraft, context_of, create_tenant
from tests.conftest import Clock, actor, real_matcher

T = TypeVar("T")
NAMES = ["API", "Web"]
IMPLIED = {None: "degraded", "minor": "degraded", "major": "partial_outage", "critical": "major_outage"}
ORDER = ["operational", "maintenance", "degraded", "partial_outage", "major_outage"]

open_statuses = st.sampled_from(["investigating", "identified", "monitoring"])
statuses = st.sampled_from(["investigating", "identified", "monitoring", "resolved"])
severities = st.sampled_from(["minor", "major", "critical"])
impacts = st.dictionaries(st.sampled_from(NAMES), st.none() | st.sampled_from(ORDER[1:]))
minutes = st.integers(1, 90)


@dataclass
class Said:
    """An update as the model knows it: a minute, and what it says."""

    at: datetime
    status: str | None = None
    severity: str | None = None
    tags: dict[str, str | None] | None = None


@dataclass
class Modelled:
    """An incident as the model knows it: nothing but its updates, in order of effect."""

    updates: list[Said]
    posted: list[Said] = field(default_factory=list)

    def until(self, moment: datetime) -> list[Said]:
        return [update for update in self.updates if update.at <= moment]

    def status(self, moment: datetime) -> str | None:
        return newest(update.status for update in self.until(moment))

    def severity(self, moment: datetime) -> str | None:
        said = newest(update.severity for update in self.until(moment))
        return None if said == "none" else said

    def tags(self, moment: datetime) -> dict[str, str | None]:
        return newest(update.tags for update in self.until(moment)) or {}

    def impact(self, name: str, moment: datetime) -> str:
        if self.status(moment) in (None, "resolved") or name not in self.tags(moment):
            return "operational"
        return self.tags(moment)[name] or IMPLIED[self.severity(moment)]


def newest(said: Iterable[T | None]) -> T | None:
    return next((value for value in reversed(list(said)) if value is not None), None)


class Both:
    """The product on an SQLite file and on a PostgreSQL database, driven by one event loop."""

    def __init__(self, urls: Sequence[str], clock: Clock) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._numbers = count(1)
        self.apps = [self.run(self._open(url, clock)) for url in urls]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def new_tenants(self) -> list[TenantContext]:
        """A fresh tenant on each."""
        slug = f"acme-{next(self._numbers)}"
        return [self.run(_tenant(app, slug)) for app in self.apps]

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    async def _open(self, url: str, clock: Clock) -> App:
        settings = Settings(database_url=url)
        return await self._stack.enter_async_context(open_app(settings, clock, inference=Inference(real_matcher)))


async def _tenant(app: App, slug: str) -> TenantContext:
    await create_tenant(app, TenantDraft(slug=slug, name="Acme"))
    return await context_of(app, slug, actor(*Scope))


class Record(RuleBasedStateMachine):
    """Posts, backdated posts, edits and own states; after each step both databases say what the model says."""

    both: Both
    clock: Clock

    @initialize()
    def begin(self) -> None:
        self.began = self.clock.advance(days=1)
        self.tenants = self.both.new_tenants()
        self.components = [
            {name: self.both.run(create_component(tenant, name)).id for name in NAMES} for tenant in self.tenants
        ]
        self.own = {name: [Said(self.began, "operational")] for name in NAMES}
        self.incidents: list[tuple[Modelled, list[str]]] = []

    def tags_of(self, tags: dict[str, str | None], which: int) -> dict[str, ComponentState | None]:
        return {
            self.components[which][name]: ComponentState(impact) if impact else None
            for name, impact in tags.items()
        }

    @rule(
        status=open_statuses, severity=st.none() | severities, tags=impacts, ago=st.none() | minutes, pause=minutes
    )
    def create(
        self, status: str, severity: str | None, tags: dict[str, str | None], ago: int | None, pause: int
    ) -> None:
        now = self.clock.advance(minutes=pause)
        at = now if ago is None else max(now - timedelta(minutes=ago), self.began)
        ids = [
            self.both.run(
                create_incident(
                    tenant,
                    IncidentDraft(
                        title="Trouble",
                        status=Status(status),
                        severity=Severity(severity) if severity else None,
                        components=self.tags_of(tags, which),
                        started_at=None if ago is None else at,
                    ),
                )
            ).id
            for which, tenant in enumerate(self.tenants)
        ]
        first = Said(at, status, severity, tags)
        self.incidents.append((Modelled([first], [first]), ids))

    @precondition(lambda self: self.incidents)
    @rule(
        data=st.data(),
        status=st.none() | statuses,
        severity=st.none() | severities | st.just("none"),
        tags=st.none() | impacts,
        ago=st.none() | minutes,
        pause=minutes,
    )
    def post(
        self, data: st.DataObject, status: str | None, severity: str | None, tags: dict[str, str | None] | None,
        ago: int | None, pause: int,
    ) -> None:  # fmt: skip
        modelled, ids = data.draw(st.sampled_from(self.incidents))
        now = self.clock.advance(minutes=pause)
        start = modelled.updates[0].at
        # an odd second, so that no two updates share a moment: their order would be the databases' own
        odd = timedelta(seconds=len(modelled.posted))
        at = now if ago is None else min(max(now - timedelta(minutes=ago), start) + odd, now)
        for which, tenant in enumerate(self.tenants):
            draft = UpdateDraft(
                incident_id=ids[which],
                message="A word",
                status=Status(status) if status else None,
                severity=SeverityChange(severity) if severity else None,
                components=None if tags is None else self.tags_of(tags, which),
                at=None if ago is None else at,
            )
            self.both.run(post_update(tenant, draft))
        said = Said(at, status, severity, tags)
        modelled.posted.append(said)
        modelled.updates.append(said)
        modelled.updates.sort(key=lambda update: update.at)

    @precondition(lambda self: any(len(modelled.posted) > 1 for modelled, _ in self.incidents))
    @rule(data=st.data(), status=statuses, severity=severities | st.just("none"))
    def edit(self, data: st.DataObject, status: str, severity: str) -> None:
        editable = [(modelled, ids) for modelled, ids in self.incidents if len(modelled.posted) > 1]
        modelled, ids = data.draw(st.sampled_from(editable))
        position = data.draw(st.integers(1, len(modelled.updates) - 1))
        update = modelled.updates[position]
        if (update.status, update.severity) == (status, severity):
            return
        for which, tenant in enumerate(self.tenants):
            incident = self.both.run(get_incident(tenant, ids[which]))
            edit = UpdateEdit(
                incident_id=ids[which],
                update_id=incident.updates[position].id,
                status=Status(status),
                severity=SeverityChange(severity),
            )
            self.both.run(edit_update(tenant, edit))
        update.status, update.severity = status, severity

    @rule(name=st.sampled_from(NAMES), state=st.sampled_from(ORDER), pause=minutes)
    def set_own(self, name: str, state: str, pause: int) -> None:
        self.own[name].append(Said(self.clock.advance(minutes=pause), state))
        for which, tenant in enumerate(self.tenants):
            self.both.run(set_own_state(tenant, self.components[which][name], ComponentState(state)))

    @invariant()
    def both_databases_say_what_the_model_says(self) -> None:
        now = self.clock.now
        for which, tenant in enumerate(self.tenants):
            for modelled, ids in self.incidents:
                incident = self.both.run(get_incident(tenant, ids[which]))
                assert incident.status == modelled.status(now)
                assert incident.severity == modelled.severity(now)
                assert incident.resolved_at == resolved_at(modelled)
                assert {one.id: one.impact for one in incident.affected} == {
                    self.components[which][name]: impact or IMPLIED[incident.severity]
                    for name, impact in modelled.tags(now).items()
                }
            shown = {one.id: one.state for one in self.both.run(list_components(tenant))}
            for name, component_id in self.components[which].items():
                changes = self.both.run(recorded(tenant, component_id))
                assert changes == self.expected_changes(name)
                assert shown[component_id] == changes[-1][1]

    def expected_changes(self, name: str) -> list[tuple[datetime, str]]:
        """The component's shown state over time, worked out from nothing but what was said."""
        moments = {said.at for said in self.own[name]}
        moments |= {update.at for modelled, _ in self.incidents for update in modelled.updates}
        states = [(moment, self.shown_at(name, moment)) for moment in sorted(moments)]
        return states[:1] + [later for earlier, later in pairwise(states) if earlier[1] != later[1]]

    def shown_at(self, name: str, moment: datetime) -> str:
        own = [said.status for said in self.own[name] if said.at <= moment and said.status]
        felt = [modelled.impact(name, moment) for modelled, _ in self.incidents]
        return max([own[-1] if own else "operational", *felt], key=ORDER.index)

    def teardown(self) -> None:
        for tenant in self.tenants:
            assert self.both.run(history.verify(tenant)) == []


@pytest.mark.slow
def test_whatever_is_posted_edited_and_set_both_databases_say_what_a_small_model_says(
    sqlite_url: str, postgres_url: str, clock: Clock
) -> None:
    both = Both([sqlite_url, postgres_url], clock)
    machine = type("Machine", (Record,), {"both": both, "clock": clock})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(derandomize=True, max_examples=10, stateful_step_count=20, deadline=None),
        )
    finally:
        both.close()


def resolved_at(modelled: Modelled) -> datetime | None:
    closed: datetime | None = None
    for update in modelled.updates:
        if update.status is not None:
            closed = (closed or update.at) if update.status == "resolved" else None
    return closed


async def recorded(tenant: TenantContext, component_id: str) -> list[tuple[datetime, str]]:
    async with tenant.read() as db:
        long_ago = datetime(2000, 1, 1, tzinfo=tenant.now().tzinfo)
        found = await component_rows.shown_states_since(db, tenant.id, long_ago)
    return [(change.at, change.state.value) for change in found[component_id]]
