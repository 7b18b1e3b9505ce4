"""Reads one reply: known phrases first, then the network, held back wherever a yes would be a guess.

A false yes writes to somebody who did not agree, a false "unclear" costs one more question. So a yes needs either
a reply that consists of known phrases, or a network that is very sure and no sign against it (`signs`).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.consent import grammar, signs
from embeddings.consent.addresses import settle
from embeddings.consent.language import guess
from embeddings.consent.offers import seems_to_offer_mail
from embeddings.consent.verdict import Verdict
from embeddings.consent.writing import folded, is_question

SURE = 0.97
SURE_WITH_A_YES_AHEAD = 0.8
SURE_ENOUGH_OF_NO = 0.7
SURE_WITH_A_REQUEST = 0.9
LONGEST_READ = 4000  # in characters; nobody agrees in more


_SEPARATOR = re.compile(r"[.!?;:,،、，。！？؟\n]+(?!\w)|(?<=[、，。！？])|\s[-–—]\s|\band\b")


class Reason(StrEnum):
    """Why a reply was read as it was."""

    AGREES = "agrees"
    ASKS_FOR_MAIL = "asks for mail"
    DECLINES = "declines"
    OTHER_CHANNEL = "wants another channel"
    NO_CLEAR_ANSWER = "no clear answer"
    NOT_ABOUT_MAIL = "the offer was not one question about mail, and the reply does not ask for mail"
    EMPTY = "empty"
    TOO_LONG = "too long"
    INSTRUCTED = "quotes or gives instructions"
    UNUSABLE_ADDRESS = "an address that cannot be used as written"
    SEVERAL_ADDRESSES = "several addresses"
    SOMEBODY_ELSE = "speaks for somebody else"
    CHANGES_ITS_MIND = "changes its mind"
    SCORNFUL = "scornful"


class Model(Protocol):
    def probabilities(self, reply: str) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply means."""

    verdict: Verdict
    reason: Reason
    language: str
    address: str | None = None
    """The one that stands in the reply and is to be used; only with a yes."""
    channel: str | None = None
    """Asked for instead of mail: phone, sms or chat."""


def read(reply: str, offer: str, offer_is_known: bool, model: Model, language: str | None = None) -> Reading:
    """What the reply says to the offer.

    `offer_is_known` says that the offer is one open question about mail, or asks for the address to use. Any other
    offer gives a yes to replies alone that ask for mail themselves.
    """
    spoken = grammar.language_of(offer, language)
    if not reply.strip():
        return Reading(Verdict.UNCLEAR, Reason.EMPTY, spoken)
    if len(reply) > LONGEST_READ:
        return Reading(Verdict.UNCLEAR, Reason.TOO_LONG, spoken)
    addressed = settle(reply, spoken)
    if len(addressed.left) > 1:
        return Reading(Verdict.UNCLEAR, Reason.SEVERAL_ADDRESSES, spoken)
    verdict, reason = (_to_ours if offer_is_known else _to_any)(addressed.text, spoken, model)
    if not offer_is_known and verdict is Verdict.UNCLEAR and _declines_mail(addressed.text, offer, spoken):
        verdict, reason = Verdict.NO, Reason.DECLINES
    if verdict is Verdict.YES:
        return Reading(verdict, reason, spoken, address=next(iter(addressed.left), None))
    channel = signs.channel(reply) if verdict is Verdict.NO else None
    return Reading(verdict, Reason.OTHER_CHANNEL if channel else reason, spoken, channel=channel)


def _to_ours(text: str, language: str, model: Model) -> tuple[Verdict, Reason]:
    listed = grammar.judge(text, language)
    if listed is Verdict.YES and signs.is_scornful(text):  # to the tables an emoji is but punctuation
        return Verdict.UNCLEAR, Reason.SCORNFUL
    if listed is not None:
        return listed, _OF_THE_TABLES[listed]
    no, _, yes = model.probabilities(text)
    against = _sign_against(text)
    if against is None and not _begins_with_a_no(text, language):
        if yes >= SURE:
            return Verdict.YES, Reason.AGREES
        if yes >= SURE_WITH_A_YES_AHEAD and _begins_with_a_yes(text, language):
            return Verdict.YES, Reason.AGREES
        if no < SURE_ENOUGH_OF_NO and _begins_with_a_courteous_yes(text, language):
            return Verdict.YES, Reason.AGREES
        if yes >= SURE_WITH_A_REQUEST and _asks_to_be_told(text, language):
            return Verdict.YES, Reason.AGREES
    if no >= SURE_ENOUGH_OF_NO and against is not Reason.INSTRUCTED:
        return Verdict.NO, Reason.DECLINES
    return Verdict.UNCLEAR, against or Reason.NO_CLEAR_ANSWER


