"""Say, before an installation, how much it may download.

Nearly everything hangs on which build of PyTorch pip takes, and the index tells that without a download. The sizes
are those of the wheels that constraints.txt pins (Python 3.11, x86-64), added up when the pins were made.
"""

import json
import re
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
    found = re.search(r"^torch==(.+)$", Path("constraints.txt").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("constraints.txt does not pin torch")
    return found[1]


def takes_gpu_build() -> bool:
    """Return whether pip would take PyTorch with GPU libraries: on Linux, unless it finds the CPU build."""
    if sys.platform != "linux":
        return False
    listing = [sys.executable, "-m", "pip", "index", "versions", "torch", "--json"]
    found = subprocess.run(listing, capture_output=True, text=True, check=False)
    return found.returncode != 0 or f"{pinned_torch()}+cpu" not in json.loads(found.stdout)["versions"]


def main() -> None:
    """Print the size, and how to make it smaller where that is possible."""
    gpu = takes_gpu_build()
    print(f"Installing into .venv. To download, if pip has no copies: about {GPU_MB if gpu else CPU_MB} MB.")
    if gpu:
        print(SMALLER)


if __name__ == "__main__":
    main()
