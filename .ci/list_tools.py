"""List what a herald program offers over stdio: `list_tools.py PATH/TO/herald TENANT`. No tool is a failure."""

import asyncio
import os
import sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters


async def main(program: str, tenant: str) -> None:
    """Start the program as an MCP host would, in this folder, and print what it offers."""
    server = StdioServerParameters(command=program, args=["mcp", "--tenant", tenant], env=dict(os.environ))
    async with Client(server, read_timeout_seconds=60) as client:
        tools = (await client.list_tools()).tools
    if not tools:
        sys.exit("the server offers no tools")
    for tool in tools:
        print(tool.name)


asyncio.run(main(*sys.argv[1:]))
