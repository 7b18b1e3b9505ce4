"""`herald subscriber` and `herald eval consent` as somebody types them."""

from __future__ import annotations

import json
from pathlib import Path

from server.config import Settings
from server.models import Ground, Topic, TopicKind
from server.opening import open_app
from server.subscriptions import SignupDraft, ask
from server.tenants import TenantDraft, context_of, create_tenant
from tests.served import herald
from tests.test_cli import refusal

ROWS = Path(__file__).parents[1] / "embeddings" / "training" / "consent_unseen.jsonl"


async def test_a_person_is_exported_and_erased(sqlite_url: str) -> None:
    async with open_app(Settings(database_url=sqlite_url)) as app:
        await create_tenant(app, TenantDraft(slug="acme", name="Acme"))
        draft = SignupDraft(address="anna@example.com", topics=(Topic(kind=TopicKind.ALL),))
        await ask(await context_of(app, "acme"), draft, Ground(source="page"))
    person = ("anna@example.com", "--tenant", "acme")

    exported = json.loads(herald("subscriber", "export", *person, database_url=sqlite_url))
    erased = herald("subscriber", "erase", *person, database_url=sqlite_url)

    assert exported["address"] == "anna@example.com"
    assert [request["address"] for request in exported["requests"]] == ["anna@example.com"]
    assert erased == "Erased."
    assert json.loads(herald("subscriber", "export", *person, database_url=sqlite_url))["requests"] == []
    assert "nothing is kept" in refusal("subscriber", "erase", *person, database_url=sqlite_url)


def test_labelled_replies_are_measured_as_one_json_object(tmp_path: Path, sqlite_url: str) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(ROWS.read_text(encoding="utf-8").splitlines()[:12]), encoding="utf-8")

    figures = json.loads(herald("eval", "consent", str(few), "--json", database_url=sqlite_url))

    assert figures["rows"] == 12
    assert figures["false_yes_rate"] == 0
    assert {"known_offer", "foreign_offer", "by_lang", "by_kind", "confusion"} <= set(figures)
