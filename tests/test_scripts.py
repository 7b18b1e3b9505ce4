"""The scripts that installation and its pins rest on."""

import json
from pathlib import Path

import pytest

from scripts import constraints, download_size


def report(folder: Path, name: str, **packages: str) -> str:
    path = folder / name
    path.write_text(
        json.dumps({"install": [{"metadata": {"name": key, "version": value}} for key, value in packages.items()]})
    )
    return str(path)


def test_pins_accept_either_build_and_leave_the_project_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cpu = report(tmp_path, "all.json", torch="2.13.0+cpu", Typing_Extensions="4.16.0", herald="0.1.0")
    gpu = report(tmp_path, "gpu.json", torch="2.13.1", triton="3.7.1")

    constraints.main([cpu, gpu])

    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    assert lines == ["torch==2.13.0", "triton==3.7.1", "typing-extensions==4.16.0"]


@pytest.mark.parametrize(
    ("platform", "served", "size", "says_how_to_shrink"),
    [
        ("linux", ["2.13.0"], "3000 MB", True),
        ("linux", ["2.13.0+cpu", "2.13.0"], "500 MB", False),
        ("darwin", ["2.13.0"], "500 MB", False),
    ],
)
def test_the_size_follows_from_the_build_that_pip_would_take(
    platform: str, served: list[str], size: str, says_how_to_shrink: bool
) -> None:
    said = download_size.announcement(platform, "2.13.0", served)

    assert size in said.splitlines()[0]
    assert ("README.md" in said) is says_how_to_shrink
