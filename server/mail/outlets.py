"""Where mail goes: the pieces that an SMTP server and a folder of mails have in common."""

from __future__ import annotations

import asyncio
import mailbox
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Protocol

ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})\b")


@dataclass(frozen=True)
class Mail:
    """One message on its way."""

    id: str
    sender: str
    recipient: str
    message: bytes


@dataclass(frozen=True)
class Reply:
    """What the server said of a mail: three digits and text (RFC 5321 §4.2)."""

    code: int
    text: str

    @property
    def accepted(self) -> bool:
        return 200 <= self.code < 300

    @property
    def permanent(self) -> bool:
        return 500 <= self.code < 600

    @property
    def enhanced(self) -> str | None:
        """The code of RFC 3463, such as `5.1.1`."""
        found = ENHANCED.match(self.text)
        return found[0] if found else None

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


LOST = Reply(0, "the connection was lost before the server answered")
NOT_TRIED = Reply(0, "not tried: the connection ended before its turn")

Report = Callable[[str, Reply], "Awaitable[None]"]
"""Takes note of the reply to the mail of that id; what it returns is done when the note is on disk."""


class ChannelTrouble(Exception):
    """Nothing can be sent through this outlet now, whoever it is for."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused
        """The server refused us (user, password, certificate): trying again soon helps nobody."""


class Outlet(Protocol):
    async def send(self, mails: Iterator[Mail], report: Report) -> None:
        """Send them all, or as many as the outlet takes; each that was taken from the iterator is reported.

        Raises ChannelTrouble if it takes none.
        """

    async def close(self) -> None: ...


class Folder:
    """A maildir instead of a server: for the demo, and to look at what would be sent."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, mails: Iterator[Mail], report: Report) -> None:
        box = await asyncio.to_thread(mailbox.Maildir, self._path)
        for mail in mails:
            await asyncio.to_thread(box.add, mail.message)
            await report(mail.id, Reply(250, "kept in the folder"))

    async def close(self) -> None:
        return None


def read_folder(path: Path, limit: int) -> list[tuple[str, EmailMessage]]:
    """The newest mails of a folder, the newest first, each under its name."""
    if not path.is_dir():
        return []
    box = mailbox.Maildir(path, factory=None, create=False)
    newest = sorted(box.keys(), reverse=True)[:limit]
    return [(name, message_from_bytes(box.get_bytes(name), policy=default)) for name in newest]
