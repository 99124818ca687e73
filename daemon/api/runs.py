"""The run API: launch runs, look at them, steer them. Contract: docs/api.md and /docs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ponderd.channels.channel import Accept
from ponderd.channels.errors import Unavailable
from ponderd.channels.message import Address, Trigger
from ponderd.channels.own_secrets import hide
from ponderd.channels.text import storable
from ponderd.channels.webhook.callback import check_callback
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.control.views import RunView, run_view
from ponderd.workers.control.watching import Watching
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run

KEEP_ALIVE_SECONDS = 15.0
"""After so long without an event a live stream sends a comment, so that proxies keep it open."""

Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200, min_length=1)]


DEEPEST = 100
"""How deep lists and objects in a body may be nested."""


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _can_be_stored(cls, value: Any) -> Any:
        return _storable(value, DEEPEST)


def _storable(value: Any, deepest: int) -> Any:
    """`value` without the characters that nothing can encode. ValueError: it is nested too deep, or
    no JSON."""
    match value:
        case str():
            return storable(value)
        case float() if not math.isfinite(value):
            raise ValueError("NaN and Infinity are not JSON")
        case list() | dict() if not deepest:
            raise ValueError(f"it is nested deeper than {DEEPEST}")
        case list():
            return [_storable(one, deepest - 1) for one in value]
        case dict():
            return {storable(key): _storable(one, deepest - 1) for key, one in value.items()}
        case _:
            return value


class Launch(Body):
    agent: str = Field(max_length=200)
    text: str = Field(min_length=1)
    conversation: str | None = Field(None, min_length=1, max_length=200)
    reply_to: str | None = Field(None, max_length=2000, description="callback URL for the answer")
    channel: Literal["api", "terminal"] = "api"
    by: str = Field("api", min_length=1, max_length=200, description="who writes this")


class Stored(BaseModel):
    """What is told of a run that cannot be shown now."""

    id: str
    detail: str


class MessageBody(Body):
    text: str = Field(min_length=1)
    by: str = Field("api", max_length=200)


class Steer(Body):
    by: str = Field("api", max_length=200)


class Resume(Steer):
    adopt_version: bool = Field(False, description="continue with the agent's newest version")


class Cancel(Steer):
    reason: str = Field("", max_length=2000)


class Fork(Steer):
    at: int | None = Field(None, ge=1, description="copy this many events; default: all")
    text: str | None = Field(None, min_length=1, description="a message for the new run")


class OutsideEvent(Steer):
    name: str = Field(min_length=1, max_length=200)
    payload: Any = Field(None, description="what the run sees of the event: text or JSON")


class Feedback(Steer):
    value: float = Field(ge=0, le=1, description="0: useless; 1: just right")
    source: Literal["thumb", "judge"] = Field(
        "judge", description="a person's reaction, or a program that grades answers"
    )
    answer: int | None = Field(
        None, ge=1, description="event of the model call to grade; default: the newest answer"
    )


def run_routes(
    run_log: RunLog, runs: Runs, accept: Accept, callback_allow: tuple[str, ...]
) -> APIRouter:
    router = APIRouter(prefix="/runs", tags=["runs"])
    watching = Watching(run_log, _write_event, _write_run)

    async def shown(run_id: str) -> RunView | JSONResponse:
        """A run to which something was stored."""
        try:
            return await runs.show(run_id)
        except Unavailable as error:  # a 503 would say: send it again
            detail = f"stored, do not send it again; the run cannot be shown now: {error}"
            return JSONResponse(Stored(id=run_id, detail=hide(detail)).model_dump(), 202)

    not_shown = "It is stored, and will be taken up. The run cannot be shown now."
    stored: dict[int | str, dict[str, Any]] = {202: {"model": Stored, "description": not_shown}}

    @router.post("", status_code=201, response_model=RunView, responses=stored)
    async def launch(body: Launch, key: Key = None) -> RunView | JSONResponse:
        """Launch a run. If the conversation already has one, write to that one."""
        if body.reply_to is not None:
            await check_callback(body.reply_to, callback_allow)
        keys, digest = keys_of(key, "launch", body)
        conversation = body.conversation or f"api-{_digest(key) if key else secrets.token_hex(8)}"
        trigger = Trigger(
            channel=body.channel,
            keys=keys,
            digest=digest,
            conversation=conversation,
            text=body.text,
            sender=body.by,
            agent=body.agent,
            authentic=True,
            reply_to=Address(channel="webhook", to=body.reply_to) if body.reply_to else None,
        )
        return await shown((await accept(trigger)).run_id)

    @router.get("/{run_id}")
    async def show(run_id: str) -> RunView:
        return await runs.show(run_id)

    @router.get("/{run_id}/events", response_model=None)
    async def events(
        request: Request,
        run_id: str,
        after: Annotated[int, Query(ge=0)] = 0,
        last_event_id: Annotated[int | None, Header(ge=0)] = None,
    ) -> dict[str, Any] | StreamingResponse:
        """All events as JSON, or a live stream with `Accept: text/event-stream`."""
        after = last_event_id or after
        if "text/event-stream" in request.headers.get("accept", ""):
            await run_log.latest(run_id)  # what is wrong with it must be said before the first byte
            stream = _follow(watching, run_id, after)
            return StreamingResponse(stream, media_type="text/event-stream")
        found = await run_log.events(run_id, after)
        return {
            "events": [
                {"version": version, **event.model_dump(mode="json")}
                for version, event in enumerate(found, after + 1)
            ]
        }

    @router.post("/{run_id}/messages", response_model=RunView, responses=stored)
    async def message(run_id: str, body: MessageBody, key: Key = None) -> RunView | JSONResponse:
        """Write to a run: the answer to its question, a yes or no, or something new."""
        keys, digest = keys_of(key, run_id, body)
        await runs.message(run_id, body.text, sender=body.by, keys=keys, digest=digest)
        return await shown(run_id)

    @router.post("/{run_id}/pause")
    async def pause(run_id: str, body: Steer | None = None) -> RunView:
        return await runs.pause(run_id, (body or Steer.model_validate({})).by)

    @router.post("/{run_id}/resume")
    async def resume(run_id: str, body: Resume | None = None) -> RunView:
        body = body or Resume.model_validate({})
        return await runs.resume(run_id, body.by, adopt_version=body.adopt_version)

    @router.post("/{run_id}/cancel")
    async def cancel(run_id: str, body: Cancel | None = None) -> RunView:
        body = body or Cancel.model_validate({})
        return await runs.cancel(run_id, body.by, body.reason)

    @router.post("/{run_id}/events", response_model=RunView, responses=stored)
    async def event(run_id: str, body: OutsideEvent, key: Key = None) -> RunView | JSONResponse:
        """Tell a run of an event that it waits for. An event that comes too early is kept."""
        keys, digest = keys_of(key, run_id, body)
        text = isinstance(body.payload, str)
        payload = storable(body.payload) if text else json.dumps(body.payload)
        await runs.event(run_id, body.name, payload, by=body.by, keys=keys, digest=digest)
        return await shown(run_id)

    @router.post("/{run_id}/feedback")
    async def feedback(run_id: str, body: Feedback) -> RunView:
        """Say how good an answer was. Agents learn from it how hard to think."""
        return await runs.feedback(
            run_id, body.value, by=body.by, source=body.source, answer=body.answer
        )

    @router.post("/{run_id}/fork", status_code=201)
    async def fork(run_id: str, body: Fork, key: Key = None) -> RunView:
        """Create a run that begins with a copy of this one's events."""
        keys, digest = keys_of(key, run_id, body)
        return await runs.fork(
            run_id, at=body.at, by=body.by, text=body.text, keys=keys, digest=digest
        )

    @router.get("/{run_id}/prompts/{version}", response_class=Response)
    async def prompt(run_id: str, version: int) -> Response:
        """The exact request of the model call whose answer is event `version`."""
        found = await runs.prompt(run_id, version)
        headers = {
            "x-prompt-sha256": found.sha256,
            "x-prompt-verified": "true" if found.verified else "false",
        }
        return Response(found.body, media_type="application/json", headers=headers)

    return router


def keys_of(key: str | None, scope: str, body: BaseModel) -> tuple[tuple[str, ...], str]:
    """The trigger's keys for an Idempotency-Key, and the digest of what it stands for. The kind of
    the request is part of that: a run's events and messages share their keys."""
    if key is None:
        return (), ""
    said = f"{type(body).__name__} {body.model_dump_json(exclude_defaults=True)}"
    return (f"api:{scope}:{_digest(key)}",), _digest(said)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


async def _follow(watching: Watching, run_id: str, after: int) -> AsyncIterator[str]:
    """Server-sent events: each event after number `after`, then `status` with the run's view."""
    async with contextlib.aclosing(watching.follow(run_id, after, KEEP_ALIVE_SECONDS)) as steps:
        async for step in steps:
            if step is None:
                yield ": still here\n\n"
                continue
            for _, text in step.events:
                yield text
            yield step.status


def _write_event(version: int, event: e.Event) -> str:
    return f"id: {version}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n"


def _write_run(run: Run) -> str:
    return f"event: status\ndata: {run_view(run).model_dump_json()}\n\n"
