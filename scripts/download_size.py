"""Say, before an installation, how much it may download.

Nearly everything hangs on which build of PyTorch pip takes, and the index tells that without a download. The sizes
are those of the wheels that constraints.txt pins (Python 3.11, x86-64), added up when the pins were made.
"""

import json
import subprocess
import sys
from pathlib import Path

CPU_MB = 500
GPU_MB = 3000

SMALLER = f"""\
Most of it is PyTorch's GPU libraries, which Herald does not need. For the CPU build ({CPU_MB} MB in all) stop this
and set PIP_EXTRA_INDEX_URL to PyTorch's CPU index; README.md, "A smaller install", has the line."""


def pinned_torch() -> str:
    """Return the version of PyTorch that the constraints ask for."""
    pins = dict(line.split("==") for line in Path("constraints.txt").read_text().splitlines() if "==" in line)
    return pins["torch"]


def served_torch() -> list[str]:
    """Return the versions of PyTorch that pip finds in its indexes; none if it cannot say."""
    listing = [sys.executable, "-m", "pip", "index", "versions", "torch", "--json"]
    found = subprocess.run(listing, capture_output=True, text=True, check=False)
    versions: list[str] = json.loads(found.stdout)["versions"] if found.returncode == 0 else []
    return versions


def announcement(platform: str, pinned: str, served: list[str]) -> str:
    """Say what is to come; on Linux, pip takes PyTorch with GPU libraries unless it finds the CPU build."""
    gpu = platform == "linux" and f"{pinned}+cpu" not in served
    size = f"Installing into .venv. To download, if pip has no copies: about {GPU_MB if gpu else CPU_MB} MB."
    return f"{size}\n{SMALLER}" if gpu else size


if __name__ == "__main__":
    print(announcement(sys.platform, pinned_torch(), served_torch()))
