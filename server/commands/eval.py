"""`herald eval`: what the models do, on labelled text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from server.commands.shell import JsonOption, cache_dir, group, out, prepare_model, run, settings_of

evaluations = group("Measure what the models do, on labelled text.")


@evaluations.command("match")
def eval_match(
    files: Annotated[list[Path], typer.Argument(help="Labelled messages, one tenant a line.")],
    threshold: Annotated[float, typer.Option(help="From which probability on a card is shown.")] = 0.5,
    plot: Annotated[Path | None, typer.Option(help="Draw reliability and precision-recall into this PNG.")] = None,
    json_only: JsonOption = False,
) -> None:
    """Is the right incident found, and can the probability be believed?"""
    from embeddings.evaluation import judge, report
    from embeddings.evaluation import plot as draw
    from embeddings.labelled import read_tenants
    from embeddings.matcher import Matcher

    settings = settings_of()
    prepare_model(settings)
    matcher = Matcher.load(settings.embedding_model, cache_dir(settings))
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


@evaluations.command("consent")
def eval_consent(
    files: Annotated[list[Path], typer.Argument(help="Labelled replies, one JSON object a line.")],
    analyzer: Annotated[str, typer.Option(help="local or anthropic.")] = "local",
    json_only: JsonOption = False,
) -> None:
    """How often is a reply read as a yes that is none, and how many of the yeses are found?"""
    figures = run(_consent_figures(files, analyzer))
    if not json_only:
        table = Table("offer", "rows", "false yes", "yes recall", "no recall", "address")
        for name, found in (("all", figures), *((n, figures[n]) for n in ("known_offer", "foreign_offer"))):
            cells = ("rows", "false_yes_rate", "yes_recall", "no_recall", "address_accuracy")
            table.add_row(name, *("–" if found[cell] is None else f"{found[cell]:.4g}" for cell in cells))
        out.print(table)
    out.print_json(data=figures, ensure_ascii=False)


async def _consent_figures(files: list[Path], analyzer: str) -> dict[str, Any]:
    from server.analyzers import open_analyzer
    from server.consent_evaluation import evaluate_consent

    async with open_analyzer(settings_of(), analyzer) as opened:
        return await evaluate_consent(files, opened)
