"""The other ends of the channels: they send one message until it is accepted, and some send it
again afterwards, as Slack, mail relays and webhook senders do."""

from __future__ import annotations

import asyncio
import email.message
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import aiosmtplib
from standardwebhooks import Webhook

from tests.chaos.faults import Faults
from tests.chaos.world import World
from tests.services.slack_api import mention, signed
from tests.services.stack import API_TOKEN, WEBHOOK_SECRET, Stack

DOUBLED = 0.1
"""Share of accepted messages that are sent again, at once or later."""
HUNG_UP = 0.05
"""Share of attempts whose sender goes away before it was answered."""
PAUSE = 0.3
"""Seconds between two attempts."""
AGENT = "chaos"
BEARER = {"authorization": f"Bearer {API_TOKEN}"}


@dataclass
class Message:
    """What somebody wrote. `address` is where its outcome becomes visible; None: where the run
    answers at the time."""

    id: str
    address: str | None
    accepted: bool = False
    answers: str = ""
    """The Message-ID that a mail replies to: the same in every attempt."""


@dataclass
class Conversation:
    """`name` is what the run's listing calls it."""

    id: str
    channel: str
    name: str
    messages: list[Message] = field(default_factory=list)
    verdicts: list[Message] = field(default_factory=list)
    """Answers to an approval that are no messages: by button, by POST /approvals/{id}."""
    ratings: list[Message] = field(default_factory=list)
    """What somebody thought of its answers."""
    run_id: str = ""

    @property
    def addresses(self) -> list[str]:
        return list(dict.fromkeys(m.address for m in self.messages if m.address))


