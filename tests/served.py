"""Herald as its users run it: a process of its own on a free port, which tests may kill, and a client for it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

READY_SECONDS = 120
STOP_SECONDS = 10
HERALD = Path(sys.executable).with_name("herald")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def herald(*arguments: str, database_url: str) -> str:
    """Run one `herald` command to its end and return what it printed."""
    done = subprocess.run(
        [HERALD, *arguments],
        env=environment(database_url),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def environment(database_url: str) -> dict[str, str]:
    return os.environ | {"HERALD_DATABASE_URL": database_url, "NO_COLOR": "1", "COLUMNS": "200"}


@dataclass
class Served:
    """A running `herald serve`."""

    database_url: str
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it can answer."""
        command = [str(HERALD), "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment(self.database_url), stdout=log, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except OSError:  # refused, or 503 while the model warms up
                time.sleep(0.2)
        raise RuntimeError(f"herald serve did not become ready:\n{self.log.read_text()}")

    def kill(self) -> None:
        """As a machine that loses power would: nothing is flushed, nobody is told."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def stop(self) -> float:
        """Stop it as an operator does. Returns how many seconds that took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return time.monotonic() - began

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as response:
            text: str = response.read().decode()
            return text


@contextmanager
def served(database_url: str, folder: Path) -> Iterator[Served]:
    """`herald serve` on that database for as long as the block lasts."""
    server = Served(database_url, folder / "herald.log")
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()


@asynccontextmanager
async def connected(url: str, key: str, mode: str = "auto") -> AsyncIterator[Client]:
    """A real MCP client over HTTP with that key."""
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client
