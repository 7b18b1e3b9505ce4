"""What a clone holds: nothing of the machine it was written on, nothing too big, every library declared."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
OURS = ("server", "tools", "status_site", "embeddings")
LARGEST_FILE = 3_000_000  # the largest is the adapter that reads replies; base weights come from packages
MODEL_FORMATS = {
    ".bin",
    ".gguf",
    ".onnx",
    ".pkl",
    ".pt",
    ".pth",
}  # models come from packages, and never as pickles

# In two parts each, so that this file does not find itself.
NOT_HERE = re.compile(
    "|".join(
        re.escape("".join(parts))
        for parts in [
            ("/wo", "rk/"),
            ("/ro", "ot/"),
            ("/tmp", "/v/"),
            ("pypi", ".org"),
            ("python", "hosted.org"),
            ("registry.np", "mjs.org"),
            ("deb.deb", "ian.org"),
        ]
    )
)


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {hit[0]}" for path in tracked_files() if (hit := NOT_HERE.search(text(path)))
    ]
    assert found == []


@pytest.mark.parametrize("line", ["see /wo" + "rk/main", "index-url = pypi" + ".org"])
def test_such_a_name_would_be_found(line: str) -> None:
    assert NOT_HERE.search(line)


def test_no_file_is_large_or_a_model() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.stat().st_size > LARGEST_FILE or path.suffix in MODEL_FORMATS
    ]
    assert found == []


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[\[<>=~! ]", requirement)[0]) for requirement in requirements}


def test_every_library_that_the_product_imports_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = names(project["dependencies"] + project["optional-dependencies"]["plot"])
    installed = packages_distributions()

    missing = {
        f"{path.relative_to(ROOT)}: {library}"
        for package in OURS
        for path in (ROOT / package).rglob("*.py")
        for library in top_level_imports(path)
        if library not in sys.stdlib_module_names and library not in OURS
        if not declared & {normal(name) for name in installed.get(library, [])}
    }
    assert missing == set()


def top_level_imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def with_what_they_bring(requirements: Iterable[str]) -> set[str]:
    """Return the names of the requirements and of all that they need in turn, as far as it is installed here."""
    found: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for chosen in ("", *requirement.extras):
            if (one := (normal(requirement.name), chosen)) not in found:
                found.add(one)
                waiting += [(Requirement(line), chosen) for line in requires(requirement.name) or []]
    return {name for name, _ in found}


def test_constraints_pin_everything_that_an_installation_brings() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]

    assert [line for line in lines if not re.fullmatch(r"[a-z0-9.-]+==[^+\s]+", line)] == []
    assert with_what_they_bring(wanted) - names(lines) == set()
