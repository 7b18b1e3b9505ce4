"""How fast a posted update becomes mail, against a bare aiosmtplib loop that keeps no books.

Both send to postfix's `smtp-sink` over eight connections. The bare loop sends messages that were built before it
began. Ours begins with the posted update in SQLite: it expands it, claims and renders every mail, sends it and
commits what the server said. Rounds are interleaved; a ratio is the median of the rounds' ratios. Once more with a
proxy between that adds 30 ms to every round trip. Then what only ours has: how long a post takes with many
subscribers, and how much memory the worker needs for them.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiosmtplib
import sqlalchemy as sa
from pydantic import SecretStr

from server.config import Settings
from server.context import App, TenantContext
from server.ids import new_id
from server.incidents import IncidentDraft, create_incident
from server.inference import Inference
from server.models import MailState
from server.notifications import Worker
from server.opening import open_app
from server.store import deliveries
from server.store.schema import fanouts, subscribers, subscriptions
from server.tenants import TenantDraft, context_of, create_tenant
from tests.served import free_port

CONNECTIONS = 8
ROUNDS = 5
LOOPBACK_MAILS = 2_000
RTT30_MAILS = 800
MANY = 100_000
POSTS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print nothing but one JSON object")
    parser.add_argument("--quick", action="store_true", help="one round, and a tenth of the subscribers")
    options = parser.parse_args()
    rounds, many = (1, MANY // 10) if options.quick else (ROUNDS, MANY)
    with smtp_sink() as port, delaying_proxy(port) as slow_port:
        result = {
            "connections": CONNECTIONS,
            "rounds": rounds,
            **compare("bare", port, LOOPBACK_MAILS, rounds),
            **compare("bare_rtt30", slow_port, RTT30_MAILS, rounds),
            **asyncio.run(at_scale(port, many)),
        }
    print(json.dumps(result, indent=None if options.json else 2))


def compare(name: str, port: int, number: int, rounds: int) -> dict[str, float]:
    """Mails a second of both, and ours by bare."""
    found = asyncio.run(interleaved(port, number, rounds))
    return {
        f"mails_per_second_{name}": round(statistics.median(bare for _, bare in found)),
        f"mails_per_second_herald_{name}": round(statistics.median(ours for ours, _ in found)),
        f"vs_{name}": round(statistics.median(ours / bare for ours, bare in found), 2),
    }


async def interleaved(port: int, number: int, rounds: int) -> list[tuple[float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_app(settings(folder, port), inference=Inference(no_model)) as app:
            tenant = await tenant_with(app, "acme", number)
            message = example_message()
            worker = Worker(app)
            await post_and_send(tenant, worker)  # connections are open and code is warm in both
            await send_bare(port, message, CONNECTIONS)
            found = []
            for _ in range(rounds):
                ours = await timed(post_and_send(tenant, worker))
                bare = await timed(send_bare(port, message, number))
                found.append((number / ours, number / bare))
            sent = await count_sent(tenant)
            if sent != number * (rounds + 1):
                raise RuntimeError(f"{sent} mails were noted as sent, not {number * (rounds + 1)}")
            return found


async def at_scale(port: int, many: int) -> dict[str, float]:
    """What a post costs with ten subscribers and with very many, and the memory that sending to them takes."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_app(settings(folder, port), inference=Inference(no_model)) as app:
            few_people, many_people = await tenant_with(app, "few", 10), await tenant_with(app, "many", many)
            few, lots = [], []
            for _ in range(POSTS):
                few.append(await timed(post(few_people)))
                lots.append(await timed(post(many_people)))
            async with app.database.write() as db:  # those were to be timed, not to be mailed
                await db.execute(sa.delete(fanouts))
            await post(many_people)
            worker = Worker(app)
            before = resident_mebibytes()
            seconds = await timed(worker.run_until_idle())
            return {
                "subscribers": many,
                "post_ms_10": round(statistics.median(few) * 1000, 2),
                "post_ms_many": round(statistics.median(lots) * 1000, 2),
                "post_many_vs_10": round(statistics.median(lots) / statistics.median(few), 2),
                "mails_per_second_many": round(await count_sent(many_people) / seconds),
                "memory_growth_mib": round(resident_mebibytes() - before, 1),
            }


async def post(tenant: TenantContext) -> None:
    message = "Some card payments are declined. We are looking into it."
    await create_incident(tenant, IncidentDraft(title="Card payments declined at checkout", message=message))


async def post_and_send(tenant: TenantContext, worker: Worker) -> None:
    await post(tenant)
    await worker.run_until_idle()


async def send_bare(port: int, message: bytes, number: int) -> None:
    """Eight connections that share a queue, each with aiosmtplib's own `sendmail`."""
    waiting = deque(f"person{place}@example.com" for place in range(number))

    async def lane() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            while waiting:
                await client.sendmail("status@acme.example", [waiting.popleft()], message)

    await asyncio.gather(*(lane() for _ in range(CONNECTIONS)))


async def timed(work: Any) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def tenant_with(app: App, slug: str, number: int) -> TenantContext:
    await create_tenant(app, TenantDraft(slug=slug, name=slug.title()))
    tenant = await context_of(app, slug)
    at = datetime.now(UTC) - timedelta(days=1)
    ids = [new_id("sub") for _ in range(number)]
    for start in range(0, number, 5_000):
        people = [
            {
                "tenant_id": tenant.id,
                "id": subscriber_id,
                "address": f"person{start + place}@example.com",
                "address_key": f"person{start + place}@example.com",
                "created_at": at,
            }
            for place, subscriber_id in enumerate(ids[start : start + 5_000])
        ]
        heard = [
            {
                "tenant_id": tenant.id,
                "subscriber_id": person["id"],
                "topic": "all",
                "subject_id": "",
                "confirmed_at": at,
                "ground": {"source": "benchmark"},
            }
            for person in people
        ]
        async with app.database.write() as db:
            await db.execute(sa.insert(subscribers), people)
            await db.execute(sa.insert(subscriptions), heard)
    return tenant


async def count_sent(tenant: TenantContext) -> int:
    async with tenant.read() as db:
        return (await deliveries.count_states(db, tenant.id)).get(MailState.SENT, 0)


def settings(folder: str, port: int) -> Settings:
    url = f"smtp://127.0.0.1:{port}?tls=none&from=status@acme.example&connections={CONNECTIONS}"
    return Settings(database_url=f"sqlite+aiosqlite:///{folder}/herald.db", smtp_url=SecretStr(url))


def example_message() -> bytes:
    """As large as one of ours."""
    return b"Subject: [Investigating] Card payments declined at checkout\r\n\r\n" + (b"x" * 70 + b"\r\n") * 80


def no_model() -> Any:
    raise RuntimeError("mail needs no text model")


def resident_mebibytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def smtp_sink() -> Iterator[int]:
    program = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("smtp-sink is missing: install the package postfix")
    port = free_port()
    as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, *as_user, f"127.0.0.1:{port}", "1024"], stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def delaying_proxy(port: int) -> Iterator[int]:
    """A process that passes everything on 15 ms later in each direction."""
    slow_port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks._slow_proxy", str(slow_port), str(port)])
    try:
        wait_for(slow_port)
        yield slow_port
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    main()
