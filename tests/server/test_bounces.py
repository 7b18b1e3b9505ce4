"""What comes back by mail: a true bounce suppresses its address, a forged one nobody."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from server.config import Settings
from server.context import App, TenantContext
from server.mail.bounces import Ingested, ingest
from server.models import MailState
from server.notifications import Worker
from server.subscriptions import suppressed
from tests.server.test_notifications import SOON, outage, states, subscribed
from tests.smtp_sink import Sink

ANNA = "anna@example.com"


@pytest.fixture
def settings(database_url: str, sink: Sink) -> Settings:
    url = f"{sink.url}&bounces=bounces.example.com"
    return Settings(database_url=database_url, smtp_url=SecretStr(url))


@pytest.fixture
async def return_path(app: App, acme: TenantContext, sink: Sink) -> str:
    """Where a mail that anna got came from."""
    await subscribed(acme, ANNA)
    await outage(acme)
    await Worker(app, SOON).run_until_idle()
    return sink.received[0].sender


def report(to: str, status: str = "5.1.1", action: str = "failed", victim: str = ANNA) -> bytes:
    return f"""From: MAILER-DAEMON@mx.example\r
To: {to}\r
Subject: Undelivered\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary=x\r
\r
--x\r
\r
Sorry.\r
--x\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.example\r
\r
Final-Recipient: rfc822; {victim}\r
Action: {action}\r
Status: {status}\r
Diagnostic-Code: smtp; 550 {status} no such user\r
\r
--x--\r
""".encode()


def complaint(to: str) -> bytes:
    return f"""From: fbl@provider.example\r
To: {to}\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report; boundary=x\r
\r
--x\r
\r
Spam.\r
--x\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: abuse\r
Version: 1\r
\r
--x--\r
""".encode()


async def reasons(tenant: TenantContext, *addresses: str) -> dict[str, str]:
    async with tenant.read() as db:
        return await suppressed(db, tenant, addresses)


async def test_a_bounce_suppresses_the_address_that_the_mail_went_to(
    app: App, acme: TenantContext, globex: TenantContext, return_path: str
) -> None:
    done = await ingest(app, report(return_path.upper(), victim="victim@example.com"))

    assert done is Ingested.BOUNCED
    assert await reasons(acme, ANNA, "victim@example.com") == {ANNA: "hard bounce"}
    assert await reasons(globex, ANNA) == {}
    assert await states(acme) == {MailState.BOUNCED: 1}


async def test_the_address_may_come_from_the_mail_server_instead_of_a_header(
    app: App, acme: TenantContext, return_path: str
) -> None:
    assert await ingest(app, report("postmaster@example.com"), recipient=return_path) is Ingested.BOUNCED


@pytest.mark.parametrize(
    ("status", "action"), [("4.2.2", "delayed"), ("4.4.1", "failed"), ("5.7.1", "failed"), ("2.0.0", "delivered")]
)
async def test_a_full_mailbox_a_delay_and_a_refused_sender_suppress_nobody(
    app: App, acme: TenantContext, return_path: str, status: str, action: str
) -> None:
    assert await ingest(app, report(return_path, status, action)) is Ingested.TRANSIENT
    assert await reasons(acme, ANNA) == {}


async def test_a_complaint_suppresses_the_address(app: App, acme: TenantContext, return_path: str) -> None:
    assert await ingest(app, complaint(return_path)) is Ingested.COMPLAINED
    assert await reasons(acme, ANNA) == {ANNA: "complaint"}


async def test_a_forged_report_changes_nothing(app: App, acme: TenantContext, return_path: str) -> None:
    place, _, domain = return_path.partition("@")
    forged = f"{place[:-1]}{'a' if place[-1] != 'a' else 'b'}@{domain}"

    for raw in (
        report(forged),
        complaint(forged),
        report("anna@example.com"),
        b"",
        b"\xff\x00",
        report("b+x.y@z"),
    ):
        assert await ingest(app, raw) is Ingested.UNKNOWN

    assert await reasons(acme, ANNA) == {}
    assert await states(acme) == {MailState.SENT: 1}
