"""Messages, letters and the way to a server: headers, languages, hostile texts, TLS, signing in, pipelining."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import string
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from server import texts
from server.config import Settings
from server.context import TenantContext
from server.errors import Invalid, Refused, Unavailable
from server.incidents import IncidentDraft, UpdateDraft, create_incident, post_update
from server.mail.channels import Channel, read_smtp_url, route_of, save_channel
from server.mail.letters import Reader, Sender, Stationery, update_letter
from server.mail.messages import Letter, hole, mould
from server.mail.outlets import ChannelTrouble, Mail, Reply
from server.mail.overview import overview, send_test
from server.mail.smtp import Hidden, Server, Smtp, Tls
from server.models import Incident, Status, Tenant
from server.store import channels, tenants
from server.store.schema import channels as channel_table
from tests.certificates import make_certificate, server_context
from tests.smtp_sink import DROP, Sink, running

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
OWN = {
    "address": "anna@example.com",
    "message_id": "dlv_1@acme.example",
    "leave_url": "https://acme.example/s/acme/unsubscribe/sub_1.abc",
    "manage_url": "https://acme.example/s/acme/manage/sub_1.abc",
}
HEADERS = {
    "To", "Message-ID", "List-Unsubscribe", "From", "Subject", "Date", "MIME-Version", "Content-Language",
    "List-Id", "List-Unsubscribe-Post", "Auto-Submitted", "X-Auto-Response-Suppress", "Feedback-ID",
    "Content-Type",
}  # fmt: skip


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None
    return str(part.get_content())


def letter(
    subject: str = "Hello", text: str = "Hello\n", html: str = "<p>Hello</p>", name: str = "Acme"
) -> Letter:
    return Letter(
        subject=subject,
        text=text,
        html=html,
        language="en",
        from_address="status@acme.example",
        from_name=name,
        date=NOW,
        list_id="acme.status.acme.example",
        list_name=name,
        feedback_id="update:acme:status:herald",
    )


# --------------------------------------------------------------------------------------------------- messages


def test_every_mail_has_what_a_mail_engineer_expects() -> None:
    message = parsed(mould(letter()).fill(OWN))

    assert set(message.keys()) == HEADERS
    assert message["From"] == "Acme <status@acme.example>"
    assert message["To"] == "anna@example.com"
    assert message["Message-ID"] == "<dlv_1@acme.example>"
    assert message["Date"] == "Sat, 14 Mar 2026 15:09:26 +0000"
    assert message["List-Id"] == "Acme <acme.status.acme.example>"
    assert message["List-Unsubscribe"] == f"<{OWN['leave_url']}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Feedback-ID"] == "update:acme:status:herald"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@given(st.text(max_size=300), st.text(max_size=100), st.text(max_size=300))
def test_no_text_adds_a_header_a_recipient_or_a_line_that_is_too_long(subject: str, name: str, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    subject, name = subject.encode("utf-8", "replace").decode(), name.encode("utf-8", "replace").decode()

    raw = mould(letter(subject, text, f"<p>{hole('address')}</p>", name)).fill(OWN)
    message = parsed(raw)

    assert set(message.keys()) == HEADERS
    assert [address.addr_spec for address in message["To"].addresses] == ["anna@example.com"]
    assert [address.addr_spec for address in message["From"].addresses] == ["status@acme.example"]
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert re.search(rb"(?<!\r)\n|\r(?!\n)|\x00", raw) is None


@given(st.text(alphabet=string.printable, max_size=200))
def test_a_recipients_own_part_cannot_leave_its_place(value: str) -> None:
    filled = mould(letter(text=f"a {hole('manage_url')} b", html=f'<a href="{hole("manage_url")}">x</a>')).fill(
        OWN | {"manage_url": value, "message_id": value}
    )
    message = parsed(filled)

    assert set(message.keys()) == HEADERS
    assert body(message, "html").count("<") == 2
    assert "\n" not in body(message, "plain")


# ------------------------------------------------------------------------------------- letters on an incident


async def incident_with_translations(tenant: TenantContext) -> Incident:
    incident = await create_incident(
        tenant,
        IncidentDraft(
            title="Payments <b>fail</b>",
            message="Cards are **declined**. <script>alert(1)</script>",
            title_translations={"de": "Zahlungen schlagen fehl"},
            translations={"de": "Karten werden abgelehnt."},
        ),
    )
    return await post_update(tenant, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))


async def stationery(tenant: TenantContext) -> tuple[Stationery, Tenant]:
    async with tenant.read() as db:
        page = await tenants.get(db, tenant.id)
    return Stationery(tenant.app.settings, page, Sender("status@acme.example")), page


async def test_a_mail_is_in_the_readers_language_with_the_operators_own_translation(acme: TenantContext) -> None:
    incident = await incident_with_translations(acme)
    paper, page = await stationery(acme)

    german = update_letter(paper, Reader.of(page, "de-AT", "Europe/Berlin"), incident, incident.updates[0].id)

    assert "Zahlungen schlagen fehl" in german.subject
    assert "Karten werden abgelehnt." in german.text
    assert "14.03.2026" in german.text
    assert "16:09 MEZ (15:09 UTC)" in german.text
    assert german.language == "de"


async def test_what_operators_write_is_text_in_every_form(acme: TenantContext) -> None:
    incident = await incident_with_translations(acme)
    paper, page = await stationery(acme)

    english = update_letter(paper, Reader.of(page, None, None), incident, incident.updates[0].id)

    assert "Payments &lt;b&gt;fail&lt;/b&gt;" in english.html
    assert "<strong>declined</strong>" in english.html
    assert "<script" not in english.html
    assert "Cards are **declined**. <script>alert(1)</script>" in english.text


async def test_the_final_mail_says_so_and_shows_what_came_before(acme: TenantContext) -> None:
    incident = await incident_with_translations(acme)
    paper, page = await stationery(acme)

    final = update_letter(paper, Reader.of(page, "en", None), incident, incident.latest.id)

    assert final.subject == "[Resolved] Payments <b>fail</b>"
    assert "This incident is resolved. We write again only if it is reopened." in final.text
    assert "Earlier updates" in final.text
    assert final.thread == f"incident-{incident.id}@[127.0.0.1]"


@pytest.mark.parametrize("language", texts.languages())
async def test_every_language_writes_a_whole_mail(acme: TenantContext, language: str) -> None:
    incident = await incident_with_translations(acme)
    paper, page = await stationery(acme)

    written = update_letter(paper, Reader.of(page, language, "Asia/Tokyo"), incident, incident.latest.id)
    message = parsed(mould(written).fill(OWN))

    assert message["Content-Language"] == language
    assert OWN["address"] in body(message, "plain")
    assert body(message, "html").count(OWN["leave_url"]) == 1
    assert f'dir="{"rtl" if language == "ar" else "ltr"}"' in body(message, "html")


def test_every_language_has_every_text_of_mail_with_its_parameters() -> None:
    def of(language: str) -> dict[str, set[str]]:
        found = texts._texts(language)
        return {key: set(re.findall(r"{\w+}", value)) for key, value in found.items() if key.startswith("mail.")}

    english = of("en")
    assert {language: of(language) == english for language in texts.languages()} == dict.fromkeys(
        texts.languages(), True
    )


# ----------------------------------------------------------------------------------------------------- servers


def some_mails(number: int) -> list[Mail]:
    return [
        Mail(
            f"dlv_{place}",
            "status@acme.example",
            f"p{place}@example.com",
            f"X: 1\r\n\r\n.{place}\r\n..\r\n".encode(),
        )
        for place in range(number)
    ]


async def send(server: Server, mails: list[Mail]) -> dict[str, Reply]:
    """Send them and return the replies."""
    replies: dict[str, Reply] = {}

    def report(mail_id: str, reply: Reply) -> asyncio.Future[None]:
        assert mail_id not in replies
        replies[mail_id] = reply
        noted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        noted.set_result(None)
        return noted

    outlet = Smtp(server)
    try:
        async with asyncio.timeout(30):
            await outlet.send(iter(mails), report)
    finally:
        await outlet.close()
    return replies


@pytest.mark.parametrize("pipelining", [True, False])
async def test_every_mail_arrives_as_it_was_whatever_becomes_of_its_neighbours(pipelining: bool) -> None:
    def answer(stage: str, recipient: str) -> str | None:
        number = int(re.sub(r"\D", "", recipient.partition("@")[0]) or 0)
        if stage == "rcpt" and number % 5 == 1:
            return "550 5.1.1 no such user"
        if stage == "data" and number % 5 == 2:
            return "451 4.3.0 later"
        if stage == "end" and number % 5 == 3:
            return "554 5.6.0 no"
        return None

    mails = some_mails(250)
    async with running(Sink(pipelining=pipelining, answer=answer)) as sink:
        replies = await send(Server("127.0.0.1", sink.port, Tls.NONE, connections=3), mails)

    assert {mail.id for mail in mails} == set(replies)
    for place, mail in enumerate(mails):
        assert replies[mail.id].code == {1: 550, 2: 451, 3: 554}.get(place % 5, 250)
    arrived = {received.recipient: received.raw for received in sink.received}
    assert arrived == {mail.recipient: mail.message for place, mail in enumerate(mails) if place % 5 in (0, 4)}


async def test_a_lost_connection_costs_only_what_was_on_it() -> None:
    mails = some_mails(40)
    async with running(
        Sink(answer=lambda stage, recipient: DROP if (stage, recipient) == ("end", "p7@example.com") else None)
    ) as sink:
        replies = await send(Server("127.0.0.1", sink.port, Tls.NONE, connections=1), mails)

    assert [mail_id for mail_id, reply in replies.items() if not reply.accepted] == ["dlv_7", "dlv_8"]
    assert "lost" in replies["dlv_7"].text
    assert "not tried" in replies["dlv_8"].text


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.FROM_START])
async def test_mail_goes_encrypted_to_a_server_that_proves_who_it_is_and_lets_us_in(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, tls: Tls
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = server_context(certificate)
    sink = Sink(users={"herald": "secret"}, starttls=context if tls is Tls.STARTTLS else None)
    async with running(sink, context if tls is Tls.FROM_START else None):
        replies = await send(Server("127.0.0.1", sink.port, tls, "herald", Hidden("secret")), some_mails(20))

    assert [reply.code for reply in replies.values()] == [250] * 20
    assert len(sink.received) == 20


@pytest.mark.parametrize(
    ("trusted", "starttls", "password", "refused"),
    [(False, True, "secret", True), (True, False, "secret", False), (True, True, "wrong", True)],
    ids=["unknown certificate", "no STARTTLS", "wrong password"],
)
async def test_nothing_is_sent_where_the_server_is_not_safe_or_does_not_know_us(
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
    starttls: bool,
    password: str,
    refused: bool,
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    sink = Sink(users={"herald": "secret"}, starttls=server_context(certificate) if starttls else None)
    async with running(sink):
        with pytest.raises(ChannelTrouble) as trouble:
            await send(Server("127.0.0.1", sink.port, Tls.STARTTLS, "herald", Hidden(password)), some_mails(1))

    assert trouble.value.refused is refused
    assert sink.received == []


# ---------------------------------------------------------------------------------------------------- channels

CHANNEL = Channel(
    host="mail.acme.example", username="herald", from_address="status@acme.example", reply_to="help@acme.example"
)


async def test_a_password_is_stored_sealed_and_opens_for_its_tenant_alone(
    acme: TenantContext, globex: TenantContext
) -> None:
    await save_channel(acme, CHANNEL, "hunter2 is a secret")
    async with acme.read() as db:
        stored = (await db.execute(sa.select(channel_table))).mappings().one()
        route = await route_of(acme.app, db, await tenants.get(db, acme.id))
        assert await channels.get(db, globex.id) is None

    assert "hunter2" not in repr(dict(stored))
    assert route is not None
    assert isinstance(route.place, Server)
    assert route.place.password == "hunter2 is a secret"
    assert "hunter2" not in repr(route)
    with pytest.raises(Unavailable):
        acme.app.signer.open(stored["sealed_password"], globex.id, "channels", "password")


async def test_a_test_mail_tells_what_the_server_said(acme: TenantContext) -> None:
    async with running(Sink()) as sink:
        await save_channel(
            acme, Channel(host="127.0.0.1", port=sink.port, tls=Tls.NONE, from_address="status@acme.example"), None
        )
        said = await send_test(acme, "ops@example.com")
        sink.answer = lambda stage, _recipient: "550 5.7.1 not from you" if stage == "rcpt" else None
        with pytest.raises(Refused, match=r"5\.7\.1 not from you"):
            await send_test(acme, "ops@example.com")

    assert said == "250 2.0.0 taken"
    assert sink.received[0].message["Subject"] == "Test mail from Acme"
    assert (await overview(acme)).place == f"own server 127.0.0.1:{sink.port}"


async def test_without_a_server_a_test_mail_says_what_to_set(acme: TenantContext) -> None:
    with pytest.raises(Unavailable, match="HERALD_SMTP_URL"):
        await send_test(acme, "ops@example.com")


def test_the_platforms_url_is_read_whole() -> None:
    server, sender, bounces = read_smtp_url(
        "smtps://us%40er:p%2Fw@mail.example:4650?from=status@example.com&name=Status&bounces=b.example.com"
    )

    assert (server.host, server.port, server.tls) == ("mail.example", 4650, Tls.FROM_START)
    assert (server.username, server.password) == ("us@er", "p/w")
    assert "p/w" not in repr(server)
    assert (sender, bounces) == (Sender("status@example.com", "Status"), "b.example.com")


@pytest.mark.parametrize("url", ["http://x", "smtp://", "smtp://h?tls=maybe", "smtp://h?form=a@example.com"])
def test_a_url_that_is_not_understood_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="HERALD_SMTP_URL"):
        read_smtp_url(url)


def test_the_settings_do_not_show_the_platforms_password() -> None:
    settings = Settings(smtp_url="smtp://user:hunter2@mail.example")  # type: ignore[arg-type]
    assert "hunter2" not in repr(settings)


@pytest.fixture(autouse=True)
def _no_certificates_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
