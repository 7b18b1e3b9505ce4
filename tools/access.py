"""What one request may use of the tools: what the server offers, narrowed by the request's own headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from server.errors import Invalid
from tools.registry import TOOLSETS, Published

READ_ONLY_HEADER = "x-mcp-readonly"
TOOLSETS_HEADER = "x-mcp-toolsets"


@dataclass(frozen=True)
class Access:
    """The tools that are there at all. Scopes decide separately, and a header can only take away."""

    read_only: bool = False
    toolsets: frozenset[str] = frozenset(TOOLSETS)

    def permits(self, tool: Published) -> bool:
        return tool.toolset in self.toolsets and (tool.read_only or not self.read_only)

    def narrowed(self, headers: Mapping[str, str]) -> Access:
        """What is left under `X-MCP-Readonly: true` and `X-MCP-Toolsets: incidents,components`."""
        read_only = headers.get(READ_ONLY_HEADER, "").strip().lower() in ("true", "1")
        wanted = headers.get(TOOLSETS_HEADER)
        if not read_only and wanted is None:
            return self
        toolsets = self.toolsets if wanted is None else self.toolsets & set(_names(wanted))
        return Access(self.read_only or read_only, toolsets)


def offered(read_only: bool, toolsets: Iterable[str]) -> Access:
    """What the operator of the server offers; no toolsets named: all. Raises Invalid for an unknown one."""
    wanted = frozenset(toolsets) or frozenset(TOOLSETS)
    unknown = sorted(wanted - set(TOOLSETS))
    if unknown:
        raise Invalid(f"unknown toolset {unknown[0]!r}; the toolsets are {', '.join(TOOLSETS)}")
    return Access(read_only, wanted)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
