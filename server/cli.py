"""`herald`: the command line, put together. Part of the shell; the commands are in `server/commands/`."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.markup import escape

from embeddings.errors import EmbeddingError
from server.commands.asking import ask
from server.commands.branding import branding
from server.commands.docs import docs
from server.commands.domains import domains
from server.commands.eval import evaluations
from server.commands.history import verify_history
from server.commands.imports import imports
from server.commands.keys import keys
from server.commands.mail import mail
from server.commands.maintenance import maintenance
from server.commands.running import demo, mcp, serve, worker
from server.commands.shell import err
from server.commands.subscribers import subscribers
from server.commands.tenants import components, tenants
from server.commands.train import calibrate, training
from server.config import Settings
from server.errors import HeraldError

herald = typer.Typer(
    help="One incident record for AI agents, human agents, subscribers and the status page.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (demo, serve, mcp, worker, ask, calibrate):
    herald.command()(command)
herald.command("verify-history")(verify_history)

herald.add_typer(docs, name="docs")
herald.add_typer(tenants, name="tenant")
herald.add_typer(components, name="component")
herald.add_typer(keys, name="key")
herald.add_typer(subscribers, name="subscriber")
herald.add_typer(mail, name="mail")
herald.add_typer(maintenance, name="maintenance")
herald.add_typer(domains, name="domain")
herald.add_typer(branding, name="branding")
herald.add_typer(imports, name="import")
herald.add_typer(evaluations, name="eval")
herald.add_typer(training, name="train")


def main() -> None:
    """The console script. A refusal is a sentence and exit code 1, never a traceback."""
    try:
        herald()
    except (HeraldError, EmbeddingError) as error:
        _refuse(str(error))
    except ValidationError as error:
        _refuse(_first_problem(error))


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
