"""`herald demo`, `serve`, `mcp` and `worker`: the commands that stay until they are stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from server.commands.shell import (
    DatabaseOption,
    TenantOption,
    err,
    log_to_stderr,
    prepare_model,
    run,
    say,
    settings_of,
)
from server.config import Settings
from server.models import Scope

ReadOnlyOption = Annotated[
    bool | None, typer.Option("--read-only", help="Offer only the MCP tools that change nothing.")
]
ToolsetsOption = Annotated[
    str | None, typer.Option("--toolsets", help="Offer only these groups of MCP tools, separated by commas.")
]


def demo(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8000,
    host: Annotated[str, typer.Option(help="A loopback address.", hidden=True)] = "127.0.0.1",
    database: DatabaseOption = None,
) -> None:
    """Seed a demo tenant, serve it on this machine and print what to try."""
    from server import demo as seeded

    seeded.check_is_loopback(host)
    settings = settings_of(database, port=port, host=host)
    if settings.smtp_url is None and settings.mail_dir is None:
        settings = settings.model_copy(update={"mail_dir": Path("herald-mail")})
    prepare_model(settings)
    run(_demo(settings))


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    read_only: ReadOnlyOption = None,
    toolsets: ToolsetsOption = None,
    database: DatabaseOption = None,
) -> None:
    """Serve MCP at /mcp and the status pages at /s/TENANT."""
    offer = _offer(read_only, toolsets)
    run(_serve(settings_of(database, host=host, port=port, **offer)))


def mcp(
    tenant: TenantOption,
    scopes: Annotated[str, typer.Option(help="Scopes of this connection, separated by commas.")] = "agent",
    read_only: ReadOnlyOption = None,
    toolsets: ToolsetsOption = None,
    database: DatabaseOption = None,
) -> None:
    """Serve one tenant's tools to an MCP client over stdin and stdout."""
    run(_mcp(settings_of(database, **_offer(read_only, toolsets)), tenant, _scopes(scopes)))


def worker(database: DatabaseOption = None) -> None:
    """Send mail, beside or instead of the worker inside `herald serve`. Any number may run."""
    run(_worker(settings_of(database)))


async def _demo(settings: Settings) -> None:
    from server import demo as seeded
    from server.asgi import serve as serve_app
    from server.keys import Holder
    from server.opening import open_app

    log_to_stderr()
    keys: dict[str, Holder] = {}
    async with open_app(settings, fixed_keys=None) as app:
        keys = seeded.demo_keys((await seeded.demo_tenant(app)).id)
    async with open_app(settings, fixed_keys=keys) as app:
        await serve_app(app, lambda: _print_what_to_try(settings))


async def _serve(settings: Settings) -> None:
    from server.asgi import serve as serve_app
    from server.opening import open_app

    log_to_stderr()
    async with open_app(settings) as app:
        await serve_app(app, lambda: _say_where(settings))


async def _mcp(settings: Settings, slug: str, scopes: frozenset[Scope]) -> None:
    from server.context import Actor
    from server.keys import Holder
    from server.opening import background_work, open_app
    from server.tenants import context_of
    from tools.server import create_stdio_server

    log_to_stderr()
    actor = Actor(id="stdio", name="stdio", scopes=scopes)
    async with open_app(settings) as app:
        tenant = await context_of(app, slug, actor)
        async with background_work(app):
            await create_stdio_server(app, Holder(tenant.id, actor)).run_stdio_async()


async def _worker(settings: Settings) -> None:
    import signal

    from server.notifications import Worker
    from server.opening import open_app

    log_to_stderr()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_app(settings) as app:
        await Worker(app).run(stop)


def _say_where(settings: Settings) -> None:
    err.print(f"Herald serves on {settings.base_url}", highlight=False)
    if settings.is_unreachable:
        err.print(
            "[yellow]Set HERALD_PUBLIC_URL to the address under which it is reached:[/yellow] "
            "until then links lead to this machine, and /mcp answers to it alone.",
            highlight=False,
        )


def _print_what_to_try(settings: Settings) -> None:
    from server.demo import AGENT_KEY, OPERATOR_KEY, SLUG

    url = settings.base_url
    lines = [
        "",
        "[bold]Herald is running.[/bold] Press Ctrl-C to stop it.",
        "",
        f"  Status page    {url}/s/{SLUG}",
        f"  Support inbox  {url}/demo/inbox",
        f"  Its mail       {url}/demo/mail",
        f"  MCP endpoint   {url}/mcp",
        f"  Agent key      {AGENT_KEY}",
        f"  Operator key   {OPERATOR_KEY}",
        "",
        "Connect Claude Code:",
        f'  claude mcp add --transport http herald {url}/mcp --header "Authorization: Bearer {OPERATOR_KEY}"',
        "",
        "Or try a customer's question in another terminal:",
        '  .venv/bin/herald ask "my payment keeps failing"',
        "",
    ]
    say("\n".join(lines))


def _offer(read_only: bool | None, toolsets: str | None) -> dict[str, Any]:
    """What of the MCP tools is offered, where the command line says so."""
    named = None if toolsets is None else tuple(name.strip() for name in toolsets.split(","))
    return {"read_only": read_only, "toolsets": named}


def _scopes(text: str) -> frozenset[Scope]:
    from server.errors import Invalid

    try:
        return frozenset(Scope(name.strip()) for name in text.split(","))
    except ValueError as error:
        raise Invalid(f"unknown scope in {text!r}; the scopes are {', '.join(Scope)}") from error
