"""What a model is shown: a snapshot per tool, a size that fits, schemas that every host can read, true docs.

`HERALD_SNAPSHOTS=write pytest tests/tools/test_surface.py` writes the snapshots anew, to be looked at in the diff.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver.tools import Tool

from server.models import Scope
from tools.reference import tools_reference
from tools.registry import PUBLIC, PUBLISHED, Published
from tools.schemas import closed_tool

ROOT = Path(__file__).parents[2]
SNAPSHOTS = ROOT / "tests" / "snapshots" / "tools"
BUDGET = 12 * 1024
MAX_NAME = 63 - len("mcp__herald__")  # hosts put the server's name before it and cut at 63


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda tool: tool.name)
def test_a_tool_is_as_its_snapshot_says(published: Published) -> None:
    snapshot = SNAPSHOTS / f"{published.name}.json"
    shown = json.dumps(as_listed(published), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("HERALD_SNAPSHOTS") == "write":
        snapshot.write_text(shown)

    assert shown == snapshot.read_text()


def test_there_is_no_snapshot_of_a_tool_that_is_gone() -> None:
    assert {file.stem for file in SNAPSHOTS.glob("*.json")} == {tool.name for tool in PUBLISHED}


def test_the_list_for_agents_stays_within_its_budget() -> None:
    listed = [as_listed(tool) for tool in PUBLISHED if Scope.AGENT in tool.scopes]

    assert len(json.dumps(listed, separators=(",", ":")).encode()) <= BUDGET


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda tool: tool.name)
def test_every_host_can_read_a_tools_schemas(published: Published) -> None:
    tool = closed_tool(published)

    assert len(tool.name) <= MAX_NAME
    assert re.fullmatch(r"[a-z_]+", tool.name)
    assert "$ref" not in json.dumps(tool.parameters)
    assert tool.parameters["type"] == "object"
    assert tool.parameters["additionalProperties"] is False
    assert not {"anyOf", "oneOf", "allOf"} & set(tool.parameters)
    assert all(argument.get("description") for argument in tool.parameters["properties"].values())
    assert tool.output_schema is not None
    assert tool.output_schema["type"] == "object"
    assert "anyOf" not in set(keys(tool.parameters)), "an argument has one type"


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda tool: tool.name)
def test_a_description_says_when_to_use_the_tool_when_not_and_what_comes_back(published: Published) -> None:
    description = " ".join((closed_tool(published).description or "").split())
    others = {tool.name for tool in PUBLISHED} - {published.name}

    assert re.search(r"\bReturns\b|the returned", description), "what comes back"
    assert re.search(r"Call (it|`)|For its|Do not call it for|What is left out stays|^Correct", description), (
        "when to use it"
    )
    assert any(name in description for name in others) or re.search(
        r"Do not call it|do not call|instead|It says nothing", description
    ), "when not to, or what to use then"
    assert len(description) <= 700


def test_what_a_tool_says_of_itself_fits_together() -> None:
    for tool in PUBLISHED:
        assert not (tool.read_only and tool.destructive), tool.name
        assert not tool.read_only or tool.idempotent, tool.name
        assert tool.scopes, tool.name
    assert {tool.name for tool in PUBLIC} == {"status_check", "incident_get", "component_list"}
    assert all(tool.read_only for tool in PUBLIC)


def test_the_reference_is_what_is_served() -> None:
    assert (ROOT / "docs" / "tools.md").read_text() == tools_reference(), "herald docs tools > docs/tools.md"


def as_listed(published: Published) -> dict[str, Any]:
    tool: Tool = closed_tool(published)
    assert tool.annotations is not None
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": tool.parameters,
        "outputSchema": tool.output_schema,
        "annotations": tool.annotations.model_dump(by_alias=True, exclude_none=True),
    }


def keys(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, part in node.items():
            yield name
            yield from keys(part)
    elif isinstance(node, list):
        for part in node:
            yield from keys(part)
