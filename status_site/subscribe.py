"""Subscribing on the page: ask, confirm, manage, leave. Works without scripts; a GET never changes anything.

Mail programs and link scanners fetch every link of a mail, so whatever a link is for, a button (POST) does it.
Leaving by POST needs no cookie and no question (RFC 8058).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import FormMultiDict, State
from litestar.params import FromPath
from pydantic import ValidationError

from server import texts
from server.context import App, TenantContext
from server.errors import Invalid, NotFound
from server.links import page_url
from server.models import Ground, Incident, Signup, Subscriber, Topic, TopicKind
from server.snapshots import Snapshot
from server.subscriptions import (
    Preferences,
    SignupDraft,
    ask,
    came_by_offer,
    confirm,
    find_signup,
    find_subscriber,
    leave,
    leave_token,
    may_leave,
    save_preferences,
    visitor_of,
)
from status_site.branding import look_of
from status_site.documents import SECURITY_HEADERS
from status_site.reader import Reader
from status_site.render import render

# A person takes longer than a script to type an address; a form that lay open for a day is shown anew.
SOONEST = timedelta(seconds=2)
LATEST = timedelta(days=1)
HONEYPOT = "website"

HttpRequest = Request[Any, Any, State]


@dataclass(frozen=True)
class Visit:
    """Someone at one tenant's page."""

    app: App
    tenant: TenantContext
    snapshot: Snapshot
    reader: Reader
    host: str | None

    @property
    def title(self) -> str:
        return self.snapshot.tenant.settings.page_title or self.snapshot.tenant.name

    @property
    def home(self) -> str:
        return page_url(self.app.settings, self.snapshot.tenant)

    def text(self, key: str, **values: Any) -> str:
        return texts.text(f"mail.{key}", self.reader.language, **values)

    def html(self, template: str, status: int = 200, **values: Any) -> Response[bytes]:
        body = render(
            f"subscribe/{template}.html",
            self.reader,
            t=self.text,
            title=self.title,
            look=look_of(self.snapshot, self.reader.base),
            honeypot=HONEYPOT,
            incidents=self.snapshot.active,
            components=self.snapshot.components,
            topic_name=self.topic_name,
            **values,
        )
        headers = SECURITY_HEADERS | {"Cache-Control": "no-store", "Content-Language": self.reader.language}
        return Response(body, status_code=status, media_type=MediaType.HTML, headers=headers)

    def topic_name(self, topic: Topic) -> str:
        if topic.kind is TopicKind.ALL:
            return self.text("all")
        if topic.kind is TopicKind.COMPONENT:
            return next((one.name for one in self.snapshot.components if one.id == topic.id), topic.id)
        return next((str(self.reader.title(one)) for one in self.incidents if one.id == topic.id), topic.id)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        return (*self.snapshot.active, *self.snapshot.history)


# ---------------------------------------------------------------------------------------------------- asking


@get("/s/{tenant:str}/subscribe")
async def subscribe_page(request: HttpRequest, tenant: FromPath[str]) -> Response[bytes]:
    """The form, with the incident or component of the address chosen."""
    visit = await _visit(request, tenant)
    chosen = {
        f"{kind}:{request.query_params[kind]}"
        for kind in (TopicKind.INCIDENT, TopicKind.COMPONENT)
        if kind in request.query_params
    }
    return _form(visit, chosen or {TopicKind.ALL.value}, sign=request.query_params.get("sign", ""))


@post("/s/{tenant:str}/subscribe", status_code=202)
async def subscribe(request: HttpRequest, tenant: FromPath[str]) -> Response[bytes]:
    """The same answer whether or not the address is known, suppressed or asked for too often."""
    visit = await _visit(request, tenant)
    form = await request.form()
    address, sign = _field(form, "address"), _field(form, "sign")
    chosen = set(form.getall("topic", []))
    if _field(form, HONEYPOT):
        return visit.html("sent", 202, address=address)
    if not visit.app.network_limits.allows(visit.host):
        return _form(visit, chosen, sign, address, "form.too_many", 429)
    if not _took_its_time(visit, _field(form, "shown")):
        return _form(visit, chosen, sign, address, "form.again", 409)
    try:
        topics = tuple(_topic(value) for value in chosen)
        draft = SignupDraft(address=address, topics=topics, language=_language(form))
    except (ValidationError, ValueError):
        return _form(visit, chosen, sign, address, "form.choose", 400)
    offered = any(came_by_offer(visit.tenant, topic.id, sign) for topic in topics)
    try:
        await ask(visit.tenant, draft, Ground(source="status_check" if offered else "page"))
    except Invalid:
        return _form(visit, chosen, sign, address, "form.wrong_address", 400)
    return visit.html("sent", 202, address=address)


@get("/s/{tenant:str}/confirm/{token:str}")
async def confirm_page(request: HttpRequest, tenant: FromPath[str], token: FromPath[str]) -> Response[bytes]:
    visit = await _visit(request, tenant)
    signup = await find_signup(visit.tenant, token)
    return _in_language_of(visit, signup).html("confirm", signup=signup)


@post("/s/{tenant:str}/confirm/{token:str}", status_code=200)
async def confirm_signup(request: HttpRequest, tenant: FromPath[str], token: FromPath[str]) -> Response[bytes]:
    visit = await _visit(request, tenant)
    subscriber = await confirm(visit.tenant, token)
    return _in_language_of(visit, subscriber).html("confirmed", address=subscriber.address)


