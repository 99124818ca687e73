"""How long after a mention in Slack the first sign of ponderd arrives there: the status of the
thread. Slack is the one of the tests, on loopback; a real one adds its own way there and back."""

from __future__ import annotations

import asyncio
import json
import time

import aiohttp
from aiohttp import web

from tests.benchmarks.parts import bench
from tests.benchmarks.report import Figure, Figures, median, percentile
from tests.services import slack_api
from tests.services.eventually import eventually
from tests.services.slack_api import SIGNING_SECRET, SlackApi, mention, signed

EVENTS = 200
WARMING = 20
PAUSE = 0.03


class TimedSlack(SlackApi):
    """Notes when the first status of each thread arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[str, float] = {}

    async def _method(self, request: web.Request) -> web.StreamResponse:
        now = time.monotonic()
        if request.match_info["method"] == "assistant.threads.setStatus":
            self.heard.setdefault((await request.json())["thread_ts"], now)
        return await super()._method(request)


async def measure() -> Figures:
    async with slack_api.serve(TimedSlack()) as slack:
        assert isinstance(slack, TimedSlack)
        settings = {
            "PONDERD_SLACK_API_URL": slack.url,
            "PONDERD_SLACK_BOT_TOKEN": slack.token,
            "PONDERD_SLACK_SIGNING_SECRET": SIGNING_SECRET,
        }
        async with bench(**settings) as parts:
            await parts.work()
            parts.stack.start("serve")
            await parts.stack.ready()
            signs, acknowledged = [], []
            async with aiohttp.ClientSession(parts.stack.url) as session:
                for number in range(WARMING + EVENTS):
                    sign, answer = await _mention(session, slack, number)
                    if number >= WARMING:
                        signs.append(sign)
                        acknowledged.append(answer)
                    await asyncio.sleep(PAUSE)
    return [
        Figure("mention to first sign, p50", median(signs), "ms", "< 500"),
        Figure("mention to first sign, p99", percentile(signs, 99), "ms", "< 500"),
        Figure("mention to its 200, p50", median(acknowledged), "ms"),
        Figure("mention to its 200, p99", percentile(acknowledged, 99), "ms"),
    ]


async def _mention(
    session: aiohttp.ClientSession, slack: TimedSlack, number: int
) -> tuple[float, float]:
    """Milliseconds to the first sign and to the 200, with nothing else to do."""
    ts = f"{time.time():.6f}"
    event = mention(f"<@UBOT> mark-{number}", ts=ts) | {"event_id": f"Ev{number}"}
    body = json.dumps(event).encode()
    sent = time.monotonic()
    async with session.post("/slack/events", data=body, headers=signed(body)) as response:
        assert response.status == 200, await response.text()
        answered = time.monotonic()
    heard = await eventually(lambda: slack.heard.get(ts))
    return (heard - sent) * 1000, (answered - sent) * 1000
