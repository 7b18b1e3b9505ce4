"""What servers answer, noted: replies become states of mails, written in groups while the next mails travel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from server.addresses import read_address
from server.context import Actor, App, TenantContext
from server.errors import Unavailable
from server.mail.outlets import LOST, Reply
from server.models import MailState
from server.store import deliveries
from server.store.deliveries import Delivery, Outcome
from server.subscriptions import suppress

if TYPE_CHECKING:
    from server.mail.batches import Batch

GIVE_UP_AFTER = timedelta(hours=48)
DATABASE_PAUSE_SECONDS = 0.5
NEVER_ARRIVES = "hard bounce"
NOTER = Actor(id="worker", name="mail worker", scopes=frozenset())

NO_SUCH_MAILBOX = {550, 551, 553}
THROTTLED = {421, 454}

Backoff = Callable[[int], timedelta]

log = logging.getLogger(__name__)


def never_arrives(reply: Reply) -> bool:
    """Whether the address itself is the fault. A policy that refuses us (5.7.x) says nothing of the address."""
    if not reply.permanent:
        return False
    if reply.enhanced is not None:
        return reply.enhanced.startswith("5.1.") or reply.enhanced in ("5.2.1", "5.0.0")
    return reply.code in NO_SUCH_MAILBOX


def outcome_of(
    mail_id: str, attempts: int, created_at: datetime, reply: Reply, now: datetime, backoff: Backoff
) -> Outcome:
    """What a reply means: sent, never, given up after 48 hours, or once more later."""
    if reply.accepted:
        return Outcome(mail_id, MailState.SENT, str(reply))
    if reply.permanent:
        state = MailState.BOUNCED if never_arrives(reply) else MailState.DEAD
        return Outcome(mail_id, state, str(reply))
    due_at = now + backoff(attempts)
    if due_at >= created_at + GIVE_UP_AFTER:
        return Outcome(mail_id, MailState.DEAD, str(reply))
    is_mails_fault = reply.code not in THROTTLED and (reply.code != 0 or reply.text.startswith(LOST.text))
    return Outcome(mail_id, MailState.QUEUED, str(reply), due_at, counts=is_mails_fault)


class Notes:
    """Takes replies of one batch, and writes down all that came while the last group was being written."""

    def __init__(self, app: App, tenant_id: str, owner: str, batch: Batch, backoff: Backoff) -> None:
        self._app = app
        self._tenant = TenantContext(app, tenant_id, NOTER)
        self._owner = owner
        self._batch = batch
        self._backoff = backoff
        self._open = {delivery.id: delivery for delivery in batch.deliveries}
        self._waiting: list[tuple[Outcome, Delivery, asyncio.Future[None]]] = []
        self._came = asyncio.Event()
        self._is_ended = False
        self.reported = 0

    @property
    def unreported(self) -> list[str]:
        """Ids of the mails of which nothing was heard."""
        return list(self._open)

    def report(self, mail_id: str, reply: Reply) -> asyncio.Future[None]:
        """Note the reply. The future is done when it is committed."""
        delivery = self._open.pop(mail_id)
        now = self._app.clock()
        outcome = outcome_of(mail_id, delivery.attempts, delivery.created_at, reply, now, self._backoff)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, delivery, written))
        self._came.set()
        self.reported += 1
        return written

    @asynccontextmanager
    async def being_written(self) -> AsyncIterator[None]:
        """Write while the block runs, and what is left when it ends."""
        writing = asyncio.create_task(self._write_as_they_come())
        try:
            yield
        finally:
            self._is_ended = True
            self._came.set()
            await writing

    async def _write_as_they_come(self) -> None:
        while self._waiting or not self._is_ended:
            await self._came.wait()
            await self._write_group()

    async def _write_group(self) -> None:
        """Until it is written: mail that was sent and is not noted would be sent again."""
        group, self._waiting = self._waiting, []
        self._came.clear()
        while group:
            try:
                await self._commit(group)
                break
            except Unavailable as error:
                log.warning("%d replies wait to be noted: %s", len(group), error)
                await asyncio.sleep(DATABASE_PAUSE_SECONDS)
        for _, _, written in group:
            if not written.done():
                written.set_result(None)

    async def _commit(self, group: list[tuple[Outcome, Delivery, asyncio.Future[None]]]) -> None:
        now = self._app.clock()
        async with self._app.database.write() as db:
            outcomes = [outcome for outcome, _, _ in group]
            await deliveries.finish(db, self._tenant.id, self._owner, outcomes, now)
            for outcome, delivery, _ in group:
                if outcome.state is MailState.BOUNCED:
                    await suppress(db, self._tenant, read_address(self._batch.address(delivery)), NEVER_ARRIVES)
