"""How a reply is written, made uniform: case, accents of convenience, letter variants, punctuation, addresses."""

import re
import unicodedata
from collections.abc import Iterable

ADDRESS = re.compile(r"(?<![\w.+\-])[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)*\.[a-z]{2,}", re.IGNORECASE)
PLACEHOLDER = "ADDR"  # upper case: no folded word is equal to it

_VARIANTS = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ى": "ی", "ة": "ه", "ي": "ی", "ك": "ک", "ё": "е", "ß": "ss", "ς": "σ", "ı": "i"}
    | {"ँ": "ं"}
)
_WITHOUT_SPACES = ("ja", "zh", "yue", "th")
_JOINERS = "\u200c\u200d"
_UNWRITTEN = "\u0307\u093c\u0640"  # a dotted i's dot, the nukta and the kashida: written by some and not by others


def folded(text: str) -> str:
    """The text as the tables are compared: lower case, one space between words, each address a placeholder."""
    text = re.sub("[’‘`´]", "'", unicodedata.normalize("NFKC", text).lower())
    text = ADDRESS.sub(f" {PLACEHOLDER} ", text).translate(_VARIANTS)
    text = _composed(c for c in _decomposed(text) if c not in _UNWRITTEN and not "\u064b" <= c <= "\u0652")
    if re.search("[\u0370-\u04ff]", text):  # stress marks of Greek and Cyrillic are often left out
        text = _composed(c for c in _decomposed(text) if c not in "\u0300\u0301")
    text = re.sub(r"([^\W\d])\1{2,}", r"\1", text)
    text = re.sub(r"\be-mail", "email", text).replace("e-mel", "emel")
    text = "".join(" " if _separates(c) else c for c in text)
    return " ".join(text.replace("'", "").replace("\u200c", " ").replace("\u200d", "").split())


def plain(text: str) -> str:
    """A folded text without accents, as many people type on a phone."""
    bare = (c for c in _decomposed(text) if unicodedata.category(c) != "Mn" or ord(c) > 0x370)
    return "".join(bare).replace("đ", "d").replace("ł", "l").replace("ø", "o").replace("æ", "ae")


def spelled_out(text: str) -> str:
    """A folded text with the umlauts in two letters."""
    return text.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")


def has_spaces(language: str) -> bool:
    """Whether the language puts spaces between words, so that phrases begin and end at one."""
    return language not in _WITHOUT_SPACES


def without_addresses(text: str) -> str:
    """The text in full-width-free characters, with the addresses cut out."""
    return ADDRESS.sub(" ", unicodedata.normalize("NFKC", text))


def is_question(text: str) -> bool:
    return bool(re.search("[?？؟]", text))


def _separates(character: str) -> bool:
    return unicodedata.category(character)[0] in "PSCZ" and character not in f"'{_JOINERS}"


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _composed(characters: Iterable[str]) -> str:
    return unicodedata.normalize("NFC", "".join(characters))
