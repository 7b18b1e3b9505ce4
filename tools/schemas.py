"""Turns a published function into an MCP tool with closed arguments and a schema that every host can read."""

from __future__ import annotations

import inspect
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations
from pydantic import ConfigDict

from tools.registry import Published


def closed_tool(published: Published) -> Tool:
    """A tool whose arguments are closed: a misspelt argument is an error, not dropped in silence."""
    tool = Tool.from_function(
        published.function,
        title=published.title,
        description=inspect.cleandoc(published.function.__doc__ or ""),
        annotations=ToolAnnotations(
            title=published.title,
            read_only_hint=published.read_only,
            destructive_hint=published.destructive,
            idempotent_hint=published.idempotent,
            open_world_hint=False,
        ),
    )
    model = tool.fn_metadata.arg_model
    closed: Any = type(model.__name__, (model,), {"model_config": ConfigDict(extra="forbid")})
    tool.fn_metadata.arg_model = closed
    tool.parameters = _slim(_inlined(closed.model_json_schema(by_alias=True)))
    output = tool.fn_metadata.output_schema
    tool.fn_metadata.output_schema = None if output is None else _slim(output)
    return tool


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without `$ref`: several hosts refuse a tool, or the whole list, for one."""
    definitions = schema.pop("$defs", {})

    def expand(node: Any) -> Any:
        if isinstance(node, list):
            return [expand(part) for part in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            target = definitions[node["$ref"].removeprefix("#/$defs/")]
            beside = {name: part for name, part in node.items() if name != "$ref"}
            return expand(target | beside)
        return {name: expand(part) for name, part in node.items()}

    expanded: dict[str, Any] = expand(schema)
    return expanded


def _slim(node: Any) -> Any:
    """The schema without what tells a model nothing: generated titles, and null for what may be left out."""
    if isinstance(node, list):
        return [_slim(part) for part in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _slim(part) for name, part in node.items() if not (name == "title" and isinstance(part, str))}
    options = [option for option in kept.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        del kept["anyOf"]
        kept = options[0] | kept
        if kept.get("default", "") is None:
            del kept["default"]
    return kept
