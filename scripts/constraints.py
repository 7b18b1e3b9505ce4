"""Turn pip's installation reports into constraints.txt: one exact version for every package of an install.

    pip install --dry-run --ignore-installed --report report.json -e . --group dev
    python scripts/constraints.py report.json [more reports …] > constraints.txt

Give a report of PyTorch's default Linux build as well (`pip install --dry-run --ignore-installed --report gpu.json
torch==…`): the GPU libraries that it names are then pinned too. Versions lose their local part (`2.13.0+cpu`),
so that the constraint accepts either build.
"""

import json
import sys
from pathlib import Path

HEADER = """\
# Every package that `pip install -e . --group dev` brings, at the version that was tested.
# Use with -c. Written by scripts/constraints.py; CONTRIBUTING.md says when and how.
"""


def pins(report: Path) -> dict[str, str]:
    """Return name and version of every package in a report, but for the project itself."""
    packages = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    return {
        package["name"].lower().replace("_", "-"): package["version"].partition("+")[0]
        for package in packages
        if package["name"] != "herald"
    }


def main(reports: list[str]) -> None:
    """Print the constraints; where reports disagree, the first one wins."""
    merged: dict[str, str] = {}
    for report in reports:
        merged = pins(Path(report)) | merged
    print(HEADER + "\n".join(f"{name}=={version}" for name, version in sorted(merged.items())))


if __name__ == "__main__":
    main(sys.argv[1:])
