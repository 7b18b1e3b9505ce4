"""Messages as bytes. One is rendered per language and zone; only a recipient's own parts differ.

A message is built once as a mould with named holes, and filled for each recipient by joining bytes: that costs
a thousandth of building it anew. Whatever people wrote is escaped where it stands: as HTML, as quoted-printable
text, or in a header, where nothing can begin a line of its own.
"""

from __future__ import annotations

import hashlib
import html
import quopri
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
HOLES = ("address", "message_id", "leave_url", "manage_url", "confirm_url")
HOLE = re.compile(rf"\x00({'|'.join(HOLES)})\x00")
MAX_SUBJECT = 200


def hole(name: str) -> str:
    """Where a recipient's own part goes. Texts of people cannot hold one: it has a character they may not use."""
    return f"\x00{name}\x00"


def without_controls(text: str) -> str:
    """The text with its holes, but without other control characters."""
    parts = HOLE.split(text)
    return "".join(hole(part) if place % 2 else CONTROLS.sub("", part) for place, part in enumerate(parts))


@dataclass(frozen=True)
class Hole:
    name: str
    encode: Callable[[str], bytes]


@dataclass(frozen=True)
class Mould:
    """A message that lacks only what is the recipient's own."""

    pieces: tuple[bytes | Hole, ...]

    def fill(self, values: Mapping[str, str]) -> bytes:
        """The message with CRLF line ends. Raises KeyError for a value that is not given."""
        return b"".join(
            [piece if isinstance(piece, bytes) else piece.encode(values[piece.name]) for piece in self.pieces]
        )


@dataclass(frozen=True)
class Letter:
    """What a message says, with holes in the texts: subject, both bodies, and from whom it is."""

    subject: str
    text: str
    html: str
    language: str
    from_address: str
    from_name: str
    date: datetime
    list_id: str
    list_name: str
    feedback_id: str
    reply_to: str | None = None
    thread: str | None = None
    """The id that all mails about one incident refer to."""


def mould(letter: Letter) -> Mould:
    """The letter as multipart/alternative with every header (RFC 5322, 2369, 2919, 3834, 8058).

    The holes `address`, `message_id` and `leave_url` are always there.
    """
    boundary = hashlib.sha256(f"{letter.text}{letter.html}".encode()).hexdigest()[:32]
    pieces: list[bytes | Hole] = [
        *_headers(letter),
        f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode(),
    ]
    for subtype, body, encode in (("plain", letter.text, _as_text), ("html", letter.html, _as_html)):
        pieces += [
            f"--{boundary}\r\nContent-Type: text/{subtype}; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n".encode(),
            *_body(body, encode),
            b"\r\n",
        ]
    pieces.append(f"--{boundary}--\r\n".encode())
    return Mould(tuple(_merged(pieces)))


def _headers(letter: Letter) -> list[bytes | Hole]:
    fixed = EmailMessage(policy=SMTP)
    fixed["From"] = Address(display_name=one_line(letter.from_name), addr_spec=letter.from_address)
    if letter.reply_to:
        fixed["Reply-To"] = Address(addr_spec=letter.reply_to)
    fixed["Subject"] = one_line(letter.subject)[:MAX_SUBJECT]
    fixed["Date"] = letter.date
    if letter.thread:
        fixed["In-Reply-To"] = f"<{letter.thread}>"
        fixed["References"] = f"<{letter.thread}>"
    fixed["MIME-Version"] = "1.0"
    fixed["Content-Language"] = letter.language
    fixed["List-Id"] = f"{_phrase(letter.list_name)}<{letter.list_id}>"
    fixed["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    fixed["Auto-Submitted"] = "auto-generated"
    fixed["X-Auto-Response-Suppress"] = "All"
    fixed["Feedback-ID"] = letter.feedback_id
    return [
        b"To: ",
        Hole("address", _as_header),
        b"\r\nMessage-ID: <",
        Hole("message_id", _as_header),
        b">\r\nList-Unsubscribe: <",
        Hole("leave_url", _as_header),
        b">\r\n",
        bytes(fixed).removesuffix(b"\r\n"),
    ]


def one_line(text: str) -> str:
    return " ".join(without_controls(text.replace("\n", " ").replace("\t", " ")).split())


def _phrase(name: str) -> str:
    """A List-Id's description (RFC 2919): ASCII words, or none for a name that has others."""
    words = re.sub(r"[^A-Za-z0-9 ]+", " ", name).split()
    return f"{' '.join(words)} " if words and name.isascii() else ""


def _body(body: str, encode: Callable[[str], bytes]) -> list[bytes | Hole]:
    """Quoted-printable (RFC 2045 §6.7) with each hole on a line of its own, ended by soft breaks."""
    pieces: list[bytes | Hole] = []
    for place, part in enumerate(HOLE.split(without_controls(body))):
        if place % 2:
            pieces += [b"=\r\n", Hole(part, encode), b"=\r\n"]
        else:
            pieces.append(_quoted_printable(part))
    return pieces


def _quoted_printable(text: str) -> bytes:
    return quopri.encodestring(text.replace("\r\n", "\n").encode()).replace(b"\n", b"\r\n")


def _as_text(value: str) -> bytes:
    return _quoted_printable(one_line(value))


def _as_html(value: str) -> bytes:
    return _quoted_printable(html.escape(one_line(value)))


def _as_header(value: str) -> bytes:
    """As it stands, without anything that could end the line. Raises UnicodeEncodeError beyond ASCII."""
    return CONTROLS.sub("", value).replace("\n", "").replace("\t", "").encode("ascii")


def _merged(pieces: list[bytes | Hole]) -> list[bytes | Hole]:
    merged: list[bytes | Hole] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            merged[-1] = last + piece
        else:
            merged.append(piece)
    return merged
