"""`herald train` and `herald calibrate`: make again what the models add to their packaged weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.shell import cache_dir, err, group, out, say, settings_of

training = group("Train what the models add to their packaged weights.")


@training.command("match")
def train_match(
    report: Annotated[bool, typer.Option("--report", help="Print the figures on authors left out.")] = False,
) -> None:
    """Train, calibrate and save the matching adapter from the text in the repository. Takes over an hour."""
    from embeddings.train import Recipe
    from embeddings.train import train_match as train

    figures = train(cache_dir(settings_of()), Recipe(), log=err.print)
    if report:
        out.print_json(data=figures)


@training.command("consent")
def train_consent(
    to: Annotated[Path, typer.Argument(help="The file to write the adapter to; the package's own is left alone.")],
) -> None:
    """Train the network that reads replies, from the phrase tables. Takes minutes."""
    from embeddings.consent.training import Recipe
    from embeddings.consent.training import train_consent as train

    train(to, cache_dir(settings_of()), Recipe(), log=err.print)
    say(f"Wrote {to}.")


def calibrate(
    model: Annotated[
        str | None, typer.Option(help="A profile, a folder or a hub name; the configured one.")
    ] = None,
) -> None:
    """Fit a scorer for a model from the text in the repository."""
    from embeddings.calibrate import calibrate as fit

    settings = settings_of()
    say(f"Fitted {fit(model or settings.embedding_model, cache_dir(settings), log=err.print)}.")
