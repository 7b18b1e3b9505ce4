"""Branding and import at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.served import herald
from tests.server.test_importing import document
from tests.server.test_pictures import lettering
from tests.test_cli import refusal

pytestmark = pytest.mark.slow


def test_a_page_is_branded_shown_and_cleared(sqlite_url: str, tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(lettering("#111111"))
    herald("tenant", "create", "acme", database_url=sqlite_url)

    set_to = herald("branding", "set", str(logo), "-t", "acme", "--colour", "#c00", database_url=sqlite_url)
    assert "/s/acme/brand/logo-" in set_to
    assert "#cc0000" in set_to

    herald("branding", "clear", "logo", "-t", "acme", database_url=sqlite_url)
    shown = herald("branding", "show", "-t", "acme", database_url=sqlite_url)
    assert "/brand/logo-" not in shown
    assert "#cc0000" in shown

    said = refusal("branding", "set", "-t", "acme", "--colour", "red", database_url=sqlite_url)
    assert "colour: write the colour as #rrggbb" in said


def test_an_import_is_previewed_then_made_and_then_nothing_is_new(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "page.json"
    file.write_bytes(document())
    herald("tenant", "create", "acme", database_url=sqlite_url)
    command = ("import", "statuspage", str(file), "-t", "acme")

    added = "2 components, 1 incidents, 1 maintenances and 4 updates"
    assert herald(*command, database_url=sqlite_url).startswith(f"Would import {added}")
    assert herald(*command, "--yes", database_url=sqlite_url) == f"Imported {added}."
    assert herald(*command, "--yes", database_url=sqlite_url).startswith("Nothing is new: all 2")
    assert "No such file" in refusal("import", "statuspage", "nowhere.json", "-t", "acme", database_url=sqlite_url)
    private = refusal("import", "statuspage", "https://127.0.0.1/", "-t", "acme", database_url=sqlite_url)
    assert "private network" in private
