"""Routes for other systems: webhooks, and Slack's events and clicks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import SecretStr

from ponderd.channels.channel import Accept
from ponderd.channels.errors import NotFound, Unauthenticated
from ponderd.channels.message import Ignored, Trigger
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.app import SHORT_FORM, check_slack_header, http_handler
from ponderd.channels.slack.app import build_app as build_slack
from ponderd.channels.slack.intake import Intake as SlackIntake
from ponderd.channels.webhook.body import read_body
from ponderd.channels.webhook.challenges import (
    ChallengeAnswer,
    asked_by_address,
    asked_by_body,
    check_unsigned,
)
from ponderd.channels.webhook.intake import Intake
from ponderd.channels.webhook.proof import HookSecrets, authenticate, proving
from ponderd.channels.webhook.route import WebhookRoute
from ponderd.channels.webhook.signed import HookRequest
from ponderd.daemon.api.http import Check
from ponderd.daemon.refusals import note_ignored, refused_by
from ponderd.daemon.routing import Routes

_SHORT = 16 * 1024
"""Bytes of a body that is read on the event loop."""
_NO_WORDS = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
"""TwiML: Twilio shall say nothing. The answer comes later, as a message of its own."""


def webhook_routes(
    accept: Accept,
    routes: Routes,
    settings: ChannelSettings,
    api_token: SecretStr,
    intake: Intake,
) -> APIRouter:
    router = APIRouter(tags=["webhooks"])
    own = _own_secrets(settings, api_token)

    @router.post("/webhooks/{source}", status_code=202, response_model=None)
    async def receive(source: str, request: Request) -> dict[str, Any] | Response:
        """Take a signed event. 202 means that it is stored, 204 that the route does not want it.
        The answer goes where the route says; otherwise it waits in the run."""
        headers, body = request.headers, await request.body()
        hook = HookRequest(_public(request, settings.public_url), headers, body)
        route = _route(routes, source, own, hook)
        request.state.source = source
        secrets = route.secrets(own)
        if not body and (answer := _question(route, secrets, hook, request)):
            return answer
        authenticate(route.verify, secrets, hook, now=time.time())
        # A long body takes a while: not on the loop.
        is_long = len(body) > _SHORT or "content-encoding" in headers
        bodies = (
            await asyncio.to_thread(read_body, headers, body)
            if is_long
            else (read_body(headers, body))
        )
        if len(bodies) == 1:
            find = partial(proving, route.verify, secrets, hook, now=time.time())
            if challenge := asked_by_body(bodies[0].payload, headers, find):
                return _said(challenge)
        query = request.query_params.multi_items()
        events = await intake.read(source, route, headers, query, bodies)
        done = await _accepted(source, events, accept)
        return Response(_NO_WORDS, media_type="text/xml") if route.is_sms else done

    @router.api_route(
        "/webhooks/{source}",
        methods=["GET", "HEAD", "OPTIONS"],
        response_model=None,
        include_in_schema=False,
    )
    async def ask(source: str, request: Request) -> Response:
        """What senders ask before they send: whether somebody here wants their events."""
        hook = HookRequest(
            _public(request, settings.public_url), request.headers, b"", request.method
        )
        route = _route(routes, source, own, hook)
        request.state.source = source
        secrets = route.secrets(own)
        answer = _question(route, secrets, hook, request)
        if answer is None:
            check_unsigned(route.verify, secrets, hook, now=time.time())
        return answer or JSONResponse({"source": source})

    return router


def proof_first(routes: Routes, settings: ChannelSettings, api_token: SecretStr) -> Check:
    """A check for `BodyLimit`: nothing of a webhook is read whose header alone shows that
    it will be refused."""
    own = _own_secrets(settings, api_token)

    def check(request: Request) -> None:
        start, _, source = request.url.path.rpartition("/")
        if request.method != "POST" or start != "/webhooks":
            return
        hook = HookRequest(_public(request, settings.public_url), request.headers, None)
        if unquote(source) not in routes.webhooks and _may_be_ours(routes, own, hook):
            return  # with its body it can be told
        route = _route(routes, unquote(source), own, hook)
        request.state.source = unquote(source)
        if not {"validationToken", "validationtoken", "challenge"} & {*request.query_params}:
            authenticate(route.verify, route.secrets(own), hook, now=time.time())

    return check


def _route(
    routes: Routes, source: str, own: Mapping[str, tuple[str, ...]], hook: HookRequest
) -> WebhookRoute:
    """The route of `source`. Raises NotFound, which names the sources that there are to whoever
    proves to be a sender of one of them. Strangers learn no names."""
    if source not in routes.webhooks and hook.body is not None and _may_be_ours(routes, own, hook):
        raise routes.known_instead(source)
    return routes.webhook(source)


def _may_be_ours(routes: Routes, own: Mapping[str, tuple[str, ...]], hook: HookRequest) -> bool:
    """Whether a request has the proof of any source; without its body, whether it may have."""
    for route in routes.webhooks.values():
        with contextlib.suppress(Unauthenticated):
            authenticate(route.verify, route.secrets(own), hook, now=time.time())
            return True
    return False


def _own_secrets(settings: ChannelSettings, api_token: SecretStr) -> dict[str, tuple[str, ...]]:
    """This installation's own, by the type of method."""
    own = {
        "bearer": api_token,
        "standard": settings.webhook_secret,
        "twilio": settings.twilio_auth_token,
    }
    return {name: (one.get_secret_value(),) for name, one in own.items() if one}


