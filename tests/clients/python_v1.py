"""The Python SDK v1 (2025-11-25): `python_v1.py URL KEY QUERY` prints what it was told, as JSON.

Runs in an environment of its own (python_v1.txt), where `mcp` is another library than Herald's.
"""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def main(url: str, key: str, query: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        streamablehttp_client(url, headers=headers) as (read, write, _),
        ClientSession(read, write) as client,
    ):
        started = await client.initialize()
        tools = await client.list_tools()
        result = await client.call_tool("status_check", {"query": query})
    told = {
        "protocol": started.protocolVersion,
        "tools": [tool.name for tool in tools.tools],
        "answer": result.structuredContent,
    }
    sys.stdout.write(json.dumps(told) + "\n")


asyncio.run(main(*sys.argv[1:4]))
