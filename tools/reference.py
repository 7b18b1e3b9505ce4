"""The reference of the tools, as Markdown, made from what is served: it cannot say anything else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.prompts import PROMPTS
from tools.registry import PUBLISHED, Published
from tools.resources import INCIDENT, SUMMARY
from tools.schemas import closed_tool

HEAD = """# Tools

Made from the tools as they are served, by `herald docs tools > docs/tools.md`; a test compares the two.

Arguments are closed: one that a tool does not have is refused by name. A refusal says what to do next. What a tool
returns comes as structured content and, the same, as compact JSON text. Times are UTC.

"""

RESOURCES = f"""## Resources and prompts

`{SUMMARY}` and `{INCIDENT}` are JSON; `subscriptions/listen` tells when one reads otherwise. They need the scope
`agent` or `operator`.

| Prompt | Scope | What it does |
|---|---|---|
"""


def tools_reference() -> str:
    """The whole page."""
    return "".join([HEAD, *_overview(), *(_section(tool) for tool in PUBLISHED), RESOURCES, *_prompts()])


def _overview() -> Iterator[str]:
    yield "| Tool | Scope | Toolset | Changes something |\n|---|---|---|---|\n"
    for tool in PUBLISHED:
        changes = "no" if tool.read_only else "yes"
        yield f"| [`{tool.name}`](#{tool.name}) | {_scopes(tool.scopes)} | `{tool.toolset}` | {changes} |\n"
    yield "\n"


def _section(published: Published) -> str:
    tool = closed_tool(published)
    arguments = tool.parameters.get("properties", {})
    required = tool.parameters.get("required", [])
    lines = [f"## {tool.name}\n\n", f"{tool.description}\n\n"]
    if arguments:
        lines.append("| Argument | Type | Meaning |\n|---|---|---|\n")
    for name, schema in arguments.items():
        needed = "" if name in required else ", optional"
        lines.append(f"| `{name}` | {_type(schema)}{needed} | {schema.get('description', '')} |\n")
    return "".join([*lines, "\n" if arguments else ""])


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "any"))


def _prompts() -> Iterator[str]:
    for name, (prompt, scopes) in PROMPTS.items():
        yield f"| `{name}` | {_scopes(scopes)} | {prompt.description} |\n"


def _scopes(scopes: frozenset[Any]) -> str:
    return ", ".join(f"`{scope}`" for scope in sorted(scopes))
