"""Judges an analyzer on labelled replies, over the very path that `status_subscribe` takes.

One JSON object a line: `lang`, `offer`, `reply`, `label`, `email` (the address to use), `kind`, and `offer_kind`:
`single` or `address` where the product would know its own offer; of any other offer the text alone is read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embeddings.consent.verdict import Verdict
from server.analyzers import Analysis, Analyzer, Question, analyze
from server.errors import Invalid

KNOWN = ("single", "address")


@dataclass(frozen=True)
class Labelled:
    """A reply, what it should be read as, and what it was read as."""

    language: str
    kind: str
    known: bool
    label: Verdict
    address: str | None
    found: Analysis


async def evaluate_consent(files: Sequence[Path], analyzer: Analyzer) -> dict[str, Any]:
    """All figures as one JSON object; a figure that the rows cannot give is null. Raises Invalid for a bad row."""
    judged = [await _judge(row, analyzer) for row in _rows(files)]
    times = sorted(row.found.milliseconds for row in judged)
    return {
        **figures(judged),
        "known_offer": figures([row for row in judged if row.known]),
        "foreign_offer": figures([row for row in judged if not row.known]),
        "by_lang": _by(judged, lambda row: row.language),
        "by_kind": _by(judged, lambda row: row.kind),
        "confusion": {
            label: {
                verdict: sum(row.label == label and row.found.verdict == verdict for row in judged)
                for verdict in Verdict
            }
            for label in Verdict
        },
        "analyzers": dict(Counter(f"{row.found.analyzer}:{row.found.model}" for row in judged)),
        "milliseconds": {
            "median": times[len(times) // 2] if times else None,
            "p95": times[len(times) * 95 // 100] if times else None,
        },
    }


def figures(rows: Sequence[Labelled]) -> dict[str, Any]:
    """False yes: the share of rows not labelled yes that were read as one. Address: among the yeses found."""
    agreed = [row for row in rows if row.label is Verdict.YES and row.found.verdict is Verdict.YES]
    return {
        "rows": len(rows),
        "accuracy": _share(row.label is row.found.verdict for row in rows),
        "false_yes_rate": _share(row.found.verdict is Verdict.YES for row in rows if row.label is not Verdict.YES),
        "yes_recall": _share(row.found.verdict is Verdict.YES for row in rows if row.label is Verdict.YES),
        "no_recall": _share(row.found.verdict is Verdict.NO for row in rows if row.label is Verdict.NO),
        "address_accuracy": _share(_same(row.address, row.found.address) for row in agreed),
    }


async def _judge(row: dict[str, Any], analyzer: Analyzer) -> Labelled:
    known = row.get("offer_kind") in KNOWN
    found = await analyze(analyzer, Question(row["reply"], row["offer"], known))
    return Labelled(
        row.get("lang", ""), row.get("kind", ""), known, Verdict(row["label"]), row.get("email"), found
    )


def _rows(files: Sequence[Path]) -> Iterable[dict[str, Any]]:
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                Verdict(row["label"]), row["offer"] + row["reply"]
            except (KeyError, TypeError, ValueError) as error:
                raise Invalid(f"{path}:{number} is not a labelled reply: {error!r}") from error
            yield row


def _by(rows: Sequence[Labelled], name: Callable[[Labelled], str]) -> dict[str, Any]:
    return {value: figures([row for row in rows if name(row) == value]) for value in sorted(set(map(name, rows)))}


def _same(wanted: str | None, found: str | None) -> bool:
    return (wanted or "").lower() == (found or "").lower()


def _share(found: Iterable[bool]) -> float | None:
    kept = list(found)
    return round(sum(kept) / len(kept), 4) if kept else None
