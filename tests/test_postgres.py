"""The tests' own PostgreSQL: fresh databases, and nothing left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg

from tests.postgres import Cluster, postgres_cluster

ONE_CLUSTER_THEN_WAIT = """
from tests.postgres import postgres_cluster
with postgres_cluster() as cluster:
    print(cluster.folder / "data" / "postmaster.pid", flush=True)
    input()
"""


def dsn(url: str) -> str:
    return url.replace("postgresql+asyncpg", "postgresql")


async def test_each_database_is_empty_and_apart_from_the_others(postgres: Cluster) -> None:
    first = await asyncpg.connect(dsn(postgres.create_database()))
    second = await asyncpg.connect(dsn(postgres.create_database()))

    await first.execute("CREATE TABLE mark (id int)")

    assert await first.fetchval("SELECT to_regclass('mark') IS NOT NULL")
    assert await second.fetchval("SELECT to_regclass('mark') IS NULL")
    await first.close()
    await second.close()


async def test_the_fixture_gives_a_url_that_answers(postgres_url: str) -> None:
    connection = await asyncpg.connect(dsn(postgres_url))
    assert await connection.fetchval("SHOW server_version_num") >= "180000"
    assert await connection.fetchval("SHOW server_encoding") == "UTF8"
    await connection.close()


def test_writes_reach_the_disk_only_where_asked(postgres: Cluster) -> None:
    assert postgres.psql("SHOW fsync") == "off"
    with postgres_cluster(fsync=True) as durable:
        assert durable.psql("SHOW fsync") == "on"
        assert durable.psql("SHOW synchronous_commit") == "on"


def test_server_and_folder_are_gone_after_the_block() -> None:
    with postgres_cluster() as cluster:
        assert cluster.process.poll() is None
    assert cluster.process.poll() == 0
    assert not cluster.folder.exists()


def test_killing_the_test_run_ends_the_server() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", ONE_CLUSTER_THEN_WAIT],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert run.stdout is not None
    pid_file = Path(run.stdout.readline().decode().strip())
    server = int(pid_file.read_text().splitlines()[0])

    run.kill()
    run.communicate()

    if not wait_until_gone(pid_file, seconds=20):
        os.kill(server, signal.SIGKILL)
        raise AssertionError("the server outlived the test run")
    shutil.rmtree(pid_file.parents[1])  # that, a killed run cannot do


def wait_until_gone(path: Path, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not path.exists()
