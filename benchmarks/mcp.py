"""CPU time of `status_check` over HTTP against a trivial tool on the bare SDK: `python -m benchmarks.mcp --json`.

Both servers run as processes of their own, verify a bearer token, and answer with a result of the same size; the
encoder is left out by asking the same question again. Rounds alternate, and the ratio is the median of theirs. A
bare Litestar POST stands beside them for orientation. What counts is the servers' CPU time, not how long we wait.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

ROUNDS = 7
CALLS = 1000
WARM_UP = 100
QUERY = "I cannot log in, it always says something went wrong"
HERALD = Path(sys.executable).with_name("herald")
REVISION = "2026-07-28"


@dataclass(frozen=True)
class Target:
    """Something that answers POST requests, and the request that it is asked."""

    name: str
    process: subprocess.Popen[bytes]
    url: str
    headers: dict[str, str]
    body: bytes

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    report = measure()
    print(json.dumps(report) if options.json else json.dumps(report, indent=2))


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, herald(Path(folder)) as product:
        size = len(asyncio.run(answer_of(product)))
        with bare("mcp", size) as bare_tool, bare("litestar", size) as post:
            targets = (product, bare_tool, post)
            for target in targets:
                asyncio.run(call(target, WARM_UP))
            rounds = [{target.name: cost(target) for target in targets} for _ in range(ROUNDS)]
    micros = {name: statistics.median(round_[name] for round_ in rounds) for name in rounds[0]}
    ratios = [round_["herald"] / round_["bare_tool"] for round_ in rounds]
    return {
        "benchmark": "mcp",
        "vs_bare_tool": round(statistics.median(ratios), 3),
        "vs_bare_tool_rounds": [round(ratio, 3) for ratio in ratios],
        "cpu_microseconds_per_call": {name: round(value, 1) for name, value in micros.items()},
        "result_bytes": size,
        "calls_per_round": CALLS,
        "rounds": ROUNDS,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def cost(target: Target) -> float:
    """Microseconds of the server's CPU time for one call."""
    before = target.cpu_seconds()
    asyncio.run(call(target, CALLS))
    return (target.cpu_seconds() - before) / CALLS * 1e6


async def call(target: Target, times: int) -> bytes:
    async with httpx2.AsyncClient(headers=target.headers, timeout=60) as http:
        for _ in range(times):
            response = await http.post(target.url, content=target.body)
            if response.status_code != 200 or b'"isError":true' in response.content:
                sys.exit(f"{target.name} answered {response.status_code}: {response.text[:500]}")
    return response.content


async def answer_of(target: Target) -> str:
    """The JSON text of the tool's result."""
    text = (await call(target, 1)).decode().strip().splitlines()[-1].removeprefix("data: ")
    found: str = json.loads(text)["result"]["content"][0]["text"]
    return found


def environment_in(folder: Path) -> dict[str, str]:
    """For a Herald of its own in that folder, that limits nobody."""
    return os.environ | {
        "HERALD_DATABASE_URL": f"sqlite:///{folder}/herald.db",
        "HERALD_REQUESTS_PER_MINUTE": "10000000",
    }


def run_herald(environment: dict[str, str], *arguments: str) -> str:
    """What `herald` with these arguments prints."""
    done = subprocess.run([HERALD, *arguments], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextmanager
def herald(folder: Path) -> Iterator[Target]:
    """`herald serve` with one tenant, one component and one incident that the question is about."""
    environment = environment_in(folder)
    run = partial(run_herald, environment)
    run("tenant", "create", "acme")
    run("component", "create", "Sign-in", "--tenant", "acme")
    key = run("key", "create", "bench", "--tenant", "acme", "--scope", "agent", "--scope", "operator")
    port = free_port()
    with running(
        [str(HERALD), "serve", "--port", str(port)], f"http://127.0.0.1:{port}/readyz", environment
    ) as process:
        url = f"http://127.0.0.1:{port}/mcp"
        incident = tool_call(
            "incident_create", title="Users cannot sign in and see an error page", components=["Sign-in"]
        )
        asyncio.run(call(Target("herald", process, url, headers("incident_create", key), incident), 1))
        yield Target("herald", process, url, headers("status_check", key), tool_call("status_check", query=QUERY))


@contextmanager
def bare(kind: str, size: int) -> Iterator[Target]:
    """The SDK's own server, or Litestar's, in the way their documentation recommends."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare", kind, str(port), str(size)]
    with running(command, f"http://127.0.0.1:{port}/readyz", dict(os.environ)) as process:
        if kind == "litestar":
            yield Target("litestar_post", process, f"http://127.0.0.1:{port}/check", {}, b'{"query":"x"}')
        else:
            sent = headers("check", "token")
            yield Target(
                "bare_tool", process, f"http://127.0.0.1:{port}/mcp", sent, tool_call("check", query=QUERY)
            )


def tool_call(name: str, **arguments: Any) -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": name, "arguments": arguments, "_meta": meta}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


def headers(tool: str, key: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {key}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": REVISION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }


@contextmanager
def running(command: list[str], ready: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_until_ready(process, ready)
            yield process
        finally:
            process.terminate()
            process.wait(10)


def wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(url, timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.2)
    sys.exit(f"{process.args!r} did not become ready")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
