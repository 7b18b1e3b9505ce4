"""`herald docs`: documentation that is made from the program."""

from __future__ import annotations

import sys

from server.commands.shell import group

docs = group("Documentation that is made from the program.", hidden=True)


@docs.command("tools")
def docs_tools() -> None:
    """Print the reference of the MCP tools, as Markdown."""
    from tools.reference import tools_reference

    sys.stdout.write(tools_reference())