class Refusal(Exception):
    """Not accepted, and sending it again is no use."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


class TooLate(Exception):
    """Somebody else has decided, or there is nothing to say it of."""


class Again(Exception):
    """Not accepted now."""


class Senders:
    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._later: set[asyncio.Task[None]] = set()
        self.refused: list[str] = []

    async def deliver(self, message: Message, attempt: Callable[[], Awaitable[None]]) -> None:
        """Until it is accepted; then perhaps once more."""
        while True:
            try:
                hangs_up = self._faults.happens(HUNG_UP)
                async with asyncio.timeout(0.01 if hangs_up else 20):
                    await attempt()
                break
            except TimeoutError:
                if hangs_up:
                    self._faults.struck("sender.hung_up")
            except TooLate:
                return
            except Refusal as error:
                self.refused.append(f"{message.id}: {error}")
                return
            except (Again, aiohttp.ClientError, aiosmtplib.SMTPException, OSError):
                pass
            await asyncio.sleep(PAUSE)
        message.accepted = True
        if self._faults.happens(DOUBLED):
            task = asyncio.create_task(self._again(attempt))
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    async def _again(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """The same once more, after others that were sent later."""
        await asyncio.sleep(self._faults.random.choice((0, 0.1, 1, 5)))
        try:
            async with asyncio.timeout(20):
                await attempt()
        except (Again, TooLate, aiohttp.ClientError, aiosmtplib.SMTPException, OSError):
            return
        except Refusal as error:
            self.refused.append(f"a second time: {error}")
            return
        self._faults.struck("sender.doubled")

    async def finish(self) -> None:
        await asyncio.gather(*self._later)

    # -- one attempt each -----------------------------------------------------------------------

    async def launch(self, talk: Conversation, text: str, message: Message) -> None:
        body = {"agent": AGENT, "text": text, "conversation": talk.name}
        body["reply_to"] = self._world.callbacks.url(message.id)
        talk.run_id = (await self.api("/runs", body, message.id))["id"]

    async def write(self, talk: Conversation, text: str, message: Message) -> None:
        await self.api(f"/runs/{talk.run_id}/messages", {"text": text, "by": "Bob"}, message.id)

    async def decide(self, talk: Conversation, yes: bool, verdict: Message) -> None:
        """By POST /approvals/{id}; `verdict.answers` is its id once it is known."""
        if not verdict.answers:
            verdict.answers = await self._approval(talk)
        body = {"approve": yes, "by": verdict.id}
        try:
            await self.api(f"/approvals/{verdict.answers}", body, None)
        except Refusal as error:
            raise TooLate if error.status == 409 else error from error

    async def _approval(self, talk: Conversation) -> str:
        log = json.loads(await self._request("GET", f"/runs/{talk.run_id}/events", b"", BEARER))
        asked = [e["version"] for e in log["events"] if e["type"] == "approval_requested"]
        if not asked:
            raise TooLate  # another message came first
        return f"{talk.run_id}:{asked[0]}"

    async def click(self, talk: Conversation, yes: bool, verdict: Message) -> None:
        """A button in Slack, which says 200 to those who come too late, as well."""
        thread = talk.name.rpartition(":")[2]
        posts = self._world.slack.messages
        question = next(
            (p for p in posts if p.get("thread_ts") == thread and p.get("blocks")), None
        )
        if question is None:
            raise TooLate
        choice = "approve" if yes else "deny"
        body, headers = self._world.slack.click(question, choice, user=user_of(verdict))
        await self._request("POST", "/slack/events", body, headers)

    async def rate(self, talk: Conversation, rating: Message) -> None:
        try:
            await self.api(f"/runs/{talk.run_id}/feedback", {"value": 1, "by": rating.id}, None)
        except Refusal as error:  # what became visible was a question or a failure
            raise TooLate if error.status == 409 else error from error

    async def thumb(self, talk: Conversation, rating: Message) -> None:
        """In Slack, on the newest answer."""
        _, channel, thread = talk.name.split(":")
        posts = [p for p in self._world.slack.messages if p.get("thread_ts") == thread]
        item = {"type": "message", "channel": channel, "ts": posts[-1]["ts"]}
        reaction = {"type": "reaction_added", "user": user_of(rating), "reaction": "+1"}
        event = {**reaction, "item": item, "event_ts": thread}
        body = {**mention(""), "event": event, "event_id": f"Ev{rating.id}"}
        data = json.dumps(body)
        await self._request("POST", "/slack/events", data.encode(), signed(data.encode()))

    async def status(self, run_id: str) -> str:
        return str(json.loads(await self._request("GET", f"/runs/{run_id}", b"", BEARER))["status"])

    async def api(self, path: str, body: dict[str, Any], key: str | None) -> Any:
        headers = BEARER | ({"idempotency-key": key} if key else {})
        return json.loads(await self._request("POST", path, json.dumps(body).encode(), headers))

    async def webhook(self, talk: Conversation, text: str, message: Message) -> None:
        body = {
            "agent": AGENT,
            "text": text,
            "conversation": talk.name,
            "reply_to": self._world.callbacks.url(message.id),
        }
        data = json.dumps(body)
        now = datetime.now(UTC)
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(WEBHOOK_SECRET).sign(message.id, now, data),
        }
        talk.run_id = json.loads(
            await self._request("POST", "/webhooks/default", data.encode(), headers)
        )["run_id"]

    async def slack(self, talk: Conversation, text: str, message: Message) -> None:
        _, channel, thread = talk.name.split(":")
        number = talk.messages.index(message)
        in_thread = {"thread_ts": thread} if number else {}
        at = f"{thread[:-6]}{number:06}"
        event = mention(f"<@UBOT> {text}", channel=channel, ts=at, **in_thread)
        body = {**event, "event_id": f"Ev{message.id}"}
        data = json.dumps(body).encode()
        await self._request("POST", "/slack/events", data, signed(data))

    async def mail(self, talk: Conversation, text: str, message: Message) -> None:
        mail = email.message.EmailMessage()
        # Somebody else in each conversation: one person who sent all these orders would be braked.
        mail["From"] = f"Ann <ann-{talk.id}@ponderd.localhost>"
        mail["To"] = f"{AGENT}@ponderd.localhost"
        mail["Subject"] = "chaos"
        mail["Message-ID"] = f"<{message.id}@example.com>"
        if message is not talk.messages[0]:
            message.answers = message.answers or self._last_seen(talk) or talk.name
            mail["In-Reply-To"] = message.answers
            mail["References"] = f"{talk.name} {message.answers}"
        mail.set_content(text)
        port = self._any_daemon().smtp_port
        try:
            await aiosmtplib.send(mail, hostname="127.0.0.1", port=port, timeout=15)
        except aiosmtplib.SMTPResponseException as error:
            if error.code >= 500:
                raise Refusal(str(error), error.code) from error
            raise

    def _last_seen(self, talk: Conversation) -> str | None:
        """The Message-ID of the newest mail that we got in this thread."""
        got = self._world.received.at(talk.addresses)
        return got[-1].key if got else None

    def _any_daemon(self) -> Stack:
        """As a load balancer would choose one."""
        return self._faults.random.choice(list(self._world.daemons.values()))

    async def _request(self, method: str, path: str, data: bytes, headers: dict[str, str]) -> bytes:
        headers = {"content-type": "application/json", **headers}
        async with self._world.session.request(
            method, self._any_daemon().url + path, data=data, headers=headers
        ) as response:
            body = await response.read()
            if response.status >= 500:
                raise Again
            if response.status >= 300:
                raise Refusal(f"{path}: {body.decode()[:200]}", response.status)
            return body


def user_of(verdict: Message) -> str:
    """Who presses the button or reacts, by Slack's id."""
    return f"U{verdict.id.replace('-', 'M').upper()}"
