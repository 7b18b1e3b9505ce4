"""What stands in front of Herald: Caddy and the compose file, read by the programs that will read them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[1]
CADDY = shutil.which("caddy")
PROGRAM_SETTINGS = {"HERALD_HOST": "status.example.com", "HERALD_AT": "herald:8000"}


@pytest.mark.skipif(CADDY is None, reason="caddy is not installed")
def test_caddy_accepts_its_file_asks_before_it_issues_and_shows_nothing_internal(tmp_path: Path) -> None:
    assert CADDY is not None
    environment = os.environ | PROGRAM_SETTINGS | {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}

    def caddy(command: str) -> str:
        arguments = [CADDY, command, "--config", str(ROOT / "Caddyfile"), "--adapter", "caddyfile"]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    caddy("validate")
    adapted = json.loads(caddy("adapt"))

    asked = adapted["apps"]["tls"]["automation"]["on_demand"]  # Caddy 2.8 gave the question a module of its own
    assert "http://herald:8000/internal/tls-ask" in (asked.get("ask"), asked.get("permission", {}).get("endpoint"))
    policies = adapted["apps"]["tls"]["automation"]["policies"]
    assert [policy.get("on_demand") for policy in policies].count(True) == 1
    sites = json.dumps(adapted["apps"]["http"]["servers"])
    assert sites.count("/internal/*") == 2, "on its own host and on every tenant's"


def test_the_compose_file_runs_caddy_before_herald_and_publishes_nothing_else() -> None:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]

    assert [name for name, service in services.items() if "ports" in service] == ["caddy"]
    assert services["caddy"]["environment"]["HERALD_AT"] == "herald:8000"
    assert services["herald"]["environment"]["HERALD_DATABASE_URL"].startswith("postgresql://")
    assert services["worker"]["command"] == ["worker"]
    assert set(services["herald"]["depends_on"]) == {"postgres"}
