"""Replies say what the record says, in the customer's language, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from string import Formatter

import pytest
from pydantic import ValidationError

from server.context import TenantContext
from server.errors import NotFound, Refused
from server.incidents import IncidentDraft, UpdateDraft, create_incident, post_update
from server.models import Incident, ReplyPart, Scope, Severity, Status, TenantSettings
from server.replies import ReplyRequest, Tone, closest, detect, languages, write_reply
from server.tenants import edit_settings
from tests.conftest import actor


async def post(tenant: TenantContext, **said: object) -> Incident:
    draft = {"title": "Card payments fail", "message": "We are looking into it.", **said}
    return await create_incident(tenant, IncidentDraft.model_validate(draft))


def wordings(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(files("server.texts").joinpath("replies", f"{language}.json").read_text())
    return found


# ----------------------------------------------------------------------------------------------- what is written


async def test_a_reply_names_the_incident_says_where_it_stands_and_offers_updates(acme: TenantContext) -> None:
    incident = await post(acme, severity=Severity.CRITICAL)

    reply = await write_reply(acme, ReplyRequest(incident_id=incident.id, language="en", customer_name="Ana"))

    assert reply.text == (
        "Hello Ana,\n\n"
        "Thank you for your message. What you describe appears to be part of an incident that we already know of: "
        "“Card payments fail”. We are investigating the cause. We are treating it as a critical incident.\n\n"
        "We apologise for the inconvenience. Would you like us to e-mail you updates until it is resolved?\n\n"
        f"You can follow the current status here: http://127.0.0.1:8000/s/acme/incidents/{incident.slug}"
    )
    assert (reply.language, reply.detected, reply.direction) == ("en", False, "ltr")


async def test_a_brief_reply_leaves_out_what_can_be_left_out(acme: TenantContext) -> None:
    incident = await post(acme, severity=Severity.MAJOR)

    reply = await write_reply(
        acme, ReplyRequest(incident_id=incident.id, language="en", tone=Tone.BRIEF, subscribed=True)
    )

    assert reply.text == (
        "Hello,\n\n"
        "Thank you for your message. What you describe appears to be part of an incident that we already know of: "
        "“Card payments fail”. We are investigating the cause.\n\n"
        "You will receive updates by e-mail until it is resolved."
    )


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (Status.IDENTIFIED, "The cause has been identified and we are working on a fix."),
        (Status.MONITORING, "A fix is in place and we are monitoring whether it holds."),
    ],
)
async def test_the_reply_follows_the_status(acme: TenantContext, status: Status, sentence: str) -> None:
    incident = await post(acme)
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=status))

    assert sentence in (await write_reply(acme, ReplyRequest(incident_id=incident.id, language="en"))).text


async def test_of_a_resolved_incident_the_reply_closes_the_conversation(acme: TenantContext) -> None:
    incident = await post(acme)
    await post_update(acme, UpdateDraft(incident_id=incident.id, status=Status.RESOLVED))

    reply = await write_reply(acme, ReplyRequest(incident_id=incident.id, language="en", tone=Tone.BRIEF))

    assert reply.text == (
        "Hello,\n\nThe incident “Card payments fail” has been resolved. "
        "If you still experience the problem, please reply to this message."
    )


async def test_the_operators_translation_of_the_title_is_used(acme: TenantContext) -> None:
    incident = await post(acme, title_translations={"es": "Fallan los pagos con tarjeta"})

    spanish = await write_reply(acme, ReplyRequest(incident_id=incident.id, language="es-MX"))
    german = await write_reply(acme, ReplyRequest(incident_id=incident.id, language="de"))

    assert "«Fallan los pagos con tarjeta»" in spanish.text
    assert "„Card payments fail“" in german.text


async def test_braces_in_a_name_or_a_title_stay_what_they_are(acme: TenantContext) -> None:
    incident = await post(acme, title="The {url} field fails")

    reply = await write_reply(acme, ReplyRequest(incident_id=incident.id, language="en", customer_name="{title}"))

    assert reply.text.startswith("Hello {title},")
    assert "“The {url} field fails”" in reply.text


async def test_a_tenants_own_wording_is_used_for_the_sentences_it_gave(acme: TenantContext) -> None:
    incident = await post(acme)
    await edit_settings(acme, {"reply_templates": {"en": {"hello": "Hi there,", "known": "Yes: {title}."}}})

    reply = await write_reply(acme, ReplyRequest(incident_id=incident.id, language="en", tone=Tone.BRIEF))

    assert reply.text.startswith("Hi there,\n\nYes: Card payments fail. We are investigating the cause.")


@pytest.mark.parametrize("wording", ["{name}", "{title.__class__}", "{title!r}", "{title:>99}", "{0}", "{", "{}"])
def test_a_wording_with_anything_but_its_placeholders_is_refused(wording: str) -> None:
    with pytest.raises(ValidationError, match="known"):
        TenantSettings.model_validate({"reply_templates": {"en": {"known": wording}}})


# ----------------------------------------------------------------------------------------------- in which language


async def test_the_language_is_told_from_what_the_customer_wrote(acme: TenantContext) -> None:
    incident = await post(acme)

    reply = await write_reply(acme, ReplyRequest(incident_id=incident.id, sample="ödeme yapamıyorum"))

    assert (reply.language, reply.detected) == ("tr", True)
    assert reply.text.startswith("Merhaba,")


async def test_a_language_that_cannot_be_told_is_the_tenants(acme: TenantContext) -> None:
    incident = await post(acme)
    await edit_settings(acme, {"default_language": "nl"})

    for sample in ("ok", "12345", "?"):
        reply = await write_reply(acme, ReplyRequest(incident_id=incident.id, sample=sample))
        assert (reply.language, reply.detected) == ("nl", False)


async def test_arabic_is_written_from_right_to_left(acme: TenantContext) -> None:
    incident = await post(acme)

    assert (await write_reply(acme, ReplyRequest(incident_id=incident.id, language="ar"))).direction == "rtl"


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("I can't log in, it says error 500", "en"),
        ("Zahlung geht nicht", "de"),
        ("Nie mogę zapłacić kartą", "pl"),
        ("支払いができません", "ja"),
        ("无法付款", "zh-CN"),
        ("無法付款", "zh-TW"),
        ("meu pagamento falhou", "pt-BR"),
        ("Kan niet inloggen", "nl"),
        ("thanh toán không được", "vi"),
        ("ok", None),
        ("", None),
    ],
)
def test_languages_are_detected(written: str, language: str | None) -> None:
    assert detect(written) == language


@pytest.mark.parametrize(
    ("tag", "language"),
    [("en-GB", "en"), ("pt-PT", "pt"), ("pt-BR", "pt-BR"), ("zh-Hant-HK", "zh-TW"), ("zh", "zh-CN"), ("no", "nb"),
     ("sw", None)],
)  # fmt: skip
def test_a_tag_finds_the_closest_language(tag: str, language: str | None) -> None:
    assert closest(tag) == language


def test_there_are_replies_in_at_least_thirty_languages() -> None:
    assert len(languages()) >= 30


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_sentence_with_its_placeholders(language: str) -> None:
    ours, english = wordings(language), wordings("en")

    assert set(ours) == set(ReplyPart)
    for part, wording in ours.items():
        assert fields(wording) == fields(english[part]), part
        assert wording == wording.strip()
    if language != "en":
        assert not [part for part, wording in ours.items() if wording == english[part]]


def fields(wording: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(wording) if name is not None}


# --------------------------------------------------------------------------------------------------- who may ask


async def test_another_tenants_incident_cannot_be_written_about(
    acme: TenantContext, globex: TenantContext
) -> None:
    incident = await post(acme)

    with pytest.raises(NotFound):
        await write_reply(globex, ReplyRequest(incident_id=incident.id, language="en"))


async def test_a_reply_needs_the_scope_sidekick(acme: TenantContext) -> None:
    incident = await post(acme)

    with pytest.raises(Refused, match="sidekick"):
        await write_reply(
            replace(acme, actor=actor(Scope.AGENT)), ReplyRequest(incident_id=incident.id, language="en")
        )