def _public(request: Request, public_url: str | None) -> str:
    """The address that the sender wrote, which may be that of a proxy of ours."""
    if public_url is None:
        return str(request.url)
    query = f"?{request.url.query}" if request.url.query else ""
    path = request.scope["raw_path"].decode("latin-1")  # as it was written: some senders sign it
    return f"{public_url.rstrip('/')}{path}{query}"


def _question(
    route: WebhookRoute, secrets: HookSecrets, hook: HookRequest, request: Request
) -> Response | None:
    """The answer to a question without a body. None: it asks nothing. Raises Unauthenticated."""
    query = dict(request.query_params)
    answer = asked_by_address(query, request.headers, request.method, secrets)
    if answer is None:
        return None
    if "hub.challenge" not in query:  # that has a word of proof of its own
        check_unsigned(route.verify, secrets, hook, now=time.time())
    return _said(answer)


def _said(answer: ChallengeAnswer) -> Response:
    # A stranger may have chosen the text: no browser takes it for a page.
    headers = {"x-content-type-options": "nosniff", **(answer.headers or {})}
    if answer.status == 204:
        return Response(status_code=204, headers=headers)
    if isinstance(answer.content, str):
        return PlainTextResponse(answer.content, answer.status, headers)
    return JSONResponse(answer.content, answer.status, headers)


async def _accepted(
    source: str, events: list[Trigger | Ignored], accept: Accept
) -> dict[str, Any] | Response:
    """Store the events of one request, in order. A sender that repeats a batch of which a part was
    stored doubles nothing: each event has its own key."""
    runs = []
    for event in events:
        if isinstance(event, Ignored):
            note_ignored("webhook", source, event.reason)
        else:
            runs.append((await accept(event)).run_id)
    if not runs:
        return Response(status_code=204)
    return {"run_id": runs[0], **({"run_ids": runs} if len(events) > 1 else {})}


def slack_first(settings: ChannelSettings) -> Check:
    """A check for `BodyLimit`: nothing is read of what cannot have Slack's signature. Only the
    look at our certificate comes without one, and it is short."""

    def check(request: Request) -> None:
        if request.method != "POST" or request.scope["path"] != "/slack/events":
            return
        if not settings.slack_signing_secret:
            raise _slack_is_off()
        headers = request.headers
        if "x-slack-signature" in headers or "x-slack-request-timestamp" in headers:
            check_slack_header(headers, now=time.time())
        elif (
            not headers.get("content-length", "").isdecimal()
            or int(headers["content-length"][:20]) > SHORT_FORM
        ):
            raise Unauthenticated("no X-Slack-Signature")

    return check


def _slack_is_off() -> NotFound:
    return NotFound("Slack's events are off: set PONDERD_SLACK_SIGNING_SECRET")


def slack_routes(settings: ChannelSettings, intake: SlackIntake | None) -> APIRouter:
    """POST /slack/events: Slack sends events, clicks and commands there."""
    router = APIRouter(tags=["slack"])
    handle = None
    if settings.slack_signing_secret and intake:
        secret = settings.slack_signing_secret
        handle = http_handler(build_slack(settings, intake), secret, refused_by("slack"))

    @router.post("/slack/events", response_model=None)
    async def events(request: Request) -> Response | JSONResponse:
        if handle is None:
            raise _slack_is_off()
        return await handle(request)

    return router
