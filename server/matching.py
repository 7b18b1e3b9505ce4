"""Which active incidents a customer's words may be about: the one question every face asks."""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embeddings.explain import Explanation
from embeddings.matcher import IncidentText
from embeddings.titles import TitleAssessment
from server.errors import Invalid
from server.ids import new_id
from server.models import Incident, IncidentKind, Match, Scope, TenantSettings, Wording
from server.store.matches import MatchRecord

if TYPE_CHECKING:
    from server.context import TenantContext
    from server.inference import Inference, Probabilities, Vectors
    from server.snapshots import Snapshot

MAX_CHARACTERS = 20_000
MAX_TENANTS = 10_000


@dataclass(frozen=True)
class Asker:
    """Through which face, and in which conversation, something is asked. Opaque to us, hashed if kept."""

    source: str
    conversation_id: str | None = None
    customer_ref: str | None = None


@dataclass
class IncidentVectors:
    """The vectors of each tenant's active incidents, made again only when the tenant's version moves."""

    _kept: OrderedDict[str, tuple[int, Vectors]] = field(default_factory=OrderedDict)

    async def of(self, snapshot: Snapshot, inference: Inference) -> Vectors:
        """One row for each of `matchable(snapshot)`, in its order."""
        kept = self._kept.get(snapshot.tenant.id)
        if kept is not None and kept[0] == snapshot.version:
            return kept[1]
        vectors = await inference.incidents([_text(incident) for incident in matchable(snapshot)])
        self._kept[snapshot.tenant.id] = (snapshot.version, vectors)
        self._kept.move_to_end(snapshot.tenant.id)
        if len(self._kept) > MAX_TENANTS:
            self._kept.popitem(last=False)
        return vectors


def matchable(snapshot: Snapshot) -> list[Incident]:
    """Unresolved incidents; maintenance is announced beforehand and is not matched."""
    return [incident for incident in snapshot.active if incident.kind is IncidentKind.INCIDENT]


async def find_matches(
    tenant: TenantContext, message: str, asker: Asker, limit: int = 5, min_relevance: float | None = None
) -> list[Match]:
    """The active incidents that the message (a sentence or keywords, in any language) may be about, best first.

    Those below `min_relevance` (by default the tenant's mention threshold) are left out. Without an active
    incident the answer waits for no model. Raises Invalid for a message that is empty or too long, Unavailable
    while the model is not ready.
    """
    text = readable(message)
    snapshot = await tenant.app.snapshots.get(tenant.id)
    candidates = matchable(snapshot)
    if not candidates:
        return []
    scores = (await relevances(tenant, snapshot, [text]))[0]
    settings = snapshot.tenant.settings
    least = settings.mention_threshold if min_relevance is None else min_relevance
    ranked = sorted(zip(candidates, map(float, scores), strict=True), key=lambda pair: -pair[1])
    found = [_match(incident, score, settings) for incident, score in ranked[:limit] if score >= least]
    record(tenant, found, asker)
    return found


async def relevances(tenant: TenantContext, snapshot: Snapshot, texts: Sequence[str]) -> Probabilities:
    """Shape (texts, incidents): how probably each `readable` text is about each of `matchable(snapshot)`.

    A single text that stays in doubt has a second reader where one is switched on; many at once have none.
    """
    inference, second = tenant.app.inference, tenant.app.second_reader
    vectors = await tenant.app.incident_vectors.of(snapshot, inference)
    found = await inference.probabilities(await inference.messages(texts), vectors)
    if second is None or len(texts) != 1 or not found.size:
        return found
    return (await second.settle(texts[0], matchable(snapshot), found[0]))[None, :]


async def explain(tenant: TenantContext, message: str, incident: Incident) -> Explanation:
    """Which words of the message and which part of the incident speak for a match.

    Takes as long as one match for each word. Raises Invalid for a message that is empty or too long.
    """
    return await tenant.app.inference.explain(readable(message), _text(incident))


async def check_title(tenant: TenantContext, title: str, components: Sequence[str] = ()) -> TitleAssessment:
    """Whether customers' words will find an incident of this title, and what the title lacks.

    Raises Invalid for a title that is empty or too long.
    """
    tenant.require(Scope.OPERATOR)
    return await tenant.app.inference.assess_title(readable(title), components)


def readable(message: str) -> str:
    """The message as the model reads it: composed, without invisible characters, on one line.

    What customers write is not refused for how it is written; only nothing and far too much are.
    """
    if len(message) > MAX_CHARACTERS:
        raise Invalid(
            f"the message has {len(message)} characters; pass the part about the problem, at most {MAX_CHARACTERS}"
        )
    visible = "".join(" " if _is_invisible(character) else character for character in message)
    text = " ".join(unicodedata.normalize("NFC", visible).split())
    if not text:
        raise Invalid("there is nothing to check: pass what the customer wrote, or keywords from it")
    return text


def _is_invisible(character: str) -> bool:
    # Cc control, Cs lone surrogate, Co private use; Cf except the joiners that Indic scripts and emoji need
    category = unicodedata.category(character)
    return category in ("Cc", "Cs", "Co") or (category == "Cf" and character not in "\u200c\u200d")


def _text(incident: Incident) -> IncidentText:
    return IncidentText(
        title=incident.title,
        components=tuple(component.name for component in incident.affected),
        updates=tuple(update.content.message for update in incident.updates if update.content.message),
    )


def _match(incident: Incident, score: float, settings: TenantSettings) -> Match:
    wording: Wording = "likely" if score >= settings.card_threshold else "possibly"
    return Match(id=new_id("mat"), incident=incident, relevance=score, wording=wording)


def record(tenant: TenantContext, found: Sequence[Match], asker: Asker) -> None:
    """Count what was found, off the path of the answer. The customer's words are not kept."""
    signer = tenant.app.signer
    conversation = asker.conversation_id and signer.reference(tenant.id, "conversation", asker.conversation_id)
    customer = asker.customer_ref and signer.reference(tenant.id, "customer", asker.customer_ref)
    for match in found:
        tenant.app.recorder.matched(
            MatchRecord(
                tenant_id=tenant.id,
                match_id=match.id,
                incident_id=match.incident.id,
                source=asker.source,
                relevance=match.relevance,
                at=tenant.now(),
                conversation=conversation or None,
                customer=customer or None,
            )
        )
