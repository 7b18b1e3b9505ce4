// The TypeScript SDK v2: `node ts_v2.mjs URL KEY QUERY MODE` prints what it was told, as JSON.
// MODE "auto" negotiates 2026-07-28; "legacy" is the client's own default, 2025-11-25.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [url, key, query, mode] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${key}` };
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: "typescript-sdk-v2", version: "1" }, { versionNegotiation: { mode } });

await client.connect(transport);
const { tools } = await client.listTools();
const { structuredContent } = await client.callTool({ name: "status_check", arguments: { query } });
const protocol = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion;
await client.close();

console.log(JSON.stringify({ protocol, tools: tools.map((tool) => tool.name), answer: structuredContent }));
