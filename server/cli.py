"""`herald`: the command line. Part of the shell; heavy parts are imported by the command that needs them."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embeddings.errors import EmbeddingError
from server.config import Settings
from server.errors import HeraldError
from server.models import ComponentState, Scope

Result = TypeVar("Result")

herald = typer.Typer(
    help="One incident record for AI agents, human agents, subscribers and the status page.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
tenant_commands = typer.Typer(help="Companies that share this installation.", no_args_is_help=True)
key_commands = typer.Typer(help="API keys of a tenant.", no_args_is_help=True)
component_commands = typer.Typer(help="What customers see on the status page.", no_args_is_help=True)
docs_commands = typer.Typer(help="Documentation that is made from the program.", no_args_is_help=True, hidden=True)
herald.add_typer(docs_commands, name="docs")
herald.add_typer(tenant_commands, name="tenant")
herald.add_typer(component_commands, name="component")
herald.add_typer(key_commands, name="key")
eval_commands = typer.Typer(help="Measure what the models do, on labelled text.", no_args_is_help=True)
subscriber_commands = typer.Typer(help="What is kept of a person.", no_args_is_help=True)
train_commands = typer.Typer(help="Train what the models add to their packaged weights.", no_args_is_help=True)
herald.add_typer(eval_commands, name="eval")
herald.add_typer(train_commands, name="train")
herald.add_typer(subscriber_commands, name="subscriber")
domain_commands = typer.Typer(help="Host names of a tenant's own for its status page.", no_args_is_help=True)
herald.add_typer(domain_commands, name="domain")
branding_commands = typer.Typer(help="How a tenant's page looks: logo, colour, words.", no_args_is_help=True)
herald.add_typer(branding_commands, name="branding")
import_commands = typer.Typer(help="Take over the history of another status page.", no_args_is_help=True)
herald.add_typer(import_commands, name="import")
mail_commands = typer.Typer(
    help="Subscribers' mail: what was sent, and through which server.", no_args_is_help=True
)
herald.add_typer(mail_commands, name="mail")

out = Console()
err = Console(stderr=True)

TenantOption = Annotated[str, typer.Option("--tenant", "-t", help="The tenant's slug.")]
DatabaseOption = Annotated[
    str | None, typer.Option("--database", help="Database URL; HERALD_DATABASE_URL or ./herald.db by default.")
]

ReadOnlyOption = Annotated[
    bool | None, typer.Option("--read-only", help="Offer only the MCP tools that change nothing.")
]
ToolsetsOption = Annotated[
    str | None, typer.Option("--toolsets", help="Offer only these groups of MCP tools, separated by commas.")
]


def main() -> None:
    """The console script. A refusal is a sentence and exit code 1, never a traceback."""
    try:
        herald()
    except (HeraldError, EmbeddingError) as error:
        _refuse(str(error))
    except ValidationError as error:
        _refuse(_first_problem(error))


# ------------------------------------------------------------------------------------------------- running


@herald.command()
def demo(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8000,
    host: Annotated[str, typer.Option(help="A loopback address.", hidden=True)] = "127.0.0.1",
    database: DatabaseOption = None,
) -> None:
    """Seed a demo tenant, serve it on this machine and print what to try."""
    from server import demo as seeded

    seeded.check_is_loopback(host)
    settings = _settings(database, port=port, host=host)
    if settings.smtp_url is None and settings.mail_dir is None:
        settings = settings.model_copy(update={"mail_dir": Path("herald-mail")})
    _prepare_model(settings)
    _run(_demo(settings))


@herald.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    read_only: ReadOnlyOption = None,
    toolsets: ToolsetsOption = None,
    database: DatabaseOption = None,
) -> None:
    """Serve MCP at /mcp and the status pages at /s/TENANT."""
    offer = _offer(read_only, toolsets)
    _run(_serve(_settings(database, host=host, port=port, **offer)))


@herald.command()
def mcp(
    tenant: TenantOption,
    scopes: Annotated[str, typer.Option(help="Scopes of this connection, separated by commas.")] = "agent",
    read_only: ReadOnlyOption = None,
    toolsets: ToolsetsOption = None,
    database: DatabaseOption = None,
) -> None:
    """Serve one tenant's tools to an MCP client over stdin and stdout."""
    _run(_mcp(_settings(database, **_offer(read_only, toolsets)), tenant, _scopes(scopes)))


