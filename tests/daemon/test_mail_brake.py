"""A loop with a program ends; a conversation with a person does not."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from ponderd.channels.channel import Accept
from ponderd.channels.errors import TooMany
from ponderd.channels.mail.sender.brake import ALIKE, QUICK, THREAD_HOURLY
from ponderd.channels.message import Accepted, Bounce, Trigger
from ponderd.daemon.mail_brake import MailBrake
from ponderd.daemon.mail_report import counted, recording
from tests.workers.world import MAILBOX, World, make_world

SLOW = 5 * QUICK
"""Seconds that a person takes. The margin is for the worker, whose own time is added to that of a
test's clock when it dates an answer."""

_numbers = itertools.count()


class Mailing:
    """Somebody writes mail to a daemon, and a worker answers each."""

    def __init__(self, world: World, hourly: int = 1000) -> None:
        self.world = world
        self.restart(hourly)

    def restart(self, hourly: int = 1000) -> None:
        """Another daemon on the same store."""
        self.brake = MailBrake(self.world.log, lambda trigger: "tester", hourly)
        self.accept: Accept = self.brake.noting(self._accept)

    async def _accept(self, trigger: Trigger) -> Accepted:
        return await self.world.runs.accept("tester", trigger)

    async def send(
        self, text: str, run_id: str | None = None, *, key: str = "", sender: str = "ann"
    ) -> str:
        """One mail and its answer; returns the run. Raises TooMany."""
        number = next(_numbers)
        trigger = Trigger(
            channel="email",
            keys=(key or f"email:{number}",),
            conversation=run_id or f"<{number}@team.test>",
            run_id=run_id,
            text=text,
            sender=sender,
            reply_to=MAILBOX,
        )
        await self.brake.check(trigger)
        accepted = await self.accept(trigger)
        await self.world.advance(accepted.run_id)
        return accepted.run_id

    async def exchange(self, text: Callable[[int], str], *, wait: float, threads: bool) -> int:
        """Answer each answer `wait` seconds after it, at most 12 times. Returns how often that was
        taken."""
        run_id = await self.send("Please do this.") if threads else None
        for number in range(12):
            self.world.clock.now += wait
            try:
                await self.send(text(number), run_id)
            except TooMany:
                return number
        return 12


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def mailing(world: World) -> Mailing:
    return Mailing(world)


AWAY = "I am away until Monday."


@pytest.mark.parametrize("threads", [True, False], ids=["in a thread", "without References"])
@pytest.mark.parametrize(
    "text",
    [
        lambda number: AWAY,
        lambda number: f"{AWAY} This is notice {number}.",
        lambda number: f"We got your message. Your ticket is #{number * 7919}.",
        lambda number: f"Subject: Case {number}\n\nThank you for your message of {number}.5.",
    ],
    ids=["constant", "counting", "tickets", "new subjects"],
)
async def test_an_autoresponder_gets_five_answers_with_the_one_that_set_it_off(
    mailing: Mailing, text: Callable[[int], str], threads: bool
) -> None:
    assert await mailing.exchange(text, wait=1, threads=threads) == ALIKE


async def test_a_slow_one_too_if_it_says_the_same(mailing: Mailing) -> None:
    assert await mailing.exchange(lambda number: AWAY, wait=300, threads=True) == ALIKE


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize(
    ("text", "wait"),
    [
        (lambda number: "Room " + "seven eight nine ten oak elm".split()[number % 6] * number, 1),
        (lambda number: f"Can you check the heating in room {number}?", 1),
        (lambda number: f"Question {number}", 1),
        (lambda number: f"Please add item {number} to the list.", 1),
        (lambda number: f"Please add a taxi for {number * 100} EUR to the list.", SLOW),
        (lambda number: "next", SLOW),
    ],
    ids=["different", "questions", "short", "counting", "slow", "repeating"],
)
async def test_a_person_is_not_cut_off(
    mailing: Mailing, text: Callable[[int], str], wait: float, threads: bool
) -> None:
    assert await mailing.exchange(text, wait=wait, threads=threads) == 12


