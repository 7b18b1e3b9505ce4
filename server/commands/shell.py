"""What the commands share: the consoles, common options, the settings, and how one runs for a tenant."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from server.config import Settings

if TYPE_CHECKING:
    from server.context import App, TenantContext

Result = TypeVar("Result")

out = Console()
err = Console(stderr=True)

TenantOption = Annotated[str, typer.Option("--tenant", "-t", help="The tenant's slug.")]
DatabaseOption = Annotated[
    str | None, typer.Option("--database", help="Database URL; HERALD_DATABASE_URL or ./herald.db by default.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def group(about: str, **options: Any) -> typer.Typer:
    """Return the commands of a noun, to be filled."""
    return typer.Typer(help=about, no_args_is_help=True, **options)


def settings_of(database: str | None = None, **options: Any) -> Settings:
    """Of the environment and the command line. Raises ValidationError, which `main` tells as a sentence."""
    given = {"database_url": database, **options}
    return Settings(**{name: value for name, value in given.items() if value is not None})


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, on the fastest event loop there is."""
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        return runner.run(work)


def for_installation(database: str | None, work: Callable[[App], Awaitable[Result]]) -> Result:
    """Open the installation, do `work` and close it again."""

    async def opened() -> Result:
        from server.opening import open_app

        async with open_app(settings_of(database)) as app:
            return await work(app)

    return run(opened())


def for_tenant(database: str | None, slug: str, work: Callable[[TenantContext], Awaitable[Result]]) -> Result:
    """Open the installation, do `work` for one tenant and close it again. Raises NotFound."""

    async def chosen(app: App) -> Result:
        from server.tenants import context_of

        return await work(await context_of(app, slug))

    return for_installation(database, chosen)


def say(sentence: str) -> None:
    """Print a sentence as it is: no part of it coloured by guess, none broken into lines."""
    out.print(sentence, highlight=False, soft_wrap=True)


def cache_dir(settings: Settings) -> Path:
    """Where prepared models are kept."""
    from embeddings.profiles import default_cache_dir

    return settings.cache_dir or default_cache_dir()


def prepare_model(settings: Settings) -> None:
    """Build the model's folder on first use, with a bar: it takes a while, and silence looks like a fault."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from embeddings.profiles import prepare, resolve

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        task = bars.add_task("Preparing the text model", total=None)
        prepare(
            resolve(settings.embedding_model),
            cache_dir(settings),
            lambda done, total, what: bars.update(task, completed=done, total=total, description=what),
        )


def log_to_stderr() -> None:
    """Before any library sets up logging of its own; stdout belongs to MCP and to answers."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop where there is one; it does not run on Windows."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
