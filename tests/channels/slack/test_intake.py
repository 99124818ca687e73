"""Nothing that Slack sends is lost without a word: what is kept, taken up, given up, refused."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.errors import Conflict, Unavailable
from ponderd.channels.message import Address, Inquiry, Reply
from ponderd.channels.slack.intake import GIVEN_UP, LEFT_BEHIND
from ponderd.channels.slack.out.send import SlackChannel
from tests.channels.slack.counter import Counter, counter
from tests.channels.slack.test_receive import reacted
from tests.services import slack_api
from tests.services.eventually import eventually
from tests.services.slack_api import SlackApi, mention


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        yield api


@pytest.fixture
async def desk(api: SlackApi, tmp_path: Path) -> AsyncIterator[Counter]:
    async with counter(api, tmp_path) as desk:
        yield desk


async def keep(desk: Counter, key: str, age: float, body: Any) -> None:
    """As if a daemon had kept `body` so many seconds ago, and ended."""
    entry = json.dumps({"at": time.time() - age, "body": body})
    await desk.memory.put(key, entry.encode())


async def take_up(desk: Counter, patience: float = 0) -> None:
    await desk.intake._take_up(patience)
    await desk.settled()


async def test_what_another_daemon_left_behind_is_taken_up(desk: Counter) -> None:
    await keep(desk, "Ev1", GIVEN_UP - 60, mention("<@UBOT> hello"))
    await take_up(desk)
    assert [trigger.text for trigger in desk.inbox.triggers] == ["hello"]
    assert await desk.kept() == [] and desk.refused == []


async def test_not_while_that_one_may_be_at_it(desk: Counter) -> None:
    await keep(desk, "Ev1", LEFT_BEHIND / 2, mention("<@UBOT> hello"))
    await take_up(desk, LEFT_BEHIND)
    assert desk.inbox.triggers == [] and len(await desk.kept()) == 1


async def test_after_a_day_it_is_given_up_aloud(desk: Counter) -> None:
    await keep(desk, "Ev1", GIVEN_UP + 60, mention("<@UBOT> a secret"))
    await take_up(desk)
    assert desk.inbox.triggers == [] and await desk.kept() == []
    assert desk.refused == [("given_up", "event Ev1 could not be worked off for a day")]


async def test_until_then_it_is_tried_again_and_again(
    desk: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponderd.channels.slack.intake.LEFT_BEHIND", 0)
    desk.inbox.error = Unavailable("the state server is away")
    await keep(desk, "Ev1", 60, mention("<@UBOT> hello"))
    for _ in range(3):
        await take_up(desk)
    assert desk.inbox.refused == 3 and len(await desk.kept()) == 1
    assert desk.refused == []
    desk.inbox.error = None
    await take_up(desk)
    assert len(desk.inbox.triggers) == 1 and await desk.kept() == []


async def test_a_short_outage_keeps_the_order_of_a_thread(
    desk: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponderd.channels.slack.intake.AGAIN", 0.01)
    desk.inbox.error = Unavailable("the state server is away")
    bodies = [mention(f"<@UBOT> {n}", ts=f"170000000{n}.1", thread_ts="1.1") for n in range(3)]
    for number, body in enumerate(bodies):
        await desk.intake.take({**body, "event_id": f"Ev{number}"})
    await eventually(lambda: desk.inbox.refused > 2)
    assert len(await desk.kept()) == 3
    desk.inbox.error = None
    await desk.settled()
    assert [trigger.text for trigger in desk.inbox.triggers] == ["0", "1", "2"]
    assert await desk.kept() == [] and desk.refused == []


async def test_one_thread_that_waits_holds_up_no_other(
    desk: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponderd.channels.slack.intake.AGAIN", 3600)
    one = asyncio.Semaphore(1)
    monkeypatch.setattr(desk.intake, "_turns", {True: one, False: one})
    desk.inbox.error = Unavailable("the state server is away")
    await desk.intake.take(mention("<@UBOT> waits"))
    await eventually(lambda: desk.inbox.refused)
    desk.inbox.error = None
    other = mention("<@UBOT> goes on", ts="1700000009.1")
    await desk.intake.take({**other, "event_id": "Ev2"})
    await eventually(lambda: desk.inbox.triggers)
    assert [trigger.text for trigger in desk.inbox.triggers] == ["goes on"]


async def test_files_that_never_come_hold_up_no_words(
    desk: Counter, api: SlackApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = {brings: asyncio.Semaphore(1) for brings in (True, False)}
    monkeypatch.setattr(desk.intake, "_turns", turns)
    api.delays["GET"] = 3600
    file = {"id": "F1", "url_private": f"{api.url.removesuffix('api/')}files-pri/T1-F1/download/a"}
    for number, extra in enumerate(({"files": [file]}, {"files": [file]}, {})):
        body = mention(f"<@UBOT> {number}", ts=f"170000000{number}.1", **extra)
        await desk.intake.take({**body, "event_id": f"Ev{number}"})
    await eventually(lambda: desk.inbox.triggers)
    assert [trigger.text for trigger in desk.inbox.triggers] == ["2"]


@pytest.mark.parametrize("depth", [990, 100_000])
async def test_what_is_nested_too_deeply_is_refused(desk: Counter, depth: int) -> None:
    deep: Any = "x"
    for _ in range(depth):
        deep = [deep]
    await desk.take(mention("<@UBOT> hello", blocks=[], metadata=deep))
    assert desk.refused == [("malformed", "it is nested too deeply")]
    assert await desk.kept() == [] and desk.inbox.triggers == []


async def test_what_was_left_behind_is_taken_up_in_order(desk: Counter) -> None:
    for number in (2, 0, 1):  # as a store lists them
        body = mention(f"<@UBOT> {number}", ts=f"170000000{number}.1", thread_ts="1.1")
        await keep(desk, f"Ev{number}", 60 - number, {**body, "event_id": f"Ev{number}"})
    await take_up(desk)
    assert [trigger.text for trigger in desk.inbox.triggers] == ["0", "1", "2"]


async def test_a_mistake_of_ours_loses_nothing(desk: Counter) -> None:
    desk.inbox.error = ZeroDivisionError()
    await desk.take(mention("<@UBOT> hello"))
    assert len(await desk.kept()) == 1
    desk.inbox.error = None
    await take_up(desk)
    assert len(desk.inbox.triggers) == 1 and await desk.kept() == []


@pytest.mark.parametrize(
    "kept",
    [
        b"no JSON",
        b"[]",
        b'{"at": "noon", "body": {}}',
        b'{"at": 1}',
        b'{"at": 1, "body": null}',
        b'{"at": 1, "body": {"type": "event_callback"}}',
        b'{"at": 1, "body": {"type": "of tomorrow"}}',
    ],
)
async def test_what_cannot_be_read_is_given_up_and_holds_up_nothing(
    desk: Counter, kept: bytes
) -> None:
    await desk.memory.put("Ev1", kept)
    await keep(desk, "Ev2", 60, mention("<@UBOT> hello"))
    await take_up(desk)
    assert desk.refused == [("given_up", "event Ev1 cannot be read")]
    assert len(desk.inbox.triggers) == 1 and await desk.kept() == []


class TestWhatStartsNothing:
    async def test_what_people_write_to_each_other_is_nobodys_business(self, desk: Counter) -> None:
        await desk.take(mention("a secret", type="message"))
        assert desk.ignored == [] and await desk.kept() == []

    async def test_a_reaction_to_what_is_not_ours(self, desk: Counter) -> None:
        body = reacted("+1")
        desk.inbox.not_ours = {f"{body['event']['item']['channel']}:{body['event']['item']['ts']}"}
        await desk.take(body)
        assert desk.ignored == [("not for us", "a reaction to something that is no answer of ours")]
        assert desk.refused == []

    async def test_what_the_agent_refuses(self, desk: Counter) -> None:
        desk.inbox.error = Conflict("the run has ended")
        await desk.take(mention("<@UBOT> hello"))
        assert desk.refused == [("conflict", "the run has ended")]
        assert await desk.kept() == []

    async def test_a_store_that_is_away(self, desk: Counter) -> None:
        desk.store.available = False
        with pytest.raises(Unavailable):
            await desk.intake.take(mention("<@UBOT> hello"))
        desk.store.available = True
        assert [reason for reason, _ in desk.refused] == ["unavailable"]

    async def test_a_button_that_may_not_be_pressed(self, desk: Counter, api: SlackApi) -> None:
        approval = Reply(
            key="run1:7",
            run_id="run1",
            agent="deployer",
            conversation="T1:C1:1.2",
            kind="question",
            text="May I?",
            to=Address(channel="slack", to="C1", thread="1.2"),
            inquiry=Inquiry(id="run1:7", kind="approval", urgency="high"),
        )
        await SlackChannel(api.settings).send(approval, resend=False)
        desk.inbox.error = Conflict("somebody else decided")
        await desk.take(api.press(api.messages[0], "approve"))
        assert desk.refused == [("conflict", "somebody else decided")]
        await eventually(lambda: api.whispers)


async def test_an_event_that_comes_again_otherwise_is_refused_aloud(desk: Counter) -> None:
    desk.inbox.error = Unavailable("the state server is away")
    event = mention("<@UBOT> hello")
    await desk.intake.take(event)
    await desk.intake.take(event)
    assert desk.refused == []
    await desk.intake.take(mention("<@UBOT> something else"))
    await desk.settled()
    assert desk.refused == [
        ("conflict", f"event {event['event_id']} came before with another message")
    ]


async def test_what_is_written_is_told_apart_whatever_the_names_are(desk: Counter) -> None:
    for text, event_id in (("hi <@U2>", "Ev1"), ("hi <@U2>", "Ev2"), ("bye <@U2>", "Ev3")):
        await desk.say(f"<@UBOT> {text}", outside={"event_id": event_id})
    first, again, other = (trigger.digest for trigger in desk.inbox.triggers)
    assert first == again != other
