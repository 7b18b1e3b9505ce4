// The TypeScript SDK v1 (2025-11-25): `node ts_v1.mjs URL KEY QUERY` prints what it was told, as JSON.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, key, query] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${key}` };
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: "typescript-sdk-v1", version: "1" });

await client.connect(transport);
const { tools } = await client.listTools();
const { structuredContent } = await client.callTool({ name: "status_check", arguments: { query } });
await client.close();

console.log(JSON.stringify({ protocol: transport.protocolVersion, tools: tools.map((tool) => tool.name), answer: structuredContent }));
