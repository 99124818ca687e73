"""Routes for other systems: webhooks, and Slack's events and clicks."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import SecretStr

from ponderd.channels.channel import Accept
from ponderd.channels.errors import NotFound
from ponderd.channels.message import Ignored, Trigger
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.app import build_app as build_slack
from ponderd.channels.slack.app import http_handler
from ponderd.channels.slack.intake import Intake as SlackIntake
from ponderd.channels.webhook.intake import Intake
from ponderd.channels.webhook.proof import authenticate
from ponderd.channels.webhook.rendering import Renderer
from ponderd.channels.webhook.signed import HookRequest
from ponderd.daemon.refusals import note_ignored, refused_by
from ponderd.daemon.routing import Routes


def webhook_routes(
    accept: Accept,
    routes: Routes,
    settings: ChannelSettings,
    api_token: SecretStr,
    renderer: Renderer,
) -> APIRouter:
    router = APIRouter(tags=["webhooks"])
    intake = Intake(renderer, settings.callback_allow)
    own = {"bearer": (api_token.get_secret_value(),)}
    if settings.webhook_secret:
        own["standard"] = (settings.webhook_secret.get_secret_value(),)

    @router.post("/webhooks/{source}", status_code=202, response_model=None)
    async def receive(source: str, request: Request) -> dict[str, Any] | Response:
        """Take a signed event. 202 means that it is stored, 204 that the route does not want it.
        The answer goes where the route says; otherwise it waits in the run."""
        route = routes.webhook(source)
        request.state.source = source
        body = await request.body()
        asked = HookRequest(str(request.url), request.headers, body)
        authenticate(route.verify, route.secrets(own), asked, now=time.time())
        if request.headers.get("x-github-event") == "ping":  # sent when a hook is created
            return {"pong": source}
        query = request.query_params.multi_items()
        events = await intake.read(source, route, request.headers, query, body)
        return await _accepted(source, events, accept)

    return router


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
            raise NotFound("Slack's events are off: set PONDERD_SLACK_SIGNING_SECRET")
        return await handle(request)

    return router
