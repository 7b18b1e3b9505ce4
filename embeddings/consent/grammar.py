"""A reply that consists of nothing but known phrases, in an order that means something: yes, no or unclear.

Every phrase has a role, one letter. A reply that can be cut into phrases has a cover for each way of doing so, the
string of their roles; patterns over covers say what they mean. What the tables do not cover is not judged here.
"""

import re
from dataclasses import dataclass
from functools import cache

from embeddings.consent import phrases
from embeddings.consent.language import guess
from embeddings.consent.verdict import Verdict
from embeddings.consent.writing import PLACEHOLDER, folded, has_spaces, is_question, plain, spelled_out

ROLES = {
    "yes": "Y",
    "emphatic": "Y",
    "action": "A",  # "keep me posted": names what should happen, not by mail
    "mail request": "M",
    "no objection": "L",
    "address": "D",
    "no then yes": "W",
    "thanks": "T",
    "acknowledgement": "K",
    "no": "N",
    "polite no": "N",
    "yes then no": "N",
    "already subscribed": "N",
    "other channel": "C",
    "question": "Q",
    "undecided": "U",
    "human": "U",
    "something else": "S",
    "filler": "F",
}
OPENING = "O"  # the first half of a "no objection": means yes only with what should be done behind it

AGREES = re.compile(
    r"(?=.*[YAMLD])[KTF]{0,2}[YAMLDTF]+"  # an acknowledgement may come first, never behind: "yeah right"
    r"|F?O[AMLDTF]*[AMLD][AMLDTF]*"
    r"|Y+OF*[AM][AMF]*"
    r"|O[FY]*[AM][AMTF]*"
)
AGREES_AND_ASKS = re.compile(r"[KTF]{0,2}[YAMLDTF]*[YAMLD][YAMLDTF]*Q")
DECLINES = re.compile(r"[KTF]{0,2}(N[TFN]*|NC|C)|[YK]?C[TF]*")
NEVER_YES = set("NCQUSKT")

LONGEST_PHRASE = 9  # in words
LONGEST_RUN = 24  # in characters, where words have no spaces between them
MOST_PHRASES = 6

RELATED = {
    "nb": ("nb", "da"),
    "nn": ("nb", "da"),
    "no": ("nb", "da"),
    "da": ("da", "nb"),
    "hr": ("hr", "sr"),
    "sr": ("sr", "hr"),
    "bs": ("hr", "sr"),
}

Covers = frozenset[str]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Folded phrases of one language with their roles, also as they are typed without accents."""

    exact: dict[str, frozenset[str]]
    loose: dict[str, frozenset[str]]
    spaced: bool

    def covers(self, text: str) -> Covers:
        """The role strings of all ways to cut a folded text into phrases; empty if there is none."""
        found = self._cut(text, self.exact)
        if not found and self.spaced and text.replace(PLACEHOLDER, "").isascii():
            found = self._cut(text, self.loose)
        return found

    def beginnings(self, text: str) -> Covers:
        """The covers of all beginnings of the text, itself included."""
        return frozenset().union(*self._reached(text, self.exact)[1:])

    def _cut(self, text: str, roles: dict[str, frozenset[str]]) -> Covers:
        return frozenset(self._reached(text, roles)[-1])

    def _reached(self, text: str, roles: dict[str, frozenset[str]]) -> list[set[str]]:
        """For each position the covers of what stands before it."""
        parts = text.split() if self.spaced else list(text.replace(" ", ""))
        glue, longest = (" ", LONGEST_PHRASE) if self.spaced else ("", LONGEST_RUN)
        reached: list[set[str]] = [{""}, *(set() for _ in parts)]
        for start, before in enumerate(reached):
            if not before:
                continue
            for end in range(start + 1, min(len(parts), start + longest) + 1):
                for role in roles.get(glue.join(parts[start:end]), ()):
                    reached[end].update(cover + role for cover in before if len(cover) < MOST_PHRASES)
        return reached


def judge(reply: str, language: str) -> Verdict | None:
    """What the reply means as an answer to one open question about mail; None where the tables do not cover it.

    It is read in the offer's language, then in English; in another one only if no language reads it otherwise.
    """
    for candidate in (*RELATED.get(language, (language,)), "en"):
        verdict = _judge(reply, candidate)
        if verdict is not None:
            return verdict
    anywhere = {_judge(reply, candidate) for candidate in phrases.languages()} - {None}
    return Verdict.YES if anywhere == {Verdict.YES} else None


def judge_in(reply: str, language: str) -> Verdict | None:
    """As `judge`, read in that language alone."""
    return _judge(reply, language)


def begins_with_a_request(clause: str, language: str, by_mail: bool = False) -> bool:
    """Whether a clause begins with a phrase that asks to be told (by mail), whatever follows it."""
    wanted = set("M") if by_mail else set("AM")
    text = folded(clause)
    beginnings = (lexicon(candidate).beginnings(text) for candidate in dict.fromkeys((language, "en")))
    return any(set(c) & wanted and AGREES.fullmatch(c) for covers in beginnings for c in covers)


def asks_for_mail(reply: str, language: str) -> bool:
    """Whether the whole reply is a request to be written to by mail: then it needs no offer."""
    if is_question(reply):
        return False
    text = folded(reply)
    return any(_asks_for_mail(text, candidate) for candidate in dict.fromkeys((language, "en")))


def language_of(offer: str, given: str | None = None) -> str:
    """The language that the reply is read in: the one given if there is a table, else the offer's by its look."""
    base = (given or "").lower().replace("_", "-").split("-")[0]
    known = phrases.languages()
    if base in RELATED:
        return RELATED[base][0]
    return base if base in known else guess(offer)


