"""Slack's side of the wire, on loopback: the Web API methods we use and a Socket Mode websocket."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from aiohttp import WSMsgType, web
from pydantic import SecretStr

from ponderd.channels.settings import ChannelSettings

SIGNING_SECRET = "slack signing secret"


class Signed(NamedTuple):
    """A request as Slack sends it to /slack/events."""

    body: bytes
    headers: dict[str, str]


class SlackApi:
    """`messages` are what a person would see in Slack; `whispers` what only one person sees.

    `people`, `channels` and `groups` are what its directory knows, by id, with the fields of
    Slack's that matter; `files` by id, with their content under "content". `reactions` holds
    (channel, ts, name), `statuses` what each thread shows, by (channel, thread_ts).
    `workspaces` says what auth.test tells of a token, beside the usual.
    `peers` are the connections on which calls came.
    `errors` is what a method answers, always: an error of Slack's, or "429", which asks to wait for
    `retry_after` seconds. `delays` is how long it takes, in seconds.

    `trouble` is done once per post or change, first in first out: "429", "lose_response" (it is
    done, its response is not seen), "drop" (it is not done), or an error of Slack's, such as
    "not_in_channel". `response_delay` is how long a response_url takes, in seconds.
    """

    def __init__(self) -> None:
        self.retry_after = 7
        self.messages: list[dict[str, Any]] = []
        self.whispers: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.peers: set[tuple[str, int]] = set()
        self.trouble: list[str] = []
        self.people: dict[str, dict[str, Any]] = {}
        self.channels: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.reactions: set[tuple[str, str, str]] = set()
        self.statuses: dict[tuple[str, str], str] = {}
        self.errors: dict[str, str] = {}
        self.delays: dict[str, float] = {}
        self.token = "xoxb-1"
        self.workspaces: dict[str, dict[str, str]] = {}
        self.manifest: dict[str, Any] = {}
        self.scopes = "chat:write,channels:history"
        self.page_size = 100
        self.response_delay = 0.0
        self.bad_app_token = False
        self.url = ""
        self.acks: list[dict[str, Any]] = []
        self.connected = asyncio.Event()
        self._numbers = itertools.count()
        self._socket: web.WebSocketResponse | None = None

    @property
    def settings(self) -> ChannelSettings:
        """Those of an installation in this workspace."""
        return ChannelSettings(
            slack_api_url=self.url,
            slack_bot_token=SecretStr("xoxb-1"),
            slack_app_token=SecretStr("xapp-1"),
            slack_signing_secret=SecretStr(SIGNING_SECRET),
        )

    async def send_envelope(
        self, payload: dict[str, Any], envelope_id: str, kind: str = "events_api"
    ) -> None:
        """Deliver an event, or ("interactive") a pressed button, over Socket Mode."""
        await self.connected.wait()
        assert self._socket is not None
        await self._socket.send_json({"type": kind, "envelope_id": envelope_id, "payload": payload})

    def press(self, message: dict[str, Any], choice: str, *, user: str = "U2") -> dict[str, Any]:
        """The payload with which Slack tells that `user` pressed the button for `choice`."""
        [button] = [
            button
            for block in message.get("blocks") or []
            if block["type"] == "actions"
            for button in block["elements"]
            if button["value"].partition(" ")[2] == choice
        ]
        thread = {"thread_ts": message["thread_ts"]} if "thread_ts" in message else {}
        return {
            "type": "block_actions",
            "team": {"id": "T1"},
            "user": {"id": user, "username": user.lower(), "team_id": "T1"},
            "api_app_id": "A1",
            "container": {
                "type": "message",
                "message_ts": message["ts"],
                "channel_id": message["channel"],
            },
            "channel": {"id": message["channel"]},
            "message": {
                "type": "message",
                "bot_id": "B1",
                "ts": message["ts"],
                "text": message["text"],
                "blocks": message["blocks"],
                **thread,
            },
            "response_url": f"{self.url}response/{message['ts']}/{user}",
            "actions": [{**button, "action_ts": "1700000002.000100"}],
        }

    def click(self, message: dict[str, Any], choice: str, *, user: str = "U2") -> Signed:
        """`press`, signed, as Slack posts it."""
        body = urlencode({"payload": json.dumps(self.press(message, choice, user=user))}).encode()
        form = {"content-type": "application/x-www-form-urlencoded"}
        return Signed(body, signed(body) | form)

    async def _method(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fields = await _fields(request)
        self.calls.append((method, fields))
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        await asyncio.sleep(self.delays.get(method, 0))
        if error := self.errors.get(method):
            return self._limited() if error == "429" else _error(error)
        match method:
            case "chat.postMessage":
                return self._with_trouble(request, fields, self._post)
            case "chat.postEphemeral":
                return self._whisper(fields)
            case "chat.update":
                return self._with_trouble(request, fields, self._update)
            case "conversations.replies":
                return self._page(fields, self._replies(fields))
            case "conversations.history":
                return self._page(fields, self._thread(fields["channel"], None)[::-1])
            case "conversations.open":
                return _ok(channel={"id": _direct(fields["users"])})
            case "auth.test":
                given = request.headers.get("Authorization", "").removeprefix("Bearer ")
                who = {"user": "ponderd", "user_id": "UBOT", "team": "Acme", "team_id": "T1"}
                who |= {"bot_id": "B1", **self.workspaces.get(given, {})}
                return _ok(headers={"x-oauth-scopes": self.scopes}, **who)
            case "bots.info":
                return _ok(bot={"id": fields["bot"], "app_id": "A1"})
            case "apps.manifest.export":
                return _ok(manifest=self.manifest)
            case "users.info":
                return _known("user", self.people, fields["user"])
            case "conversations.info":
                return _known("channel", self.channels, fields["channel"])
            case "usergroups.list":
                return _ok(usergroups=[{"id": id, **rest} for id, rest in self.groups.items()])
            case "files.info":
                return self._file(fields["file"])
            case "reactions.add" | "reactions.remove":
                return self._react(method, fields)
            case "assistant.threads.setStatus":
                self.statuses[fields["channel_id"], fields["thread_ts"]] = fields["status"]
                return _ok()
            case "apps.connections.open" if self.bad_app_token:
                return _error("invalid_auth")
            case "apps.connections.open":
                return _ok(url=f"{self.url}socket")
            case _:
                return _error("unknown_method")

    def _with_trouble(
        self,
        request: web.Request,
        fields: dict[str, Any],
        act: Callable[[dict[str, Any]], web.Response],
    ) -> web.StreamResponse:
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "429":
            return self._limited()
        if trouble not in ("", "lose_response", "drop"):
            return _error(trouble)
        wrong = _limits_exceeded(fields)
        response = _error(wrong) if wrong else None
        if trouble != "drop" and response is None:
            response = act(fields)
        if trouble:
            assert request.transport is not None
            request.transport.close()
        return response or _ok()

    def _post(self, fields: dict[str, Any]) -> web.Response:
        channel = _direct(fields["channel"])
        message = {**fields, "channel": channel, "ts": f"1700000000.{next(self._numbers):06}"}
        self.messages.append(message)
        if "thread_ts" in fields:
            self.statuses.pop((channel, fields["thread_ts"]), None)
        return _ok(ts=message["ts"], channel=channel)

    def _limited(self) -> web.Response:
        refused = {"ok": False, "error": "ratelimited"}
        headers = {"Retry-After": str(self.retry_after)}
        return web.json_response(refused, status=429, headers=headers)

    def _whisper(self, fields: dict[str, Any]) -> web.Response:
        """Show something to one person. Unlike a post, it takes no person's id as a channel."""
        if not fields.get("user"):
            return _error("invalid_arguments")
        if not fields.get("text") and not fields.get("blocks"):
            return _error("no_text")
        if fields["channel"][:1] not in ("C", "D", "G"):
            return _error("channel_not_found")
        if wrong := _limits_exceeded(fields):
            return _error(wrong)
        self.whispers.append(dict(fields))
        return _ok(message_ts=f"1700000000.{next(self._numbers):06}")

    def _update(self, fields: dict[str, Any]) -> web.Response:
        for message in self.messages:
            if (message["channel"], message["ts"]) == (fields["channel"], fields["ts"]):
                if len(fields["text"]) > 4_000:
                    return _error("msg_too_long")
                # Slack's pages disagree on whether text alone takes the blocks away.
                message |= {name: fields[name] for name in ("text", "blocks") if name in fields}
                return _ok(ts=message["ts"], channel=message["channel"])
        return _error("message_not_found")

    def _thread(self, channel: str, thread: str | None) -> list[dict[str, Any]]:
        return [
            entry
            for entry in self.messages
            if entry["channel"] == channel and entry.get("thread_ts") == thread
        ]

    def _replies(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        """A thread's first message, always, and those between two times."""
        oldest, latest = float(fields.get("oldest") or 0), float(fields.get("latest") or 1e12)
        first = [
            entry
            for entry in self.messages
            if (entry["channel"], entry["ts"]) == (fields["channel"], fields["ts"])
        ]
        return first + [
            entry
            for entry in self._thread(fields["channel"], fields["ts"])
            if oldest < float(entry["ts"]) < latest and entry not in first
        ]

    def _page(self, fields: dict[str, Any], found: list[dict[str, Any]]) -> web.Response:
        if fields.get("include_all_metadata") not in ("1", "true", True):
            found = [
                {name: value for name, value in entry.items() if name != "metadata"}
                for entry in found
            ]
        start = int(fields.get("cursor") or 0)
        more = start + self.page_size < len(found)
        return _ok(
            messages=found[start : start + self.page_size],
            response_metadata={"next_cursor": str(start + self.page_size) if more else ""},
        )

    def file_url(self, file_id: str) -> str:
        """Where its content is read with the token."""
        return f"{self.url.removesuffix('api/')}files-pri/T1-{file_id}/download/file"

    def _file(self, file_id: str) -> web.Response:
        if file_id not in self.files:
            return _error("file_not_found")
        known = {name: value for name, value in self.files[file_id].items() if name != "content"}
        url = self.file_url(file_id)
        return _ok(file={"id": file_id, "url_private": url, "url_private_download": url, **known})

    async def _content(self, request: web.Request) -> web.StreamResponse:
        """A file, or the page for people who are not logged in."""
        self.calls.append(("GET", {"file": request.match_info["file"]}))
        await asyncio.sleep(self.delays.get("GET", 0))
        file = self.files.get(request.match_info["file"].partition("-")[2])
        if file is None:
            return web.Response(status=404)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            page = "<!DOCTYPE html><html><title>Sign in | Slack</title></html>"
            return web.Response(text=page, content_type="text/html")
        if "redirect" in file:
            return web.Response(status=302, headers={"Location": file["redirect"]})
        as_file = {"Content-Disposition": "attachment"}
        return web.Response(body=file["content"], content_type=file["mimetype"], headers=as_file)

    def _react(self, method: str, fields: dict[str, Any]) -> web.Response:
        reaction = (fields["channel"], fields["timestamp"], fields["name"])
        if (method == "reactions.add") == (reaction in self.reactions):
            return _error("already_reacted" if method == "reactions.add" else "no_reaction")
        self.reactions ^= {reaction}
        return _ok()

    async def _respond(self, request: web.Request) -> web.Response:
        """The other end of a response_url."""
        await asyncio.sleep(self.response_delay)
        fields = await _fields(request)
        if not fields.get("replace_original"):
            self.whispers.append({**fields, "user": request.match_info["user"]})
            return web.Response(text="ok")
        for message in self.messages:
            if message["ts"] == request.match_info["ts"]:
                message["text"], message["blocks"] = fields["text"], fields.get("blocks", [])
        return web.Response(text="ok")

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


def _ok(headers: dict[str, str] | None = None, **fields: Any) -> web.Response:
    return web.json_response({"ok": True, **fields}, headers=headers)


def _error(reason: str) -> web.Response:
    return web.json_response({"ok": False, "error": reason})


def _known(kind: str, entries: dict[str, dict[str, Any]], known_as: str) -> web.Response:
    if known_as not in entries:
        return _error(f"{kind}_not_found")
    return _ok(**{kind: {"id": known_as, **entries[known_as]}})


def _direct(channel: str) -> str:
    """A person's id stands for the direct messages with them, but only where one posts."""
    return f"D{channel[1:]}" if channel.startswith("U") else channel


def _limits_exceeded(fields: dict[str, Any]) -> str:
    """What Slack says to texts and blocks of the wrong size."""
    if len(fields.get("text") or "") > 4_000:
        return "msg_too_long"
    total = 0
    for block in fields.get("blocks") or []:
        total += sum(len(text) for text in _texts(block))
        if block["type"] == "section" and not 0 < len(block["text"]["text"].strip()) <= 3_000:
            return "invalid_blocks"
        for button in block["elements"] if block["type"] == "actions" else ():
            if not button["text"]["text"].strip() or len(button["text"]["text"]) > 75:
                return "invalid_blocks"
            if not 0 < len(button["value"]) <= 2_000 or len(block["elements"]) > 25:
                return "invalid_blocks"
    return "msg_blocks_too_long" if total > 12_000 else ""


def _texts(part: object) -> Iterator[str]:
    """All that stands as "text" in a block, at any depth."""
    if isinstance(part, list):
        for entry in part:
            yield from _texts(entry)
    elif isinstance(part, dict):
        for name, value in part.items():
            if name == "text" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)


@asynccontextmanager
async def serve(api: SlackApi | None = None) -> AsyncIterator[SlackApi]:
    api = api or SlackApi()
    app = web.Application()
    app.router.add_post("/api/response/{ts}/{user}", api._respond)
    app.router.add_get("/api/socket", api._websocket)
    app.router.add_route("*", "/api/{method}", api._method)
    app.router.add_get("/files-pri/{file}/download/{name}", api._content)
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
