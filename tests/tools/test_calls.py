"""What every tool call promises: closed arguments, refusals that say what to do, and one answer in three forms."""

from __future__ import annotations

import json

import jsonschema  # type: ignore[import-untyped]
import pytest
from mcp import Client, MCPError
from mcp.types import INVALID_PARAMS

from server.components import create_component
from server.context import App
from server.incidents import IncidentDraft, create_incident
from server.models import Scope
from tests.tools.conftest import ERAS, Endpoint, answer, refusal, text_of

pytestmark = pytest.mark.parametrize("era", ERAS)


async def test_a_misspelt_argument_is_named_and_nothing_happens(endpoint: Endpoint, era: str) -> None:
    async with endpoint.caller(Scope.OPERATOR, era=era) as client:
        said = await refusal(client, "incident_create", title="API down", sevrity="major")
        listed = await answer(client, "incident_list")

    assert (
        said == "Invalid arguments for incident_create: sevrity: there is no such argument, see the tool's schema"
    )
    assert listed["incidents"] == []


async def test_a_missing_and_a_wrong_argument_are_both_named(endpoint: Endpoint, era: str) -> None:
    async with endpoint.caller(Scope.OPERATOR, era=era) as client:
        said = await refusal(client, "incident_create", severity="bad")

    assert said == (
        "Invalid arguments for incident_create: title: Field required; "
        "severity: Input should be 'minor', 'major' or 'critical'"
    )


async def test_an_unknown_and_a_forbidden_tool_are_refused_alike(endpoint: Endpoint, era: str) -> None:
    async with endpoint.caller(Scope.AGENT, era=era) as client:
        refusals = [await protocol_error(client, name) for name in ("incident_create", "no_such_tool")]

    assert refusals == [
        (INVALID_PARAMS, "Unknown tool: incident_create"),
        (INVALID_PARAMS, "Unknown tool: no_such_tool"),
    ]


async def test_a_refusal_of_an_operation_says_what_to_do(endpoint: Endpoint, era: str) -> None:
    api = await create_component(endpoint.tenant, "API")
    async with endpoint.caller(Scope.OPERATOR, era=era) as client:
        unknown = await refusal(client, "incident_create", title="Down", components=["Payments"])
        missing = await refusal(client, "incident_get", incident_id="inc_none")

    assert unknown == f"unknown component 'Payments'; the components are: {api.id} (API)"
    assert missing == "there is no incident 'inc_none'; take an id from status_check or incident_list"


async def test_an_unexpected_failure_keeps_its_text_to_itself(
    endpoint: Endpoint, app: App, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_tenant_id: str) -> None:
        raise RuntimeError("postgresql://herald:secret@db.internal/herald")

    async with endpoint.caller(Scope.AGENT, era=era) as client:
        monkeypatch.setattr(app.snapshots, "get", fail)
        said = await refusal(client, "status_check", query="login fails")

    assert said == "Error executing tool status_check"


async def test_text_structured_content_and_output_schema_agree(endpoint: Endpoint, era: str) -> None:
    await create_component(endpoint.tenant, "API")
    incident = await create_incident(endpoint.tenant, IncidentDraft(title="API answers 500", components={}))
    calls = {
        "component_list": {},
        "incident_list": {},
        "incident_get": {"incident_id": incident.id},
        "incident_post_update": {"incident_id": incident.id, "status": "identified", "message": "Found it."},
    }
    async with endpoint.caller(Scope.AGENT, Scope.OPERATOR, era=era) as client:
        schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
        for name, arguments in calls.items():
            result = await client.call_tool(name, arguments)

            assert json.loads(text_of(result)) == result.structured_content, name
            assert "\n" not in text_of(result), name
            jsonschema.validate(result.structured_content, schemas[name])


async def test_each_key_sees_the_tools_of_its_scopes_and_no_other(endpoint: Endpoint, era: str) -> None:
    seen = {}
    for scope in Scope:
        async with endpoint.caller(scope, era=era) as client:
            seen[scope] = {tool.name for tool in (await client.list_tools()).tools}

    assert seen[Scope.AGENT] & seen[Scope.OPERATOR] == {"incident_get", "component_list"}
    assert "status_check" in seen[Scope.AGENT]
    assert "incident_create" in seen[Scope.OPERATOR]
    assert seen[Scope.SIDEKICK] == set()


async def protocol_error(client: Client, tool: str) -> tuple[int, str]:
    with pytest.raises(MCPError) as refused:
        await client.call_tool(tool, {})
    return refused.value.error.code, refused.value.error.message
