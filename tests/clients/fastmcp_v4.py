"""FastMCP 4: `fastmcp_v4.py URL KEY QUERY` prints what it was told, as JSON.

Runs in an environment of its own (fastmcp_v4.txt).
"""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.auth import BearerAuth


async def main(url: str, key: str, query: str) -> None:
    async with Client(url, auth=BearerAuth(key)) as client:
        tools = await client.list_tools()
        result = await client.call_tool("status_check", {"query": query})
        protocol = client.session.protocol_version
    told = {
        "protocol": protocol,
        "tools": [tool.name for tool in tools],
        "answer": result.structured_content,
    }
    sys.stdout.write(json.dumps(told) + "\n")


asyncio.run(main(*sys.argv[1:4]))
