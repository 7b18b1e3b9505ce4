"""The command line as a person uses it: what it prints, and that a refusal is a sentence."""

from __future__ import annotations

import subprocess

import pytest

from tests.served import HERALD, environment, herald

pytestmark = pytest.mark.slow


def refusal(*arguments: str, database_url: str) -> str:
    """Run a command that must be refused and return what it said."""
    command = [str(HERALD), *arguments]
    done = subprocess.run(
        command, env=environment(database_url), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_a_tenant_its_components_and_its_keys_are_made_shown_and_revoked(sqlite_url: str) -> None:
    herald("tenant", "create", "acme", "--name", "Acme Inc", database_url=sqlite_url)
    herald("component", "create", "Web App", "--tenant", "acme", "--state", "degraded", database_url=sqlite_url)
    secret = herald("key", "create", "bot", "--tenant", "acme", "--scope", "agent", database_url=sqlite_url)
    listed = herald("key", "list", "--tenant", "acme", database_url=sqlite_url)
    key_id = next(word for word in listed.split() if word.startswith("key_"))
    herald("key", "revoke", key_id, "--tenant", "acme", database_url=sqlite_url)

    assert secret.startswith("herald_")
    assert len(secret.split()) == 1  # nothing else on stdout: it can be piped
    assert secret not in listed
    assert "Acme Inc" in herald("tenant", "list", database_url=sqlite_url)
    assert "degraded" in herald("component", "list", "--tenant", "acme", database_url=sqlite_url)
    assert "–" not in herald("key", "list", "--tenant", "acme", database_url=sqlite_url).split()[-2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["key", "list", "--tenant", "nobody"], "there is no tenant 'nobody'"),
        (["verify-history", "--tenant", "nobody"], "there is no tenant 'nobody'"),
        (["tenant", "create", "Not A Slug"], "slug:"),
        (
            ["mcp", "--tenant", "nobody", "--scopes", "everything"],
            "the scopes are agent, sidekick, operator, admin",
        ),
        (["demo", "--host", "0.0.0.0"], "use `herald serve` for 0.0.0.0"),
        (["serve", "--port", "99999"], "HERALD_PORT: Input should be less than or equal to 65535"),
        (
            ["tenant", "list", "--database", "mysql://x/y"],
            "HERALD_DATABASE_URL: give sqlite:///FILE or postgresql://",
        ),
    ],
)
def test_a_refusal_is_a_sentence(sqlite_url: str, arguments: list[str], said: str) -> None:
    assert said in refusal(*arguments, database_url=sqlite_url)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HERALD_PUBLIC_URL", "nonsense", "HERALD_PUBLIC_URL:"),
        ("HERALD_EMBEDDING_MODEL", "/nowhere", "no model '/nowhere'"),
    ],
)
def test_a_wrong_setting_is_named(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    assert said in refusal("ask", "is it down?", "--tenant", "nobody", database_url=sqlite_url)


def test_a_component_needs_a_name(sqlite_url: str) -> None:
    herald("tenant", "create", "acme", database_url=sqlite_url)

    assert "name:" in refusal("component", "create", "", "--tenant", "acme", database_url=sqlite_url)


@pytest.mark.parametrize(
    ("database_url", "said"),
    [
        ("sqlite:////nowhere/herald.db", "there is no folder /nowhere for the database"),
        ("postgresql://nobody@127.0.0.1:9/herald", "cannot open postgresql+asyncpg://nobody@127.0.0.1:9/herald"),
    ],
)
def test_a_database_that_cannot_be_reached_is_named_as_the_reason(database_url: str, said: str) -> None:
    assert said in refusal("tenant", "list", database_url=database_url)
