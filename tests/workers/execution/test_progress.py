"""What people are shown while an agent works."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ponderd.channels.errors import DeliveryError, ModelError
from ponderd.channels.message import Address
from tests.services.fakes import FakeChannel
from tests.workers.world import LAUNCH, LOOK, REPLY, THREAD, World


@dataclass
class ShowingChannel(FakeChannel):
    shown: list[tuple[str, str]] = field(default_factory=list)
    breaks: bool = False

    def progress(self, to: Address, doing: str) -> None:
        self.shown.append((f"{to.to}:{to.thread}", doing))
        if self.breaks:
            raise RuntimeError("no such state")


@pytest.fixture
def slack(world: World) -> ShowingChannel:
    world.slack = ShowingChannel("slack")
    world.become()
    return world.slack


async def test_each_step_is_shown_where_the_answer_goes(
    world: World, slack: ShowingChannel
) -> None:
    world.model.lines = [LOOK, REPLY]
    await world.advance(await world.write(reply_to=THREAD))
    assert {where for where, _ in slack.shown} == {"C1:17.1"}
    words = [doing for _, doing in slack.shown]
    assert words[:3] == ["is thinking…", "calls look…", "is thinking…"]
    assert set(words[3:]) == {""}


async def test_it_goes_when_a_question_waits(world: World, slack: ShowingChannel) -> None:
    world.model.lines = [LAUNCH]
    await world.advance(await world.write(reply_to=THREAD))
    assert slack.shown[-1] == ("C1:17.1", "")


async def test_it_goes_when_nothing_is_done_for_a_while(
    world: World, slack: ShowingChannel
) -> None:
    world.model.lines = [ModelError("away")]
    await world.advance(await world.write(reply_to=THREAD))
    assert slack.shown[-1] == ("C1:17.1", "")


async def test_it_goes_although_the_answer_does_not_arrive(
    world: World, slack: ShowingChannel
) -> None:
    slack.failures = [DeliveryError("gone", permanent=True)]
    await world.advance(await world.write(reply_to=THREAD))
    assert slack.shown[-1] == ("C1:17.1", "")


async def test_no_run_fails_because_of_it(world: World, slack: ShowingChannel) -> None:
    slack.breaks = True
    await world.advance(await world.write(reply_to=THREAD))
    assert slack.texts == ["ok"]


async def test_other_channels_are_left_alone(world: World, slack: ShowingChannel) -> None:
    await world.advance(await world.write(reply_to=Address(channel="webhook", to="https://a.b")))
    assert slack.shown == []
