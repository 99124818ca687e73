"""Slack's side of the wire, on loopback: the Web API methods we use and a Socket Mode websocket."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

SIGNING_SECRET = "slack signing secret"


class SlackApi:
    """`messages` are what a person would see in Slack. `trouble` is done once per post, first
    in first out: "429", "lose_response" (the message is posted, its response is not seen),
    "drop" (nothing is posted), or an error of Slack's, such as "not_in_channel".
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.trouble: list[str] = []
        self.page_size = 100
        self.bad_app_token = False
        self.url = ""
        self.acks: list[dict[str, Any]] = []
        self.connected = asyncio.Event()
        self._socket: web.WebSocketResponse | None = None

    async def send_envelope(self, payload: dict[str, Any], envelope_id: str) -> None:
        """Deliver an event over Socket Mode."""
        await self.connected.wait()
        assert self._socket is not None
        await self._socket.send_json(
            {"type": "events_api", "envelope_id": envelope_id, "payload": payload}
        )

    async def _method(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fields = await _fields(request)
        self.calls.append((method, fields))
        match method:
            case "chat.postMessage":
                return self._post(request, fields)
            case "conversations.replies":
                return self._replies(fields)
            case "apps.connections.open" if self.bad_app_token:
                return web.json_response({"ok": False, "error": "invalid_auth"})
            case "apps.connections.open":
                return web.json_response({"ok": True, "url": f"{self.url}socket"})
            case _:
                return web.json_response({"ok": False, "error": "unknown_method"})

    def _post(self, request: web.Request, fields: dict[str, Any]) -> web.StreamResponse:
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "429":
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "7"}
            )
        if trouble not in ("", "lose_response", "drop"):
            return web.json_response({"ok": False, "error": trouble})
        message = {**fields, "ts": f"1700000000.{len(self.messages):06}"}
        if trouble != "drop":
            self.messages.append(message)
        if trouble:
            assert request.transport is not None
            request.transport.close()
        return web.json_response({"ok": True, "ts": message["ts"], "channel": fields["channel"]})

    def _replies(self, fields: dict[str, Any]) -> web.Response:
        thread = [
            entry
            for entry in self.messages
            if entry["channel"] == fields["channel"] and entry.get("thread_ts") == fields["ts"]
        ]
        start = int(fields.get("cursor") or 0)
        more = start + self.page_size < len(thread)
        return web.json_response(
            {
                "ok": True,
                "messages": thread[start : start + self.page_size],
                "response_metadata": {"next_cursor": str(start + self.page_size) if more else ""},
            }
        )

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello"})
        self._socket = socket
        self.connected.set()
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                self.acks.append(json.loads(message.data))
        return socket


async def _fields(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    fields: dict[str, Any] = {**request.query, **await request.post()}
    if "metadata" in fields:
        fields["metadata"] = json.loads(fields["metadata"])
    return fields


@asynccontextmanager
async def serve() -> AsyncIterator[SlackApi]:
    api = SlackApi()
    app = web.Application()
    app.router.add_get("/api/socket", api._websocket)
    app.router.add_route("*", "/api/{method}", api._method)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    try:
        yield api
    finally:
        await runner.cleanup()


def signed(
    body: bytes, *, now: float | None = None, secret: str = SIGNING_SECRET
) -> dict[str, str]:
    """The headers with which Slack sends an event."""
    timestamp = str(int(time.time() if now is None else now))
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": f"v0={digest.hexdigest()}",
    }


def mention(text: str = "<@UBOT> hello", **fields: Any) -> dict[str, Any]:
    """An app_mention as Slack delivers it; `fields` replace those of the event."""
    return {
        "type": "event_callback",
        "team_id": "T1",
        "api_app_id": "A1",
        "event_id": "Ev1",
        "authorizations": [{"team_id": "T1", "user_id": "UBOT", "is_bot": True}],
        "event": {
            "type": "app_mention",
            "user": "U1",
            "text": text,
            "ts": "1700000001.000100",
            "channel": "C1",
            **fields,
        },
    }
