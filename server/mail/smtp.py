"""SMTP: aiosmtplib connects, secures and signs in; then a sender of our own takes the socket over and pipelines.

Where the server offers PIPELINING (RFC 2920), the next mail's envelope travels with this mail's body, so that a
mail costs one round trip. Elsewhere each command waits for its reply.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import aiosmtplib

from server.mail.outlets import LOST, NOT_TRIED, ChannelTrouble, Mail, Reply, Report

CONNECT_SECONDS = 15
REPLY_SECONDS = 60
MAILS_PER_CONNECTION = 100
MAX_REPLY = 32_768
UNSAFE_IN_COMMAND = re.compile(r"[\x00-\x20\x7f<>]")


class Tls(StrEnum):
    FROM_START = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class Hidden(str):
    """Text that does not show in a representation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True)
class Server:
    """An SMTP server and how to get in. The password is not shown in logs."""

    host: str
    port: int
    tls: Tls = Tls.STARTTLS
    username: str | None = None
    password: Hidden | None = None
    connections: int = 8


class Smtp:
    """The connections to one server, kept open between batches."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[Connection] = []

    async def send(self, mails: Iterator[Mail], report: Report) -> None:
        """Over as many connections as the server may have. Raises ChannelTrouble if not one could be opened."""
        first = await self._connection()
        lanes = [asyncio.create_task(self._lane(first, mails, report))]
        lanes += [
            asyncio.create_task(self._lane(None, mails, report)) for _ in range(self._server.connections - 1)
        ]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.close() for connection in idle))

    async def _lane(self, connection: Connection | None, mails: Iterator[Mail], report: Report) -> None:
        """Send what the other lanes leave, on one connection after another."""
        for mail in mails:
            if connection is None or connection.is_used_up:
                if connection is not None:
                    await connection.close()
                try:
                    connection = await self._connection()
                except ChannelTrouble as trouble:  # others have connections: this server wants no more of them
                    await report(mail.id, Reply(NOT_TRIED.code, str(trouble)))
                    return
            await connection.send(mail, mails, report)
        if connection is not None and not connection.is_used_up:
            self._idle.append(connection)
        elif connection is not None:
            await connection.close()

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_used_up:
                return connection
            await connection.close()
        return await Connection.open(self._server)


class Connection:
    """One signed-in connection. `send` keeps at most one mail in flight and one whose report is being written."""

    def __init__(self, transport: asyncio.Transport, pipelining: bool) -> None:
        self._transport = transport
        self._replies = _Replies()
        self._pipelining = pipelining
        self._left = MAILS_PER_CONNECTION
        transport.set_protocol(self._replies)
        transport.resume_reading()

    @classmethod
    async def open(cls, server: Server) -> Connection:
        """Raises ChannelTrouble."""
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.tls is Tls.FROM_START,
            start_tls=server.tls is Tls.STARTTLS,
            timeout=CONNECT_SECONDS,
            local_hostname="localhost" if server.host in ("127.0.0.1", "localhost", "::1") else None,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except aiosmtplib.SMTPAuthenticationError as error:
            raise ChannelTrouble(f"the user or password was refused: {error.message}", refused=True) from error
        except ssl.SSLError as error:
            raise ChannelTrouble(f"the connection could not be secured: {error}", refused=True) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            secure = isinstance(error.__cause__, ssl.SSLError)
            raise ChannelTrouble(f"{server.host}:{server.port}: {error}", refused=secure) from error
        pipelining = client.supports_extension("pipelining")
        return cls(cast(asyncio.Transport, client.transport), pipelining)

    @property
    def is_used_up(self) -> bool:
        return self._left <= 0 or self._replies.lost or self._transport.is_closing()

    async def send(self, first: Mail, more: Iterator[Mail], report: Report) -> None:
        """Send the first mail and then more, until there are none or the connection is used up.

        Every mail that is taken is reported: with the server's reply, or as lost with the connection.
        """
        current: Mail | None = first
        reported: Awaitable[None] | None = None
        following: Mail | None = None
        try:
            refusal = await self._envelope(first)
            while current is not None:
                self._left -= 1
                following = next(more, None) if self._left > 0 else None
                if refusal is not None:
                    reply, refusal = refusal, await self._envelope(following) if following else None
                elif self._pipelining and following is not None:
                    reply, refusal = await self._body_and_envelope(current, following)
                else:
                    reply = await self._body(current)
                    refusal = await self._envelope(following) if following else None
                if reported is not None:
                    await reported
                reported = report(current.id, reply)
                current, following = following, None
        except (OSError, TimeoutError) as error:
            self._transport.abort()
            self._left = 0
            if current is not None:
                await report(current.id, Reply(LOST.code, f"{LOST.text} ({type(error).__name__})"))
            if following is not None:
                await report(following.id, NOT_TRIED)
        if reported is not None:
            await reported

    async def close(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"QUIT\r\n")
            self._transport.close()

    async def _envelope(self, mail: Mail) -> Reply | None:
        """Announce a mail. The refusal, or None if its body may follow."""
        if self._pipelining:
            self._transport.write(_envelope(mail))
            return await self._read_envelope()
        for command in _commands(mail):
            self._transport.write(command)
            (reply,) = await self._replies.read(1)
            if reply.code >= 400:
                self._transport.write(b"RSET\r\n")
                await self._replies.read(1)
                return reply
        return None

    async def _body(self, mail: Mail) -> Reply:
        self._transport.write(_stuffed(mail.message))
        (reply,) = await self._replies.read(1)
        return reply

    async def _body_and_envelope(self, mail: Mail, following: Mail) -> tuple[Reply, Reply | None]:
        self._transport.write(_stuffed(mail.message) + _envelope(following))
        (reply,) = await self._replies.read(1)
        return reply, await self._read_envelope()

    async def _read_envelope(self) -> Reply | None:
        replies = await self._replies.read(3)
        refusal = next((reply for reply in replies if reply.code >= 400), None)
        if refusal is None:
            return None
        if replies[2].code == 354:  # it refused the recipient and still waits for a text (RFC 2920 §3.1)
            self._transport.write(b".\r\n")
        else:
            self._transport.write(b"RSET\r\n")
        await self._replies.read(1)
        return refusal


class _Replies(asyncio.Protocol):
    """Reads replies in order, however many are on their way."""

    def __init__(self) -> None:
        self.lost = False
        self._buffer = b""
        self._lines: list[str] = []
        self._ready: deque[Reply] = deque()
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None

    async def read(self, number: int) -> list[Reply]:
        """The next replies. Raises ConnectionError, or TimeoutError after a minute of silence."""
        if len(self._ready) < number:
            if self.lost:
                raise ConnectionResetError
            self._wanted = number
            self._waiter = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(REPLY_SECONDS):
                await self._waiter
        return [self._ready.popleft() for _ in range(number)]

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take(line.rstrip(b"\r").decode("utf-8", "replace"))
        if len(self._buffer) > MAX_REPLY or len(self._lines) > 100:
            self._fail()
        elif len(self._ready) >= self._wanted:
            self._wake()

    def connection_lost(self, _error: Exception | None) -> None:
        self._fail()

    def _take(self, line: str) -> None:
        self._lines.append(line[4:])
        if line[3:4] == "-":
            return
        code = int(line[:3]) if line[:3].isdecimal() else 0
        self._ready.append(Reply(code, "\n".join(self._lines)))
        self._lines = []
        if code in (0, 421):  # not SMTP, or the server hangs up: what follows is nobody's reply
            self._fail()

    def _fail(self) -> None:
        self.lost = True
        if self._waiter is not None and not self._waiter.done() and len(self._ready) < self._wanted:
            self._waiter.set_exception(ConnectionResetError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _commands(mail: Mail) -> tuple[bytes, bytes, bytes]:
    for path in (mail.sender, mail.recipient):
        if UNSAFE_IN_COMMAND.search(path):
            raise ValueError("an address with a character that could end the command")
    return (
        f"MAIL FROM:<{mail.sender}>\r\n".encode("ascii"),
        f"RCPT TO:<{mail.recipient}>\r\n".encode("ascii"),
        b"DATA\r\n",
    )


def _envelope(mail: Mail) -> bytes:
    return b"".join(_commands(mail))


def _stuffed(message: bytes) -> bytes:
    """The text of a mail with its end, dots doubled where a line begins with one (RFC 5321 §4.5.2)."""
    text = message.replace(b"\r\n.", b"\r\n..")
    if text.startswith(b"."):
        text = b"." + text
    return text + (b".\r\n" if text.endswith(b"\r\n") else b"\r\n.\r\n")
