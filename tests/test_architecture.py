"""Who may import whom. `docs/architecture.md` gives the reasons; this holds the rules."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = {
    "embeddings": {"embeddings"},
    "server": {"server", "embeddings"},
    "tools": {"tools", "server"},
    "status_site": {"status_site", "server"},
}
SHELL = ("server.asgi", "server.cli", "server.commands")
LEAVES = ("server.models", "server.errors", "server.texts", "server.ids")
HOMES = {
    "sentence_transformers": ("embeddings",),
    "torch": ("embeddings",),
    "onnxruntime": ("embeddings",),
    "sqlalchemy": ("server.store",),
    "alembic": ("server.store",),
    "aiosqlite": ("server.store",),
    "asyncpg": ("server.store",),
    "aiosmtplib": ("server.mail",),
    "anthropic": ("server.llm",),
    "dns": ("server.domains",),
    "mcp": ("tools",),
    "jwt": ("tools.oauth", "tools.oauth_keys"),
    "PIL": ("server.pictures", "status_site.fonts"),
    "resvg_py": ("server.rasterise", "status_site.opengraph"),
    "litestar": ("status_site",),
    "uvicorn": SHELL,
}
A_TYPE_TO_PASS_ON = "sqlalchemy.ext.asyncio.AsyncConnection"  # operations hold a transaction, and query nothing


def under(module: str, *parents: str) -> bool:
    return any(module == parent or module.startswith(f"{parent}.") for parent in parents)


def imports(source: str) -> Iterator[str]:
    """Yield the dotted name of everything that a module imports, at its top, in a function or for types alone."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{name.name}" for name in node.names)


def objection(module: str, imported: str) -> str | None:
    """Return the rule that an import breaks, or None."""
    package, library = module.split(".")[0], imported.split(".")[0]
    if imported.startswith("."):
        return "imports are absolute"
    if under(module, *SHELL):  # assembles the process, from everything
        return None
    if under(imported, *SHELL):
        return "the shell is imported by nobody"
    if library in HOMES and not under(module, *HOMES[library]) and imported != A_TYPE_TO_PASS_ON:
        return f"{library} is at home in {' and '.join(HOMES[library])}"
    if library not in PACKAGES:
        return None
    if library not in PACKAGES[package]:
        return f"{package} does not know {library}"
    if under(module, *LEAVES) and not under(imported, module):
        return "models, errors, texts and ids import nothing of ours"
    if under(module, "server.store") and not under(imported, "server.store", *LEAVES):
        return "the store knows models, not operations"
    if package != "server" and under(imported, "server.store"):
        return "faces call operations, not the store"
    return None


def modules() -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the source of every module of ours."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            yield (
                ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"),
                path.read_text(),
            )


def test_every_import_keeps_the_rules() -> None:
    broken = [
        f"{module} imports {imported}: {rule}"
        for module, source in modules()
        for imported in imports(source)
        if (rule := objection(module, imported))
    ]
    assert broken == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_itself_holds_only_a_docstring(package: str) -> None:
    """Another distribution may bring a `tools/__init__.py` too: whoever loses it loses nothing."""
    body = ast.parse((ROOT / package / "__init__.py").read_text()).body
    assert [type(statement) for statement in body] == [ast.Expr]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("embeddings.scorer", "from server.models import Incident"),
        ("server.matching", "import tools.registry"),
        ("server.matching", "def f():\n    from status_site import app"),
        ("tools.incidents", "from status_site.page import render"),
        ("status_site.page", "if TYPE_CHECKING:\n    from tools import registry"),
        ("tools.incidents", "from server import cli"),
        ("server.matching", "from server.asgi import app"),
        ("server.store.incidents", "from server.incidents import post_update"),
        ("server.store.incidents", "from server import context"),
        ("server.models", "from server.store import schema"),
        ("server.errors", "import embeddings.errors"),
        ("tools.incidents", "from server.store import incidents"),
        ("server.matching", "import torch.nn"),
        ("server.incidents", "from sqlalchemy import select"),
        ("status_site.page", "from sqlalchemy.ext.asyncio import create_async_engine"),
        ("server.notifications", "import aiosmtplib"),
        ("server.consent", "from anthropic import AsyncAnthropic"),
        ("status_site.page", "from mcp.server import MCPServer"),
        ("tools.incidents", "from litestar import get"),
        ("server.demo", "import uvicorn"),
        ("tools.incidents", "from . import registry"),
    ],
)
def test_a_broken_rule_is_found(module: str, source: str) -> None:
    assert all(objection(module, imported) for imported in imports(source))
    assert list(imports(source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("server.cli", "import uvicorn, litestar, tools.registry, status_site.app, server.asgi, server.incidents"),
        ("server.incidents", "from sqlalchemy.ext.asyncio import AsyncConnection"),
        ("server.incidents", "from server.store import incidents as rows"),
        ("server.store.incidents", "from server.models import Incident"),
        ("server.mail", "import aiosmtplib"),
        ("server.climate", "from server.asginess import x"),
    ],
)
def test_what_the_rules_allow_is_left_alone(module: str, source: str) -> None:
    assert not any(objection(module, imported) for imported in imports(source))
