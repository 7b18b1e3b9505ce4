"""One tenant never reaches another's anything: every tool that takes an id is given the other tenant's."""

from __future__ import annotations

from typing import Any

from mcp import Client

from server.components import create_component
from server.incidents import IncidentDraft, create_incident
from server.keys import create_key
from server.models import Scope
from tests.tools.conftest import Endpoint, answer, refusal

ID_ARGUMENTS = {"incident_id", "update_id", "component_id", "component_ids", "components", "impacts", "key_id"}
MISSING = {"incident": "inc_none", "update": "upd_none", "component": "cmp_none", "key": "key_none"}

Ids = dict[str, str]


def calls(ids: Ids) -> dict[str, dict[str, Any]]:
    """Every tool that takes an id, with arguments that are right but for whose they are."""
    incident, component = ids["incident"], ids["component"]
    return {
        "incident_create": {"title": "Down", "components": [component]},
        "incident_post_update": {"incident_id": incident, "message": "Hello"},
        "incident_resolve": {"incident_id": incident},
        "incident_set_components": {"incident_id": incident, "components": []},
        "incident_edit_update": {"incident_id": incident, "update_id": ids["update"], "message": "Hello"},
        "incident_preview": {"incident_id": incident, "message": "Hello"},
        "incident_get": {"incident_id": incident},
        "incident_report": {"incident_id": incident},
        "incident_list_revisions": {"incident_id": incident},
        "maintenance_schedule": {
            "title": "Upgrade",
            "components": [component],
            "starts_at": "2026-04-01T00:00:00Z",
            "ends_at": "2026-04-01T01:00:00Z",
        },
        "maintenance_update": {"incident_id": incident, "message": "Hello"},
        "maintenance_cancel": {"incident_id": incident},
        "component_update": {"component_id": component, "name": "Mine"},
        "component_reorder": {"component_ids": [component]},
        "component_delete": {"component_id": component},
        "component_set_state": {"component_id": component, "state": "degraded"},
        "key_revoke": {"key_id": ids["key"]},
        "status_subscribe": {
            "incident_id": incident,
            "reply": "yes please",
            "offer": "Shall we mail you updates?",
        },
    }


async def test_the_other_tenants_ids_are_refused_as_ids_that_do_not_exist(endpoint: Endpoint) -> None:
    foreign = await something_of_everything(endpoint)
    before = await everything(endpoint)

    async with endpoint.caller(*Scope, tenant=endpoint.stranger) as stranger:
        for name, arguments in calls(foreign).items():
            said = await refusal(stranger, name, **arguments)
            of_missing = await refusal(stranger, name, **calls(MISSING)[name])

            assert blanked(said, foreign) == blanked(of_missing, MISSING), name
        assert await listed(stranger) == {"incident_list": [], "component_list": []}

    assert await everything(endpoint) == before


async def test_every_tool_that_takes_an_id_is_tried(endpoint: Endpoint) -> None:
    async with endpoint.caller(*Scope) as client:
        tools = (await client.list_tools()).tools

    taking = {tool.name for tool in tools if ID_ARGUMENTS & set(tool.input_schema["properties"])}
    taking.remove("incident_check_title")  # its components are words to be judged, whoever has them
    named = {name for tool in tools for name in tool.input_schema["properties"] if name.endswith(("_id", "_ids"))}

    assert set(calls(MISSING)) == taking
    assert named - ID_ARGUMENTS == {"conversation_id", "offer_id"}  # the host's own, and one that names a text


async def something_of_everything(endpoint: Endpoint) -> Ids:
    component = await create_component(endpoint.tenant, "API")
    incident = await create_incident(endpoint.tenant, IncidentDraft(title="API down", message="Secret"))
    key, _ = await create_key(endpoint.tenant, "bot", [Scope.AGENT])
    return {
        "incident": incident.id,
        "update": incident.latest.id,
        "component": component.id,
        "key": key.id,
    }


async def everything(endpoint: Endpoint) -> dict[str, Any]:
    async with endpoint.caller(Scope.AGENT, Scope.OPERATOR) as client:
        return await listed(client)


async def listed(client: Client) -> dict[str, Any]:
    return {
        "incident_list": (await answer(client, "incident_list"))["incidents"],
        "component_list": (await answer(client, "component_list"))["components"],
    }


def blanked(text: str, ids: Ids) -> str:
    for value in ids.values():
        text = text.replace(value, "…")
    return text