async def test_a_person_repeats_themselves_among_other_mails(mailing: Mailing) -> None:
    for number in range(8):
        mailing.world.clock.now += 1
        await mailing.send("Please cancel the last order.")
        await mailing.send(f"How many are left of {number}?")


async def test_people_write_the_same_in_different_threads(mailing: Mailing) -> None:
    for _ in range(12):
        run_id = await mailing.send("Please do this.", sender=f"p{next(_numbers)}")
        await mailing.send("Thank you, that is all.", run_id)


async def test_after_an_hour_it_is_heard_again(mailing: Mailing) -> None:
    assert await mailing.exchange(lambda number: AWAY, wait=60, threads=True) == ALIKE
    mailing.world.clock.now += 2 * 3600
    assert await mailing.exchange(lambda number: AWAY, wait=60, threads=True) == ALIKE


async def test_so_many_in_any_hour_whenever_it_begins(mailing: Mailing) -> None:
    run_id = await mailing.send("Please do this.")
    taken = []
    for _ in range(60):
        mailing.world.clock.now += 240
        try:
            await mailing.send(AWAY, run_id)
            taken.append(mailing.world.clock.now)
        except TooMany:
            pass
    for first, next_one in zip(taken, taken[ALIKE:], strict=False):
        assert next_one - first > 3600


async def test_the_counts_outlive_the_daemon(mailing: Mailing) -> None:
    run_id = await mailing.send("Please do this.")
    for _ in range(ALIKE):
        mailing.restart()
        await mailing.send(AWAY, run_id)
    mailing.restart()
    with pytest.raises(TooMany, match="say the same"):
        await mailing.send(AWAY, run_id)


async def test_a_repeat_counts_once_and_is_answered_as_before(mailing: Mailing) -> None:
    run_id = await mailing.send("Please do this.")
    for _ in range(12):
        await mailing.send(AWAY, run_id, key="email:same")
    for _ in range(ALIKE - 1):
        await mailing.send(AWAY, run_id)
    for _ in range(3):
        with pytest.raises(TooMany):
            await mailing.send(AWAY, run_id, key="email:last")


async def test_the_operator_is_told(mailing: Mailing, capsys: pytest.CaptureFixture[str]) -> None:
    assert await mailing.exchange(lambda number: AWAY, wait=1, threads=True) == ALIKE
    assert (await counted(mailing.world.store)) == {"refused": 1}
    assert "a loop or a flood" in capsys.readouterr().out


class TestCaps:
    async def test_of_a_sender(self, world: World) -> None:
        mailing = Mailing(world, hourly=7)
        for number in range(7):
            await mailing.send(f"Hello {number}?")
        with pytest.raises(TooMany, match="more than 7 mails from you"):
            await mailing.send("And one more?")
        await mailing.send("Hello?", sender="bob")
        world.clock.now += 2 * 3600
        await mailing.send("And one more?")

    async def test_of_a_thread(self, mailing: Mailing) -> None:
        run_id = await mailing.send("Please do this.")
        for number in range(THREAD_HOURLY):
            trigger = Trigger(
                channel="email",
                conversation="c",
                run_id=run_id,
                text=f"{number}?",
                sender="ann",
            )
            await mailing.brake.check(trigger)
        with pytest.raises(TooMany, match="in this thread"):
            await mailing.send("And one more?", run_id)
        await mailing.send("Another thing?")


class TestBounces:
    async def test_are_recorded_told_and_counted_once(
        self, mailing: Mailing, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world = mailing.world
        run_id = await mailing.send("Please do this.")
        bounced = recording(world.runs, world.store)
        for permanent in (False, True, True):
            await bounced(
                Bounce(key=f"{run_id}:4", recipient="ann", reason="550 no", permanent=permanent)
            )
        assert await counted(world.store) == {"delayed": 1, "bounced": 1}
        said = capsys.readouterr().out
        assert said.count("our mail did not arrive") == 1
        assert "550 no" in said
        assert (await world.types(run_id))[-2:] == ["reply_bounced", "reply_bounced"]