# ------------------------------------------------------------------------------------- managing and leaving


@get("/s/{tenant:str}/manage/{token:str}")
async def manage_page(request: HttpRequest, tenant: FromPath[str], token: FromPath[str]) -> Response[bytes]:
    visit = await _visit(request, tenant)
    return _manage(visit, await find_subscriber(visit.tenant, token))


@post("/s/{tenant:str}/manage/{token:str}", status_code=200)
async def manage(request: HttpRequest, tenant: FromPath[str], token: FromPath[str]) -> Response[bytes]:
    visit = await _visit(request, tenant)
    form = await request.form()
    try:
        wanted = Preferences(
            topics=tuple(_topic(value) for value in form.getall("topic", [])),
            language=_language(form),
            time_zone=_field(form, "time_zone") or None,
        )
    except (ValidationError, ValueError) as error:
        raise Invalid("go back and choose from the lists") from error
    return _manage(visit, await save_preferences(visit.tenant, token, wanted), saved=True)


@get("/s/{tenant:str}/unsubscribe/{token:str}")
async def leave_page(request: HttpRequest, tenant: FromPath[str], token: FromPath[str]) -> Response[bytes]:
    visit = await _visit(request, tenant)
    if not may_leave(visit.tenant, token):
        raise NotFound("this link is not complete: open it from the newest mail")
    return visit.html("leave")


@post("/s/{tenant:str}/unsubscribe/{token:str}", status_code=200)
async def leave_at_once(request: HttpRequest, tenant: FromPath[str], token: FromPath[str]) -> Response[bytes]:
    """For the page's button and for mail providers (RFC 8058) alike: whatever the body, done when answered."""
    visit = await _visit(request, tenant)
    await leave(visit.tenant, token)
    return visit.html("left")


HANDLERS = (
    subscribe_page,
    subscribe,
    confirm_page,
    confirm_signup,
    manage_page,
    manage,
    leave_page,
    leave_at_once,
)

# ----------------------------------------------------------------------------------------------------- parts


async def _visit(request: HttpRequest, slug: str) -> Visit:
    app: App = request.app.state.app
    tenant = await visitor_of(app, slug)
    snapshot = await app.snapshots.get(tenant.id)
    original = snapshot.tenant.settings.default_language
    asked = request.query_params.get("lang", "")
    accepted = texts.choose(request.headers.get("accept-language", ""), original)
    language = asked if asked in texts.languages() else accepted
    reader = Reader(language, f"/s/{slug}", original, chose=asked == language)
    return Visit(app, tenant, snapshot, reader, request.client.host if request.client else None)


def _form(
    visit: Visit,
    chosen: set[str],
    sign: str = "",
    address: str = "",
    problem: str | None = None,
    status: int = 200,
) -> Response[bytes]:
    return visit.html(
        "form",
        status,
        chosen=chosen,
        sign=sign,
        address=address,
        problem=problem and visit.text(problem),
        shown=_stamp(visit),
    )


def _manage(visit: Visit, subscriber: Subscriber, *, saved: bool = False) -> Response[bytes]:
    visit = _in_language_of(visit, subscriber)
    chosen = [subscription.topic for subscription in subscriber.subscriptions]
    sleeping = [topic for topic in chosen if topic.id in {one.id for one in visit.snapshot.history}]
    return visit.html(
        "manage",
        subscriber=subscriber,
        chosen={_value(topic) for topic in chosen},
        sleeping=[(_value(topic), visit.topic_name(topic)) for topic in sleeping],
        saved=saved,
        time_zones=sorted(available_timezones()),
        leave_path=f"{visit.reader.base}/unsubscribe/{leave_token(visit.app, visit.tenant.id, subscriber.id)}",
    )


def _in_language_of(visit: Visit, person: Signup | Subscriber) -> Visit:
    """Whoever comes from a mail reads on in its language, unless they chose another."""
    language = texts.closest(person.language or "")
    if language is None or visit.reader.chose:
        return visit
    reader = Reader(language, visit.reader.base, visit.reader.original)
    return Visit(visit.app, visit.tenant, visit.snapshot, reader, visit.host)


def _stamp(visit: Visit) -> str:
    """When the form was shown, so that it cannot be made up."""
    moment = visit.tenant.now().isoformat()
    return f"{moment} {visit.app.signer.mac('form', visit.tenant.id, moment)}"


def _took_its_time(visit: Visit, stamp: str) -> bool:
    moment, _, mac = stamp.partition(" ")
    if not visit.app.signer.is_mac(mac, "form", visit.tenant.id, moment):
        return False
    return SOONEST <= visit.tenant.now() - datetime.fromisoformat(moment) <= LATEST


def _value(topic: Topic) -> str:
    return f"{topic.kind}:{topic.id}" if topic.id else topic.kind.value


def _topic(value: str) -> Topic:
    """Raises ValueError for a kind that there is not."""
    kind, _, subject = value.partition(":")
    return Topic(kind=TopicKind(kind), id=subject)


def _field(form: FormMultiDict, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _language(form: FormMultiDict) -> str | None:
    return texts.closest(_field(form, "language"))
