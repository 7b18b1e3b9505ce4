"""The Statuspage JSON as clients read it that others wrote for Atlassian's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients import install

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
SECONDS = 60
CARDS = "Card payments declined at checkout"
MOVE = "Webhooks move to new servers"
MAIL = "Login code e-mails arrive up to 20 minutes late"


def ask(program: Path, script: str, shop: str, folder: Path) -> Any:
    """What the client printed last. It runs in an empty folder: some leave files where they are."""
    done = subprocess.run(
        [program, HERE / script, f"{shop}/api/v2/"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_statuspage_prometheus_exporter_sees_incidents_and_what_they_affect(shop: str, tmp_path: Path) -> None:
    python = install.install_python(HERE / "statuspage_clients.txt")

    found = ask(python, "read_exporter.py", shop, tmp_path)

    assert found["success"] is True
    assert {one["name"]: (one["impact"], one["affected_components"]) for one in found["incident_metadata"]} == {
        CARDS: ("critical", ["Checkout", "Payments"]),
        MAIL: ("minor", ["Sign-in"]),
    }
    assert {"name": "Public API", "status": "operational", "status_value": 1} in found["component_metadata"]


def test_statuscheck_knows_every_word_that_is_used(shop: str, tmp_path: Path) -> None:
    """It maps each enumeration by a dictionary: an unknown value is a KeyError. It counts maintenance in."""
    python = install.install_python(HERE / "statuscheck.txt")

    found = ask(python, "read_statuscheck.py", shop, tmp_path)

    assert found["description"] == "Partial System Outage"
    assert found["incidents"] == {CARDS: ["Checkout", "Payments"], MAIL: ["Sign-in"], MOVE: ["Webhooks"]}
    assert found["components"]["Reports"] == "Under maintenance"


def test_whadup_reads_every_document(shop: str, tmp_path: Path) -> None:
    python = install.install_python(HERE / "statuspage_clients.txt")

    found = ask(python, "read_whadup.py", shop, tmp_path)

    assert {name: sorted(document) for name, document in found.items()} == {
        "active": ["page", "scheduled_maintenances"],
        "components": ["components", "page"],
        "incidents": ["incidents", "page"],
        "maintenances": ["page", "scheduled_maintenances"],
        "status": ["page", "status"],
        "summary": ["components", "incidents", "page", "scheduled_maintenances", "status"],
        "unresolved": ["incidents", "page"],
        "upcoming": ["page", "scheduled_maintenances"],
    }
    assert len(found["incidents"]["incidents"]) == 5
    assert len(found["unresolved"]["incidents"]) == 2
    assert [one["name"] for one in found["upcoming"]["scheduled_maintenances"]] == [MOVE]


def test_npms_statuspage_io_reads_every_document(shop: str, packages: Path, tmp_path: Path) -> None:
    node = install.node()
    assert node is not None

    found = ask(node, "read_statuspage_io.mjs", shop, tmp_path)

    assert found["status"]["status"] == {"indicator": "major", "description": "Partial System Outage"}
    assert [one["name"] for one in found["unresolved"]["incidents"]] == [CARDS, MAIL]
    assert len(found["incidents"]["incidents"]) == 5
    assert [one["name"] for one in found["upcoming"]["scheduled_maintenances"]] == [MOVE]
