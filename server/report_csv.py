"""Reports as CSV (RFC 4180), for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from server.estimates import Estimate
from server.models import MailState
from server.reports import NUMBERS, Report, Summary, Way

COLUMNS = (
    *("incident_id", "title", "status", "severity", "started_at", "posted_at", "resolved_at"),
    "first_contact_after_seconds",
    *NUMBERS,
    *(f"subscribed_{way}" for way in Way),
    *(f"mails_{state}" for state in MailState),
    *("precision", "precision_low", "precision_high"),
    *("tickets_avoided", "tickets_avoided_low", "tickets_avoided_high"),
)


def incidents_csv(summaries: Iterable[Summary]) -> str:
    """One line an incident."""
    return _written(COLUMNS, map(_line, summaries))


def hours_csv(report: Report) -> str:
    """One line an hour in which somebody asked."""
    lines = ({**hour.model_dump(), "begin": hour.begin.isoformat()} for hour in report.hours)
    return _written(("begin", "agent", "sidekick"), lines)


def _line(one: Summary) -> dict[str, Any]:
    known = one.model_dump(mode="json", include=set(COLUMNS) - {"precision", "tickets_avoided"})
    return {
        **known,
        "title": _as_text(one.title),
        **{name: getattr(one.counts, name) for name in NUMBERS},
        **{f"subscribed_{way}": one.counts.subscribed.get(way, 0) for way in Way},
        **{f"mails_{state}": one.counts.mails.get(state, 0) for state in MailState},
        **_interval("precision", one.precision),
        **_interval("tickets_avoided", one.tickets_avoided),
    }


def _interval(name: str, estimate: Estimate | None) -> dict[str, float]:
    if estimate is None:
        return {}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _as_text(title: str) -> str:
    # what begins so is computed by a spreadsheet that opens the file (OWASP, "CSV Injection")
    return f"'{title}" if title.startswith(("=", "+", "-", "@")) else title


def _written(columns: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()
