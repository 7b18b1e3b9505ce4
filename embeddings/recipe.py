"""How an incident becomes one text, and how any text is made safe to tokenise."""

import re
from dataclasses import dataclass

# A short update that says only this tells nothing about what is broken, and blurs the incident's vector.
BOILERPLATE = re.compile(
    r"^(this incident has been resolved"
    r"|we are continuing to (investigate|monitor)"
    r"|a fix has been (implemented|deployed)"
    r"|the issue has been identified"
    r"|we are (currently )?(investigating|looking into) (this|the|an) (issue|incident)"
    r"|.{0,40} is operating normally)",
    re.IGNORECASE,
)
BOILERPLATE_LENGTH = 90
TEXT_RECIPE = f"title. components. updates; without {BOILERPLATE.pattern} under {BOILERPLATE_LENGTH}"
LONGEST_TOKEN = 24  # characters: what no token of ordinary text exceeds


@dataclass(frozen=True, slots=True)
class IncidentText:
    """What matching reads of an incident; `updates` in the order they were posted."""

    title: str
    components: tuple[str, ...]
    updates: tuple[str, ...]


def incident_text(incident: IncidentText) -> str:
    """`title. components. updates`: one vector, and better than comparing with each part on its own."""
    updates = " ".join(update for update in incident.updates if not is_boilerplate(update))
    return f"{incident.title}. {', '.join(incident.components)}. {updates}".strip()


def is_boilerplate(update: str) -> bool:
    """Whether the update only says that somebody is working on it."""
    return len(update) < BOILERPLATE_LENGTH and BOILERPLATE.match(update) is not None


def clean(text: str, max_tokens: int) -> str:
    """Text that every tokenizer takes, in bounded time: no lone surrogates or NULs, single spaces, no longer than
    `max_tokens` tokens could need. Empty when there is nothing to read."""
    longest = max_tokens * LONGEST_TOKEN
    start = text.lstrip(" \t\r\n\0")[: 4 * longest]  # a long run of spaces inside is rarer than a long text
    valid = start.encode("utf-8", errors="replace").decode("utf-8").replace("\0", " ")
    return " ".join(valid.split())[:longest]
