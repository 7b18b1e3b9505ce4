"""Numbers that are not known exactly: a share with its interval, and how many tickets were spared."""

from __future__ import annotations

import math

from server.models import Model

Z95 = 1.959964
"""Of the standard normal distribution: 95 % lie within this many deviations."""
PRIOR_CARDS = 10
"""What the matching said of itself weighs as much as this many decided cards."""

ASSUMPTIONS = (
    "Only conversations with an id count, in which an AI agent named the incident and no human agent saw a card: "
    "what was handed over was not avoided.",
    "An answer counts as far as it was right: by the cards that human agents linked and dismissed, and while "
    "these are few by the probability that the matching gave itself.",
    "At most, every such customer would have needed a human agent; at least, those who then agreed to be told by "
    "mail. The value lies halfway.",
    "Customers who read the page or a mail and never wrote are not counted: nobody knows how many there are.",
)


class Estimate(Model):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class TicketsAvoided(Estimate):
    assumptions: tuple[str, ...] = ASSUMPTIONS
    """What the numbers rest on, in words."""


def precision(linked: float, dismissed: float) -> Estimate | None:
    """The share of linked among decided, with Wilson's score interval (JASA 22, 1927); None without a decision."""
    decided = linked + dismissed
    if decided <= 0:
        return None
    share = linked / decided
    spread = Z95**2 / decided
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    # rounding must not put the share outside of its own interval
    return Estimate(value=share, low=max(0.0, min(share, middle - half)), high=min(1.0, max(share, middle + half)))


def tickets_avoided(*, kept: int, agreed: int, linked: int, dismissed: int, relevance: float) -> TicketsAvoided:
    """How many of the `kept` conversations stayed with AI agents because Herald named the incident.

    `agreed`: customers of AI agents who then asked to be told; `linked` and `dismissed`: what human agents made of
    the incident's cards; `relevance`: the mean probability with which it was named.
    """
    right = precision(linked + PRIOR_CARDS * relevance, dismissed + PRIOR_CARDS * (1 - relevance))
    if kept == 0 or right is None:
        return TicketsAvoided(value=0, low=0, high=0)
    sure = min(kept, agreed)
    return TicketsAvoided(
        value=round(right.value * (sure + kept) / 2, 1),
        low=round(right.low * sure, 1),
        high=round(right.high * kept, 1),
    )