def _to_any(text: str, language: str, model: Model) -> tuple[Verdict, Reason]:
    if any(grammar.asks_for_mail(text, spoken) for spoken in dict.fromkeys((language, guess(text)))):
        return Verdict.YES, Reason.ASKS_FOR_MAIL
    if _sign_against(text) is None:
        yes = model.probabilities(text)[2]
        if yes >= SURE_WITH_A_REQUEST and _asks_to_be_told(text, language, by_mail=True):
            return Verdict.YES, Reason.ASKS_FOR_MAIL
        if yes >= SURE_WITH_A_YES_AHEAD and _ends_with_a_request(text, language):
            return Verdict.YES, Reason.ASKS_FOR_MAIL
    return Verdict.UNCLEAR, Reason.NOT_ABOUT_MAIL


def _declines_mail(text: str, offer: str, language: str) -> bool:
    """A no made of known phrases, to what looks like an offer of mail."""
    return grammar.judge(text, language) is Verdict.NO and seems_to_offer_mail(offer, language)


def _asks_to_be_told(text: str, language: str, by_mail: bool = False) -> bool:
    """One of its clauses begins with such a request, and nothing in it restricts or denies."""
    if signs.has_reservation(text, language) or signs.channel(text):
        return False
    return any(grammar.begins_with_a_request(clause, language, by_mail) for clause in _clauses(text))


def _ends_with_a_request(text: str, language: str) -> bool:
    """ "No, please do email me": the last clause wholly asks for mail, and none before it restricts that."""
    *before, last = _clauses(text)
    if is_question(text) or signs.channel(text) or not grammar.asks_for_mail(last, language):
        return False
    return all(
        grammar.judge_in(clause, language) is Verdict.NO or not signs.has_reservation(clause, language)
        for clause in before
    )


def _begins_with_a_courteous_yes(text: str, language: str) -> bool:
    """ "Yes please, we have a deadline": a polite yes answers the question, what follows is why.

    A bare yes does not do: "Yes, we have a deadline" may answer something else. Nor does it do if what follows
    restricts it, names another channel or asks for the repair.
    """
    ends = [match.end() for match in _SEPARATOR.finditer(text)]
    for end in reversed(ends):
        head, rest = text[:end], text[end:]
        if not rest.strip() or not signs.says_please(head, language):
            continue
        if grammar.judge_in(head, language) is not Verdict.YES:
            continue
        restricted = signs.has_reservation(rest, language) or signs.channel(rest) or signs.asks_for_a_repair(rest)
        return not restricted and grammar.judge(rest, language) in (None, Verdict.YES)
    return False


def _begins_with_a_no(text: str, language: str) -> bool:
    return grammar.judge_in(_clauses(text)[0], language) is Verdict.NO


def _clauses(text: str) -> list[str]:
    return [part for part in _SEPARATOR.split(text) if part.strip()] or [text]


def _sign_against(text: str) -> Reason | None:
    checks = (
        (signs.looks_instructed, Reason.INSTRUCTED),
        (signs.has_unusable_address, Reason.UNUSABLE_ADDRESS),
        (signs.speaks_for_another, Reason.SOMEBODY_ELSE),
        (signs.withdraws, Reason.CHANGES_ITS_MIND),
        (signs.is_scornful, Reason.SCORNFUL),
    )
    return next((reason for found, reason in checks if found(text)), None)


def _begins_with_a_yes(text: str, language: str) -> bool:
    """Its first sentence is a full yes of more than one word; what follows is a remark or a question."""
    parts = re.match(r"(.*?[.!。！\n]+|.*?\s[-–—]\s)(.+)", text.strip(), re.DOTALL)
    if parts is None or is_question(parts[1]):
        return False
    words = folded(parts[1])
    long_enough = " " in words or (len(words) > 3 and any(ord(letter) > 0x2E00 for letter in words))
    return long_enough and grammar.judge(parts[1], language) is Verdict.YES


_OF_THE_TABLES = {
    Verdict.YES: Reason.AGREES,
    Verdict.NO: Reason.DECLINES,
    Verdict.UNCLEAR: Reason.NO_CLEAR_ANSWER,
}


def warm_up(model: Model) -> None:
    """Read the tables and run the network once, so that the first customer does not wait for it."""
    read("?!", "?", True, model)
    model.probabilities("yes")