@cache
def lexicon(language: str) -> Lexicon:
    """The language's phrases, folded. Kept: it is made of the package's own files alone."""
    exact: dict[str, set[str]] = {}
    spaced = has_spaces(language)

    def put(role: str, phrase: str) -> None:
        text = folded(phrase.replace(phrases.ANY_ADDRESS, " x@y.com "))
        key = text if spaced else text.replace(" ", "")
        if key:
            exact.setdefault(key, set()).add(role)

    table = phrases.sections(language)
    for name, role in ROLES.items():
        for phrase in table.get(name, ()):
            put(role, phrase)
    for phrase in table.get("no objection", ()):
        halves = re.split("[,،、，]", phrase, maxsplit=1) if language != "th" else phrase.split(" ", 1)
        if len(halves) == 2:
            put(OPENING, halves[0])
            put("A", halves[1])
    exact[PLACEHOLDER] = {"D"}
    return Lexicon(_frozen(exact), _frozen(_typed_plainly(exact)), spaced)


def _typed_plainly(exact: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without accents two phrases may become one; where they then mean yes and something else, neither counts."""
    loose: dict[str, set[str]] = {}
    for text, roles in exact.items():
        for typed in {plain(text), spelled_out(text)}:
            loose.setdefault(typed, set()).update(roles)
    return {text: roles for text, roles in loose.items() if not (roles & NEVER_YES and roles & set("YAMLD"))}


def _frozen(roles: dict[str, set[str]]) -> dict[str, frozenset[str]]:
    return {text: frozenset(found) for text, found in roles.items()}


def _judge(reply: str, language: str) -> Verdict | None:
    if language not in phrases.languages():
        return None
    text = folded(reply)
    covers = lexicon(language).covers(text) if text else frozenset()
    if not covers:
        return None
    whole = {cover for cover in covers if len(cover) == 1}
    if whole:  # listed as it stands: the tables know idioms that their words do not tell
        return _listed(whole)
    if is_question(reply):
        return Verdict.YES if _agrees_and_asks(reply, covers) else None
    if any(DECLINES.fullmatch(cover) for cover in covers):
        return Verdict.NO
    if any(set(cover) & set("NCQUS") for cover in covers):
        return None
    return Verdict.YES if any(AGREES.fullmatch(cover) for cover in covers) else Verdict.UNCLEAR


def _listed(roles: set[str]) -> Verdict:
    if roles & set("NC"):
        return Verdict.NO
    if roles & set("KTQUS") or not roles & set("YAMLDW"):
        return Verdict.UNCLEAR
    return Verdict.YES


def _agrees_and_asks(reply: str, covers: Covers) -> bool:
    """ "Yes please – how often?": the question stands alone and at the end."""
    marks = re.findall("[?？؟]", reply)
    asks_last = len(marks) == 1 and re.search("[?？؟]\\s*$", reply) is not None
    return asks_last and any(AGREES_AND_ASKS.fullmatch(cover) for cover in covers)


def _asks_for_mail(text: str, language: str) -> bool:
    covers = lexicon(language).covers(text)
    if any(cover in "NCQUS" for cover in covers):
        return False
    return any("M" in cover and not set(cover) & set("NCQUS") and AGREES.fullmatch(cover) for cover in covers)
