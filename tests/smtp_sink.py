"""An SMTP server for tests: it takes mail in any order of packets, counts it, and misbehaves when told to."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

DROP = "drop"

Answer = Callable[[str, str], str | None]
"""What to answer at a stage (`mail`, `rcpt`, `data`, `end`) for a recipient; None: as usual."""


@dataclass(frozen=True)
class Received:
    sender: str
    recipient: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def body(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        assert part is not None
        text: str = part.get_content()
        return text


@dataclass
class Sink:
    pipelining: bool = True
    starttls: ssl.SSLContext | None = None
    users: dict[str, str] | None = None
    answer: Answer = lambda _stage, _recipient: None
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?tls=none&from=status@acme.example"

    @property
    def message_ids(self) -> list[str]:
        return [received.message["Message-ID"] for received in self.received]

    def to(self, recipient: str) -> list[Received]:
        return [received for received in self.received if received.recipient == recipient]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await Session(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class Session:
    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sink, self.reader, self.writer = sink, reader, writer
        self.sender = self.recipient = ""
        self.secure = False

    async def run(self) -> None:
        await self.say("220 sink ESMTP")
        while line := await self.reader.readline():
            verb, _, rest = line.decode("ascii").strip().partition(" ")
            handler = getattr(self, f"do_{verb.lower()}", None)
            if handler is None:
                await self.say("500 what?")
            elif await handler(rest) is False:
                return

    async def say(self, reply: str) -> None:
        self.writer.write(f"{reply}\r\n".encode())
        await self.writer.drain()

    async def maybe_misbehave(self, stage: str) -> bool:
        """Whether the stage was answered otherwise than usual."""
        answer = self.sink.answer(stage, self.recipient)
        if answer is None:
            return False
        if answer == DROP:
            raise ConnectionResetError
        await self.say(answer)
        return True

    async def do_ehlo(self, _rest: str) -> None:
        features = ["sink", "8BITMIME"]
        features += ["PIPELINING"] if self.sink.pipelining else []
        features += ["STARTTLS"] if self.sink.starttls and not self.secure else []
        features += ["AUTH PLAIN"] if self.sink.users is not None else []
        for feature in features[:-1]:
            self.writer.write(f"250-{feature}\r\n".encode())
        await self.say(f"250 {features[-1]}")

    async def do_starttls(self, _rest: str) -> None:
        assert self.sink.starttls is not None
        await self.say("220 go ahead")
        await self.writer.start_tls(self.sink.starttls)
        self.secure = True

    async def do_auth(self, rest: str) -> None:
        _, user, password = b64decode(rest.split()[1]).decode().split("\0")
        known = (self.sink.users or {}).get(user) == password
        await self.say("235 2.7.0 welcome" if known else "535 5.7.8 bad credentials")

    async def do_mail(self, rest: str) -> None:
        self.sender, self.recipient = rest.removeprefix("FROM:<").partition(">")[0], ""
        if not await self.maybe_misbehave("mail"):
            await self.say("250 2.1.0 ok")

    async def do_rcpt(self, rest: str) -> None:
        self.recipient = rest.removeprefix("TO:<").partition(">")[0]
        if await self.maybe_misbehave("rcpt"):
            self.recipient = ""
        else:
            await self.say("250 2.1.5 ok")

    async def do_data(self, _rest: str) -> None:
        if not self.recipient:
            await self.say("503 5.5.1 no recipient")
            return
        if await self.maybe_misbehave("data"):
            return
        await self.say("354 go on")
        raw = await self.reader.readuntil(b"\r\n.\r\n")
        if await self.maybe_misbehave("end"):
            return
        text = raw.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
        self.sink.received.append(Received(self.sender, self.recipient, text))
        self.sink.arrived.set()
        await self.say("250 2.0.0 taken")

    async def do_rset(self, _rest: str) -> None:
        self.sender = self.recipient = ""
        await self.say("250 2.0.0 ok")

    async def do_quit(self, _rest: str) -> bool:
        await self.say("221 2.0.0 bye")
        return False


@asynccontextmanager
async def running(sink: Sink, tls: ssl.SSLContext | None = None) -> AsyncIterator[Sink]:
    """The sink on a free port of 127.0.0.1. With `tls`, secured from the start."""
    sessions: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.create_task(sink.serve(reader, writer))
        sessions.add(session)
        session.add_done_callback(sessions.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", sink.port, ssl=tls, limit=2**20, backlog=256)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        for session in list(sessions):
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
