"""Routes for other systems: webhooks, and Slack's events and clicks."""

from __future__ import annotations

import secrets
import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import SecretStr

from ponderd.channels.channel import Accept, AnswerInquiry, React
from ponderd.channels.errors import NotFound
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.app import build_app as build_slack
from ponderd.channels.slack.app import http_handler
from ponderd.channels.webhook import receive as webhook
from ponderd.channels.webhook.callback import check_callback
from ponderd.daemon.routing import Routes


def webhook_routes(
    accept: Accept, routes: Routes, settings: ChannelSettings, api_token: SecretStr
) -> APIRouter:
    router = APIRouter(tags=["webhooks"])

    @router.post("/webhooks/{source}", status_code=202)
    async def receive(source: str, request: Request) -> dict[str, str]:
        """Take signed JSON. 202 means that it is stored. The answer goes to `reply_to`; without
        one, it waits in the run."""
        route = routes.webhook(source)
        body = await request.body()
        webhook.authenticate(
            route,
            request.headers,
            body,
            now=time.time(),
            standard=settings.webhook_secret,
            bearer=api_token,
        )
        if request.headers.get("x-github-event") == "ping":  # sent when a hook is created
            return {"pong": source}
        trigger = webhook.parse(
            source, route, request.headers, body, new_id=lambda: secrets.token_hex(8)
        )
        if trigger.reply_to is not None:
            await check_callback(trigger.reply_to.to, settings.callback_allow)
        return {"run_id": (await accept(trigger)).run_id}

    return router


def slack_routes(
    accept: Accept, answer: AnswerInquiry, react: React, settings: ChannelSettings
) -> APIRouter:
    """POST /slack/events: Slack sends events and clicks there."""
    router = APIRouter(tags=["slack"])
    handle = None
    if settings.slack_signing_secret:
        handle = http_handler(build_slack(settings, accept, answer, react))

    @router.post("/slack/events", response_model=None)
    async def events(request: Request) -> Response | JSONResponse:
        if handle is None:
            raise NotFound("Slack's events are off: set PONDERD_SLACK_SIGNING_SECRET")
        return await handle(request)

    return router