@herald.command()
def worker(database: DatabaseOption = None) -> None:
    """Send mail, beside or instead of the worker inside `herald serve`. Any number may run."""
    _run(_worker(_settings(database)))


@herald.command()
def ask(
    question: Annotated[str, typer.Argument(help="What a customer wrote, or keywords, in any language.")],
    tenant: TenantOption = "demo",
    database: DatabaseOption = None,
) -> None:
    """Which active incidents is this about? Prints the matches as a table."""
    settings = _settings(database)
    _prepare_model(settings)
    _run(_ask(settings, tenant, question))


# --------------------------------------------------------------------------------------- tenants and keys


@tenant_commands.command("create")
def tenant_create(
    slug: Annotated[str, typer.Argument(help="Short name in addresses, such as acme.")],
    name: Annotated[str | None, typer.Option(help="Name that customers see; the slug by default.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Add a tenant. Its page is at /s/SLUG."""
    _run(_tenant_create(_settings(database), slug, name or slug))


@tenant_commands.command("list")
def tenant_list(database: DatabaseOption = None) -> None:
    """Show the tenants."""
    _run(_tenant_list(_settings(database)))


@component_commands.command("create")
def component_create(
    name: Annotated[str, typer.Argument(help="Name that customers see, such as 'Web App'.")],
    tenant: TenantOption,
    group: Annotated[str, typer.Option(help="Heading under which it stands.")] = "Core Services",
    description: Annotated[str, typer.Option(help="A line beside the name.")] = "",
    state: Annotated[ComponentState, typer.Option(help="Its own state.")] = ComponentState.OPERATIONAL,
    database: DatabaseOption = None,
) -> None:
    """Add a component at the end of its group."""
    _run(_component_create(_settings(database), tenant, name, description, group, state))


@component_commands.command("list")
def component_list(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Show a tenant's components, in the order of the page."""
    _run(_component_list(_settings(database), tenant))


@key_commands.command("create")
def key_create(
    name: Annotated[str, typer.Argument(help="What will use it, such as 'support bot'.")],
    tenant: TenantOption,
    scope: Annotated[list[Scope], typer.Option(help="What it may do; repeat for several.")],
    attests_addresses: Annotated[
        bool, typer.Option("--attests-addresses", help="Its host passes the signed-in customer's own address.")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Make a key and show it, once."""
    _run(_key_create(_settings(database), tenant, name, scope, attests_addresses))


@key_commands.command("list")
def key_list(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Show a tenant's keys, without their secrets."""
    _run(_key_list(_settings(database), tenant))


@key_commands.command("revoke")
def key_revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, from `herald key list`.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Refuse a key from now on, in every process."""
    _run(_key_revoke(_settings(database), tenant, key_id))


# ---------------------------------------------------------------------------------------------------- mail


@mail_commands.command("status")
def mail_status(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """How many mails were sent, wait or failed, and the newest that failed."""
    _run(_mail_status(_settings(database), tenant))


@mail_commands.command("retry")
def mail_retry(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Try again now: mails that were given up, those that wait, and the tenant's server."""
    _run(_mail_retry(_settings(database), tenant))


@mail_commands.command("test")
def mail_test(
    address: Annotated[str, typer.Argument(help="Where to.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Send a mail at once and show what the server says."""
    _run(_mail_test(_settings(database), tenant, address))


@mail_commands.command("channel")
def mail_channel(
    tenant: TenantOption,
    host: Annotated[str, typer.Option(help="The mail server.")],
    from_address: Annotated[str, typer.Option("--from", help="The address that mails come from.")],
    port: Annotated[int, typer.Option(help="Usually 587, or 465 with --tls tls.")] = 587,
    tls: Annotated[str, typer.Option(help="starttls, tls (from the start) or none.")] = "starttls",
    user: Annotated[str | None, typer.Option(help="To sign in with; the password is asked for.")] = None,
    name: Annotated[str | None, typer.Option(help="The name that mails come from; the page's by default.")] = None,
    reply_to: Annotated[str | None, typer.Option(help="Where answers go.")] = None,
    connections: Annotated[int, typer.Option(help="How many at the same time.")] = 8,
    per_minute: Annotated[int | None, typer.Option(help="At most this many mails a minute.")] = None,
    bounces: Annotated[str | None, typer.Option(help="A domain whose mail goes to `herald mail ingest`.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Send a tenant's mail through its own server."""
    password = typer.prompt("Password", hide_input=True, err=True) if user else None
    channel = {
        "host": host,
        "port": port,
        "tls": tls,
        "username": user,
        "from_address": from_address,
        "from_name": name,
        "reply_to": reply_to,
        "connections": connections,
        "per_minute": per_minute,
        "bounce_domain": bounces,
    }
    _run(_mail_channel(_settings(database), tenant, channel, password))


@mail_commands.command("channel-remove")
def mail_channel_remove(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Send a tenant's mail through the platform's server again."""
    _run(_mail_channel_remove(_settings(database), tenant))


@mail_commands.command("ingest")
def mail_ingest(
    recipient: Annotated[
        str | None, typer.Option(help="The address it was delivered to, such as Postfix's ${recipient}.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Read a bounce or a complaint from stdin: the command that the bounce domain's mail is piped to."""
    _run(_mail_ingest(_settings(database), sys.stdin.buffer.read(), recipient))


@mail_commands.command("allow")
def mail_allow(
    address: Annotated[str, typer.Argument(help="An address that gets no mail.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Let an address be written to again after a bounce, a complaint or "never write to me again"."""
    _run(_mail_allow(_settings(database), tenant, address))


# ------------------------------------------------------------------------------------------ people and consent


@subscriber_commands.command("export")
def subscriber_export(
    address: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Print everything that is kept of an address, as JSON."""
    _run(_subscriber_export(_settings(database), tenant, address))


@subscriber_commands.command("erase")
def subscriber_erase(
    address: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Forget an address: its subscriptions, requests, mail and evidence of consent."""
    _run(_subscriber_erase(_settings(database), tenant, address))


@eval_commands.command("match")
def eval_match(
    files: Annotated[list[Path], typer.Argument(help="Labelled messages, one tenant a line.")],
    threshold: Annotated[float, typer.Option(help="From which probability on a card is shown.")] = 0.5,
    plot: Annotated[Path | None, typer.Option(help="Draw reliability and precision-recall into this PNG.")] = None,
    json_only: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Is the right incident found, and can the probability be believed?"""
    _eval_match(_settings(None), files, threshold, plot, json_only)


@eval_commands.command("consent")
def eval_consent(
    files: Annotated[list[Path], typer.Argument(help="Labelled replies, one JSON object a line.")],
    analyzer: Annotated[str, typer.Option(help="local or anthropic.")] = "local",
    json_only: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """How often is a reply read as a yes that is none, and how many of the yeses are found?"""
    _run(_eval_consent(_settings(None), files, analyzer, json_only))


@train_commands.command("match")
def train_match(
    report: Annotated[bool, typer.Option("--report", help="Print the figures on authors left out.")] = False,
) -> None:
    """Train, calibrate and save the matching adapter from the text in the repository. Takes over an hour."""
    from embeddings.train import Recipe
    from embeddings.train import train_match as train

    figures = train(_cache_dir(_settings(None)), Recipe(), log=err.print)
    if report:
        out.print_json(data=figures)


@herald.command()
def calibrate(
    model: Annotated[
        str | None, typer.Option(help="A profile, a folder or a hub name; the configured one.")
    ] = None,
) -> None:
    """Fit a scorer for a model from the text in the repository."""
    from embeddings.calibrate import calibrate as fit

    settings = _settings(None)
    path = fit(model or settings.embedding_model, _cache_dir(settings), log=err.print)
    out.print(f"Fitted {path}.", highlight=False, soft_wrap=True)


# ------------------------------------------------------------------------------------------------- history


@herald.command("verify-history")
def verify_history(
    tenant: TenantOption,
    incident: Annotated[str | None, typer.Option(help="Only this incident's id.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Recompute the hash chains: was anything that customers read changed behind Herald's back?"""
    _run(_verify_history(_settings(database), tenant, incident))


@docs_commands.command("tools")
def docs_tools() -> None:
    """Print the reference of the MCP tools, as Markdown."""
    from tools.reference import tools_reference

    sys.stdout.write(tools_reference())


# -------------------------------------------------------------------------------------------------- bodies


async def _demo(settings: Settings) -> None:
    from server import demo as seeded
    from server.asgi import serve as serve_app
    from server.keys import Holder
    from server.opening import open_app

    _log_to_stderr()
    keys: dict[str, Holder] = {}
    async with open_app(settings, fixed_keys=None) as app:
        keys = seeded.demo_keys((await seeded.demo_tenant(app)).id)
    async with open_app(settings, fixed_keys=keys) as app:
        await serve_app(app, lambda: _print_what_to_try(settings))


async def _serve(settings: Settings) -> None:
    from server.asgi import serve as serve_app
    from server.opening import open_app

    _log_to_stderr()
    async with open_app(settings) as app:
        await serve_app(app, lambda: _say_where(settings))


async def _mcp(settings: Settings, slug: str, scopes: frozenset[Scope]) -> None:
    from server.context import Actor
    from server.keys import Holder
    from server.opening import background_work, open_app
    from server.tenants import context_of
    from tools.server import create_stdio_server

    _log_to_stderr()
    actor = Actor(id="stdio", name="stdio", scopes=scopes)
    async with open_app(settings) as app:
        tenant = await context_of(app, slug, actor)
        async with background_work(app):
            await create_stdio_server(app, Holder(tenant.id, actor)).run_stdio_async()


async def _worker(settings: Settings) -> None:
    import signal

    from server.notifications import Worker
    from server.opening import open_app

    _log_to_stderr()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_app(settings) as app:
        await Worker(app).run(stop)


async def _mail_status(settings: Settings, slug: str) -> None:
    from server.mail.overview import overview
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        found = await overview(await context_of(app, slug))
    out.print(f"Mail goes to {found.place}. Subscribers: {found.subscribers}.", highlight=False)
    if found.trouble:
        out.print(
            f"[red]The server takes nothing until {found.paused_until}:[/red] {found.trouble}", highlight=False
        )
    numbers = [f"{state} {number}" for state, number in found.mails.items()]
    numbers += [f"{number} addresses: {reason}" for reason, number in found.suppressed.items()]
    out.print(", ".join(numbers) or "No mail yet.", highlight=False)
    if found.failing:
        table = Table("mail", "to", "state", "attempts", "the server said")
        for mail in found.failing:
            table.add_row(mail["id"], mail["address"], mail["state"], str(mail["attempts"]), mail["reply"])
        out.print(table)


async def _mail_retry(settings: Settings, slug: str) -> None:
    from server.mail.overview import retry
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        out.print(f"{await retry(await context_of(app, slug))} mails are tried again.", highlight=False)


async def _mail_test(settings: Settings, slug: str, address: str) -> None:
    from server.mail.overview import send_test
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        out.print(f"Sent: {await send_test(await context_of(app, slug), address)}", highlight=False)


async def _mail_channel(settings: Settings, slug: str, channel: dict[str, Any], password: str | None) -> None:
    from server.mail.channels import Channel, save_channel
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        await save_channel(await context_of(app, slug), Channel(**channel), password)
        out.print("Saved. Try it with `herald mail test ADDRESS`.", highlight=False)


async def _mail_channel_remove(settings: Settings, slug: str) -> None:
    from server.mail.channels import delete_channel
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        await delete_channel(await context_of(app, slug))
        out.print("Removed.", highlight=False)


async def _mail_ingest(settings: Settings, raw: bytes, recipient: str | None) -> None:
    from server.mail.bounces import ingest
    from server.opening import open_app

    async with open_app(settings) as app:
        out.print((await ingest(app, raw, recipient)).value, highlight=False)


async def _mail_allow(settings: Settings, slug: str, address: str) -> None:
    from server.opening import open_app
    from server.subscriptions import lift_suppression
    from server.tenants import context_of

    async with open_app(settings) as app:
        await lift_suppression(await context_of(app, slug), address)
        out.print(f"{address} may be written to again.", highlight=False)


async def _ask(settings: Settings, slug: str, question: str) -> None:
    from server.matching import Asker, find_matches
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        tenant = await context_of(app, slug)
        found = await find_matches(tenant, question, Asker("command line"))
        if not found:
            out.print("No active incident matches.")
            return
        table = Table("relevance", "", "incident", "status", "components")
        for match in found:
            names = ", ".join(component.name for component in match.incident.affected)
            table.add_row(
                f"{match.relevance:.2f}", match.wording, match.incident.title, match.incident.status, names
            )
        out.print(table)


async def _tenant_create(settings: Settings, slug: str, name: str) -> None:
    from server.links import page_url
    from server.opening import open_app
    from server.tenants import TenantDraft, create_tenant

    async with open_app(settings) as app:
        tenant = await create_tenant(app, TenantDraft(slug=slug, name=name))
        out.print(f"Created [bold]{tenant.slug}[/bold]; its page: {page_url(settings, tenant)}", highlight=False)


async def _tenant_list(settings: Settings) -> None:
    from server.links import page_url
    from server.opening import open_app
    from server.tenants import list_tenants

    async with open_app(settings) as app:
        table = Table("slug", "name", "page")
        for tenant in await list_tenants(app):
            table.add_row(tenant.slug, tenant.name, page_url(settings, tenant))
        out.print(table)


async def _component_create(
    settings: Settings, slug: str, name: str, description: str, group: str, state: ComponentState
) -> None:
    from server.components import create_component
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        component = await create_component(await context_of(app, slug), name, description, group, state)
        out.print(f"Created {component.name} ({component.id}) in {component.group}.", highlight=False)


async def _component_list(settings: Settings, slug: str) -> None:
    from server.components import list_components
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        table = Table("id", "group", "name", "state", "own state")
        for component in await list_components(await context_of(app, slug)):
            table.add_row(component.id, component.group, component.name, component.state, component.own_state)
        out.print(table)


async def _key_create(
    settings: Settings, slug: str, name: str, scopes: list[Scope], attests_addresses: bool
) -> None:
    from server.keys import create_key
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        key, secret = await create_key(await context_of(app, slug), name, scopes, attests_addresses)
        err.print(f"Key [bold]{key.name}[/bold] ({key.id}). It is shown only now:", highlight=False)
        out.print(secret, highlight=False, soft_wrap=True)


async def _key_list(settings: Settings, slug: str) -> None:
    from server.keys import list_keys
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        table = Table("id", "name", "scopes", "created", "last used", "revoked")
        for key in await list_keys(await context_of(app, slug)):
            moments = (key.created_at, key.last_used_at, key.revoked_at)
            shown = [moment.isoformat(" ", "seconds") if moment else "–" for moment in moments]
            table.add_row(key.id, key.name, ", ".join(sorted(key.scopes)), *shown)
        out.print(table)


async def _key_revoke(settings: Settings, slug: str, key_id: str) -> None:
    from server.keys import revoke_key
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        await revoke_key(await context_of(app, slug), key_id)
        out.print(f"Revoked {key_id}.", highlight=False)


async def _subscriber_export(settings: Settings, slug: str, address: str) -> None:
    from server.consent import export_person
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        kept = await export_person(await context_of(app, slug), address)
        out.print_json(data=kept, ensure_ascii=False)


async def _subscriber_erase(settings: Settings, slug: str, address: str) -> None:
    from server.consent import erase_person
    from server.errors import NotFound
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        if not await erase_person(await context_of(app, slug), address):
            raise NotFound("nothing is kept of this address")
        out.print("Erased.")


def _eval_match(
    settings: Settings, files: list[Path], threshold: float, plot: Path | None, json_only: bool
) -> None:
    from embeddings.evaluation import judge, report
    from embeddings.evaluation import plot as draw
    from embeddings.labelled import read_tenants
    from embeddings.matcher import Matcher

    _prepare_model(settings)
    matcher = Matcher.load(settings.embedding_model, _cache_dir(settings))
    judged = judge(read_tenants(files), matcher)
    figures = report(judged, threshold)
    if plot is not None:
        draw(judged, plot)
    if not json_only:
        names = ("top1", "auc", "precision", "recall", "f1", "brier", "ece", "unposted_false_card_rate")
        table = Table(*names)
        table.add_row(*("–" if figures[name] is None else f"{figures[name]:.3f}" for name in names))
        out.print(table)
    out.print_json(data=figures, ensure_ascii=False)


async def _eval_consent(settings: Settings, files: list[Path], analyzer: str, json_only: bool) -> None:
    from server.analyzers import open_analyzer
    from server.consent_evaluation import evaluate_consent

    async with open_analyzer(settings, analyzer) as opened:
        figures = await evaluate_consent(files, opened)
    if not json_only:
        table = Table("offer", "rows", "false yes", "yes recall", "no recall", "address")
        for name, found in (("all", figures), *((n, figures[n]) for n in ("known_offer", "foreign_offer"))):
            cells = ("rows", "false_yes_rate", "yes_recall", "no_recall", "address_accuracy")
            table.add_row(name, *("–" if found[cell] is None else f"{found[cell]:.4g}" for cell in cells))
        out.print(table)
    out.print_json(data=figures, ensure_ascii=False)


async def _verify_history(settings: Settings, slug: str, incident: str | None) -> None:
    from server.history import verify
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        problems = await verify(await context_of(app, slug), incident)
    for problem in problems:
        place = f"{problem.incident_id} link {problem.position}" if problem.position else problem.incident_id
        out.print(f"[red]broken[/red] {place}: {problem.what}", highlight=False)
    if problems:
        sys.exit(1)
    out.print("The history is as it was written.")


@branding_commands.command("set")
def branding_set(
    tenant: TenantOption,
    file: Annotated[Path | None, typer.Argument(help="The logo: PNG, JPEG, WebP or SVG.", exists=True)] = None,
    favicon: Annotated[Path | None, typer.Option(help="The favicon: PNG, JPEG, WebP or SVG.", exists=True)] = None,
    title: Annotated[str | None, typer.Option(help="What the page is called.")] = None,
    description: Annotated[str | None, typer.Option(help="A line below its sentence.")] = None,
    colour: Annotated[str | None, typer.Option(help="Such as '#34407f'.")] = None,
    home_url: Annotated[str | None, typer.Option(help="The company's site.")] = None,
    support_url: Annotated[str | None, typer.Option(help="Where customers get help: https: or mailto:.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Change what is given; an empty text takes it back."""
    words = {"title": title, "description": description, "colour": colour, "home_url": home_url,
             "support_url": support_url}  # fmt: skip
    given: dict[str, object] = {name: value or None for name, value in words.items() if value is not None}
    pictures = {role: path for role, path in (("logo", file), ("favicon", favicon)) if path is not None}
    _run(_branding_set(_settings(database), tenant, given, pictures))


@branding_commands.command("show")
def branding_show(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Show what is set."""
    _run(_branding_show(_settings(database), tenant))


@branding_commands.command("clear")
def branding_clear(
    tenant: TenantOption,
    role: Annotated[str | None, typer.Argument(help="logo or favicon alone; everything by default.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Back to the tenant's name in Herald's own look."""
    _run(_branding_clear(_settings(database), tenant, role))


@import_commands.command("statuspage")
def import_statuspage(
    source: Annotated[str, typer.Argument(help="The page's address, or a file with its JSON.")],
    tenant: TenantOption,
    yes: Annotated[bool, typer.Option("--yes", help="Import; without it, only say what would be added.")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Ask addresses of your own network too, and plain HTTP.")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Take over components, incidents and maintenance, with their times; nobody gets mail. Again adds news."""
    _run(_import_statuspage(_settings(database), source, tenant, yes, allow_private))


@domain_commands.command("add")
def domain_add(
    host: Annotated[str, typer.Argument(help="Such as status.example.com.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Claim a host name and show the DNS records that prove it."""
    _run(_domain_add(_settings(database), tenant, host))


@domain_commands.command("check")
def domain_check(
    host: Annotated[str, typer.Argument(help="A host name that was added.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Look at the DNS now; say which record is wrong, and how."""
    _run(_domain_check(_settings(database), tenant, host))


@domain_commands.command("list")
def domain_list(tenant: TenantOption, database: DatabaseOption = None) -> None:
    """Show a tenant's host names and their states."""
    _run(_domain_list(_settings(database), tenant))


@domain_commands.command("remove")
def domain_remove(
    host: Annotated[str, typer.Argument(help="A host name that was added.")],
    tenant: TenantOption,
    database: DatabaseOption = None,
) -> None:
    """Stop serving the page under a host name."""
    _run(_domain_remove(_settings(database), tenant, host))


async def _branding_set(
    settings: Settings, slug: str, given: dict[str, object], pictures: dict[str, Path]
) -> None:
    from server.branding import edit_branding, read_changes, set_picture
    from server.opening import open_app
    from server.pictures import PictureRole
    from server.tenants import context_of

    async with open_app(settings) as app:
        tenant = await context_of(app, slug)
        for role, path in pictures.items():
            await set_picture(tenant, PictureRole(role), await asyncio.to_thread(path.read_bytes))
        if given or not pictures:
            await edit_branding(tenant, read_changes(given))
    await _branding_show(settings, slug)


async def _branding_show(settings: Settings, slug: str) -> None:
    from server.branding import get_branding
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        branding = await get_branding(await context_of(app, slug))
    table = Table(show_header=False)
    for name, value in branding.model_dump(exclude={"logo", "favicon"}).items():
        table.add_row(name, escape(str(value or "–")))
    out.print(table)


async def _branding_clear(settings: Settings, slug: str, role: str | None) -> None:
    from server.branding import clear_branding, clear_picture
    from server.errors import Invalid
    from server.opening import open_app
    from server.pictures import PictureRole
    from server.tenants import context_of

    if role not in (None, *PictureRole):
        raise Invalid(f"{role!r} is no picture of a page: name logo or favicon, or nothing for everything")
    async with open_app(settings) as app:
        tenant = await context_of(app, slug)
        await (clear_branding(tenant) if role is None else clear_picture(tenant, PictureRole(role)))
    out.print("Cleared.", highlight=False)


async def _import_statuspage(settings: Settings, source: str, slug: str, yes: bool, allow_private: bool) -> None:
    from server.errors import Invalid
    from server.importing import fetch_documents, import_page
    from server.opening import open_app
    from server.statuspage import read_page
    from server.tenants import context_of

    if "://" in source:
        documents = await fetch_documents(source, allow_private=allow_private)
    else:
        try:
            documents = [await asyncio.to_thread(Path(source).read_bytes)]
        except OSError as error:
            raise Invalid(f"cannot read {source} ({error.strerror}): name a file or an https address") from error
    page = read_page(documents)
    async with open_app(settings) as app:
        found = await import_page(await context_of(app, slug), page, dry_run=not yes)
    added = (f"{found.components} components, {found.incidents} incidents, {found.maintenances} maintenances and "
             f"{found.updates} updates")  # fmt: skip
    if found.is_empty:
        out.print(f"Nothing is new: all {found.known} incidents and maintenances are here.", highlight=False)
    elif yes:
        out.print(f"Imported {added}.", highlight=False)
    else:
        out.print(f"Would import {added}. Run it again with --yes to do so.", highlight=False)


async def _domain_add(settings: Settings, slug: str, host: str) -> None:
    from server.domains import add_domain, instructions
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        domain = await add_domain(await context_of(app, slug), host)
        out.print("Make these DNS records, then run `herald domain check`:", highlight=False)
        for record in instructions(app, domain):
            out.print(f"  {record}", highlight=False, soft_wrap=True)


async def _domain_check(settings: Settings, slug: str, host: str) -> None:
    from server.domains import check_domain, look_up
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        check = await check_domain(await context_of(app, slug), host, look_up)
    out.print(f"{check.domain.host}: {check.domain.state}", highlight=False)
    if check.problem:
        err.print(check.problem, highlight=False, soft_wrap=True)
        sys.exit(1)


async def _domain_list(settings: Settings, slug: str) -> None:
    from server.domains import list_domains
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        table = Table("host", "state")
        for domain in await list_domains(await context_of(app, slug)):
            table.add_row(domain.host, domain.state)
        out.print(table)


async def _domain_remove(settings: Settings, slug: str, host: str) -> None:
    from server.domains import remove_domain
    from server.opening import open_app
    from server.tenants import context_of

    async with open_app(settings) as app:
        await remove_domain(await context_of(app, slug), host)
    out.print(f"Removed {host}.", highlight=False)


# --------------------------------------------------------------------------------------------------- parts


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        return runner.run(work)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop where there is one; it does not run on Windows."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _settings(database: str | None, **options: Any) -> Settings:
    """Of the environment and the command line. Raises ValidationError, which `main` tells as a sentence."""
    given = {"database_url": database, **options}
    return Settings(**{name: value for name, value in given.items() if value is not None})


def _say_where(settings: Settings) -> None:
    err.print(f"Herald serves on {settings.base_url}", highlight=False)
    if settings.is_unreachable:
        err.print(
            "[yellow]Set HERALD_PUBLIC_URL to the address under which it is reached:[/yellow] "
            "until then links lead to this machine, and /mcp answers to it alone.",
            highlight=False,
        )


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


def _refuse(sentence: str) -> NoReturn:
    err.print(f"[red]herald:[/red] {escape(sentence)}", highlight=False)
    sys.exit(1)


def _first_problem(error: ValidationError) -> str:
    """What was typed wrongly, as a sentence."""
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    if error.title == Settings.__name__:
        name = f"HERALD_{name.upper()}"
    said = "use a-z, 0-9 and hyphens, such as acme" if name == "slug" else first["msg"]
    return f"{name}: {said.removeprefix('Value error, ')}"


def _cache_dir(settings: Settings) -> Path:
    from embeddings.profiles import default_cache_dir

    return settings.cache_dir or default_cache_dir()


def _prepare_model(settings: Settings) -> None:
    """Build the model's folder on first use, with a bar: it takes a while, and silence looks like a fault."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from embeddings.profiles import prepare, resolve

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        task = bars.add_task("Preparing the text model", total=None)
        prepare(
            resolve(settings.embedding_model),
            _cache_dir(settings),
            lambda done, total, what: bars.update(task, completed=done, total=total, description=what),
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
    out.print("\n".join(lines), highlight=False, soft_wrap=True)


def _log_to_stderr() -> None:
    """Before any library sets up logging of its own; stdout belongs to MCP and to answers."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
