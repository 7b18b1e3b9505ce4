"""How fast the status page is served, against nginx serving the same bytes as a static file.

Both servers are pinned to one core, the load generator (wrk) to another; rounds are interleaved and the ratio is
the median of the rounds' ratios. Identity bytes: neither compresses. Then what a static file cannot show:
revalidation, ten thousand tenants, and publishing while readers come. Needs nginx, wrk and taskset of the system.
"""

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from server.config import Settings
from server.context import App
from server.demo import demo_tenant
from server.incidents import IncidentDraft, create_incident
from server.opening import open_app
from server.tenants import TenantDraft, context_of, create_tenant
from status_site.app import create_site
from tests.served import free_port

SERVER_CORE, LOAD_CORE = "0", "1"
CONNECTIONS = 64
SECONDS = 4
TENANTS = 10_000
PUBLICATIONS = 10
VISIBLE_WITHIN_MS = 200

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; root {folder}; default_type text/html; }}
}}
"""


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        with asyncio.Runner(loop_factory=_uvloop()) as runner:
            runner.run(serve(Path(arguments.serve), arguments.port))
        return
    for program in ("nginx", "wrk", "taskset"):
        if not program_at(program):
            sys.exit(f"{program} is missing: install it from your system's packages")
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.rounds)
    print(json.dumps(figures, indent=None if arguments.json else 2))


# ------------------------------------------------------------------------------------------------ the server


async def serve(folder: Path, port: int) -> None:
    """The site with the demo's page and ten thousand small tenants; it publishes when it is told to, on stdin."""
    async with open_app(Settings(database_url=f"sqlite:///{folder / 'page.db'}", port=port)) as app:
        await demo_tenant(app)
        for number in range(TENANTS):
            await create_tenant(app, TenantDraft(slug=f"t{number}", name=f"Tenant {number}"))
        server = uvicorn.Server(
            uvicorn.Config(create_site(app), port=port, log_config=None, access_log=False, server_header=False)
        )
        running = asyncio.create_task(server.serve())
        await publish_on_request(app)
        server.should_exit = True
        await running


async def publish_on_request(app: App) -> None:
    """Each line that comes in is the title of an incident; each line that goes out says that it is committed."""
    tenant = await context_of(app, "demo")
    lines: asyncio.StreamReader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    while title := (await lines.readline()).decode().strip():
        await create_incident(tenant, IncidentDraft(title=title))
        print("published", flush=True)


# ------------------------------------------------------------------------------------------- the measurement


def measure(folder: Path, rounds: int) -> dict[str, Any]:
    with herald(folder) as (process, address):
        page = fetch(address)
        etag = page.headers["ETag"]
        (folder / "page").write_bytes(body := page.read())
        with nginx(folder) as static:
            pairs = [(load(address), load(static)) for _ in range(rounds)]
            revalidated = [load(address, header=f"If-None-Match: {etag}") for _ in range(rounds)]
        before = memory_of(process)
        tenants = visit_tenants(address)
        grown = memory_of(process) - before
        publishing = publish_under_load(process, address)
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return {
        "vs_nginx": round(statistics.median(a["rate"] / b["rate"] for a, b in pairs), 3),
        "page_bytes": len(body),
        "herald_requests_per_second": round(median(ours, "rate")),
        "herald_p99_ms_at_saturation": round(median(ours, "p99_ms"), 2),
        "nginx_requests_per_second": round(median(theirs, "rate")),
        "nginx_p99_ms_at_saturation": round(median(theirs, "p99_ms"), 2),
        "herald_304_per_second": round(median(revalidated, "rate")),
        "failed_requests": sum(one["failed"] for one in (*ours, *revalidated)),
        "tenants": {"count": TENANTS, "grown_mb": round(grown / 1024), **tenants},
        "publishing_under_load": publishing,
        "rounds": rounds,
        "seconds_per_round": SECONDS,
        "connections": CONNECTIONS,
        "configurations": {
            "herald": "uvicorn, one process, uvloop and httptools, SQLite, identity bytes from memory",
            "nginx": " ".join(NGINX.format(folder="FOLDER", port="PORT").split()),
            "pinned": f"each server to core {SERVER_CORE}, wrk with one thread to core {LOAD_CORE}",
        },
    }


def load(address: str, *, header: str = "Accept: */*", seconds: int = SECONDS) -> dict[str, float]:
    """One round of wrk: requests a second, the 99th percentile of latency, and how many failed."""
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    done = subprocess.run([*command, "-H", header, address], capture_output=True, text=True, check=True)
    return read_wrk(done.stdout)


def read_wrk(text: str) -> dict[str, float]:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if rate is None or p99 is None:
        raise RuntimeError(f"wrk said something else:\n{text}")
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return {
        "rate": float(rate[1]),
        "p99_ms": float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]],
        "failed": int(failed[1] if failed else 0) + sum(map(int, broken.groups() if broken else ())),
    }


def visit_tenants(address: str) -> dict[str, float]:
    """The page of every tenant once, in no order: each is loaded and made on the way."""
    base = address.removesuffix("demo")
    order = list(range(TENANTS))
    random.Random(1).shuffle(order)
    took = []
    for number in order:
        began = time.perf_counter()
        fetch(f"{base}t{number}").read()
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return {
        "first_visit_p50_ms": round(took[len(took) // 2], 2),
        "first_visit_p99_ms": round(took[-TENANTS // 100], 2),
    }


def publish_under_load(process: subprocess.Popen[str], address: str) -> dict[str, float]:
    """Post incidents while wrk saturates the server; how long until a reader sees each, and what failed."""
    assert process.stdin is not None
    assert process.stdout is not None
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{PUBLICATIONS}s", "--latency"]
    readers = subprocess.Popen([*command, address], stdout=subprocess.PIPE, text=True)
    seen = []
    for number in range(PUBLICATIONS):
        title = f"Published under load {number}"
        process.stdin.write(f"{title}\n")
        process.stdin.flush()
        process.stdout.readline()
        committed = time.perf_counter()
        while title.encode() not in fetch(address).read():
            pass
        seen.append((time.perf_counter() - committed) * 1000)
        time.sleep(0.5)
    text, _ = readers.communicate(timeout=60)
    found = read_wrk(text)
    return {
        "visible_after_ms_max": round(max(seen), 1),
        "visible_after_ms_median": round(statistics.median(seen), 1),
        "allowed_ms": VISIBLE_WITHIN_MS,
        "failed_requests": found["failed"],
        "requests_per_second": round(found["rate"]),
    }


# ---------------------------------------------------------------------------------------------------- parts


@contextmanager
def herald(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.page", "--serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the server did not start")
        wait_for(address := f"http://127.0.0.1:{port}/s/demo")
        yield process, address
    finally:
        process.stdin.close()
        process.wait(30)


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port))
    folder.chmod(0o755)  # its worker is another user where it is started by root
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, str(program_at("nginx")), "-c", str(configuration), "-p", str(folder)]
    )
    try:
        wait_for(address := f"http://127.0.0.1:{port}/page")
        yield address
    finally:
        process.terminate()
        process.wait(10)


def memory_of(process: subprocess.Popen[str]) -> int:
    """Its resident memory in KiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
    return int(found[1]) if found else 0


def program_at(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def wait_for(address: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            fetch(address).read()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nothing answers at {address}")


def fetch(address: str) -> Any:
    return urllib.request.urlopen(address, timeout=30)


def median(rounds: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in rounds)


def _uvloop() -> Any:
    import uvloop

    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
