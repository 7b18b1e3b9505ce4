"""Labelled text: tenants with their incidents, and messages that say which incident they are about, if any.

One JSON object per line and tenant: `tenant`, `author`, `incidents` (id, title, components, updates), `messages`
(text, lang, kind, label: an incident's id or null, fault: 1 when something is reported broken).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embeddings.recipe import IncidentText

TRAINING = Path(__file__).parent / "training"
TRAINING_FILES = tuple(TRAINING / f"match_{part}.jsonl" for part in ("dev", "train", "questions"))
NOTHING = -1


@dataclass(frozen=True, slots=True)
class Message:
    """A customer's message; `answer` is the position of its incident in the tenant's list, or `NOTHING`."""

    text: str
    language: str
    kind: str
    answer: int
    fault: bool


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant's incidents, all active at once, and the messages its customers wrote."""

    name: str
    author: str
    incidents: tuple[IncidentText, ...]
    messages: tuple[Message, ...]

    def english(self) -> "Tenant":
        """The same tenant with its English messages alone."""
        return replace(self, messages=tuple(message for message in self.messages if message.language == "en"))


@dataclass(frozen=True, slots=True)
class Background:
    """Generic messages (with whether each reports a fault) and generic incidents: what texts have in common."""

    messages: tuple[str, ...]
    languages: tuple[str, ...]
    faults: tuple[bool, ...]
    incidents: tuple[str, ...]

    def english(self) -> "Background":
        """The same without the messages in other languages."""
        kept = [row for row, language in enumerate(self.languages) if language == "en"]
        return replace(
            self,
            messages=tuple(self.messages[row] for row in kept),
            languages=tuple(self.languages[row] for row in kept),
            faults=tuple(self.faults[row] for row in kept),
        )


def read_tenants(files: Iterable[Path] = TRAINING_FILES) -> list[Tenant]:
    """All tenants of the files, in order. Raises `ValueError` naming the file and line that is malformed."""
    tenants = []
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            if not line.strip():
                continue
            try:
                tenants.append(_tenant(json.loads(line)))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}:{number} is not a labelled tenant: {error!r}") from error
    return tenants


def read_background(folder: Path = TRAINING) -> Background:
    """The generic texts that come with the package."""
    lines = read_lines(folder / "match_background_messages.txt")
    kinds, languages, texts = zip(*(line.split("|", 2) for line in lines), strict=True)
    incidents = read_lines(folder / "match_background_incidents.txt")
    return Background(texts, languages, tuple(kind == "fault" for kind in kinds), tuple(incidents))


def authors(tenants: Sequence[Tenant]) -> list[str]:
    """The authors' names, sorted."""
    return sorted({tenant.author for tenant in tenants})


def _tenant(record: dict) -> Tenant:  # type: ignore[type-arg]  # JSON from outside, checked by reading it
    places = {incident["id"]: place for place, incident in enumerate(record["incidents"])}
    incidents = tuple(
        IncidentText(incident["title"], tuple(incident["components"]), tuple(incident["updates"]))
        for incident in record["incidents"]
    )
    messages = tuple(
        Message(
            text=message["text"],
            language=message.get("lang", "en"),
            kind=message.get("kind", ""),
            answer=NOTHING if message["label"] is None else places[message["label"]],
            fault=bool(message.get("fault", message["label"] is not None or message.get("kind") == "other_fault")),
        )
        for message in record["messages"]
    )
    return Tenant(record["tenant"], record.get("author", "dev"), incidents, messages)


def read_lines(path: Path) -> list[str]:
    """The lines that are not blank."""
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
