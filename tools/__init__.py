"""Herald as MCP tools. What a model reads (names, descriptions, argument help) is here; the rest, in `server`."""
