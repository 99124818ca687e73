"""Each tick is decided once: by two daemons in every interleaving, through crashes, lost answers,
clocks that jump and weeks of silence. Stores, schedules and logs are the product's; only the clock
and the moments at which a daemon goes on are the test's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.errors import Conflict, NotFound, Unavailable
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.control.schedule import (
    GRACE,
    MOST,
    Missed,
    Overlap,
    Progress,
    Schedule,
    checkpoint_of,
    utc,
)
from ponderd.workers.control.schedules import Schedules
from ponderd.workers.control.ticks import Cron, Every, Plan
from ponderd.workers.run import events as e
from ponderd.workers.store.contract import Projection, Release, RunStore
from ponderd.workers.store.memory_store import MemoryStore

START = 1_790_000_000.0
UTC = ZoneInfo("UTC")
AGENTS = {"assistant": Agent(name="assistant", description="", prompt="", tools=())}


def schedule(
    *,
    every: int = 60,
    missed: Missed = "once",
    overlap: Overlap = "allow",
    name: str = "standup",
    **fields: Any,
) -> Schedule:
    return Schedule(
        name=name,
        agent="assistant",
        text="go",
        plan=Plan(Every(every)),
        zone=UTC,
        written=f"every {every} s",
        missed=missed,
        overlap=overlap,
        **fields,
    )


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


class _Turn:
    """Let others go on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class InTurns:
    """A store at whose calls a daemon can be interrupted: before each, and before its answer."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        async def call(*args: Any) -> Any:
            await _Turn()
            answer = await method(*args)
            await _Turn()
            return answer

        return call


@dataclass
class World:
    planned: Schedule
    clock: Clock = field(default_factory=Clock)
    store: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)

    def schedules(self, *planned: Schedule, in_turns: bool = False) -> Schedules:
        store = cast(RunStore, InTurns(self.store) if in_turns else self.store)
        log = RunLog(store, lambda run_id: None, clock=self.clock)
        return Schedules(store, Runs(log, AGENTS), planned or (self.planned,))

    def daemon(self) -> Daemon:
        return Daemon(self)

    async def progress(self) -> Progress:
        [raw] = await self.store.checkpoints([checkpoint_of(self.planned.name)])
        assert raw is not None
        return Progress.model_validate_json(raw)

    async def runs(self) -> list[list[e.Event]]:
        page = await self.store.list_runs(status=None, agent=None, limit=10_000, cursor=None)
        return [[*e.decode_all(await self.store.load(head.id))] for head in page.heads]

    async def started(self) -> list[str]:
        """The ticks whose runs began, as their conversations name them."""
        names = []
        for log in await self.runs():
            launched = log[0]
            assert isinstance(launched, e.RunLaunched)
            assert sum(isinstance(event, e.MessageReceived) for event in log) == 1
            names.append(launched.conversation.removeprefix(f"{self.planned.name}@"))
        return sorted(names)

    async def finish(self) -> None:
        """All runs."""
        page = await self.store.list_runs(status="READY", agent=None, limit=10_000, cursor=None)
        for head in page.heads:
            claim = await self.store.claim(head.id, "worker", 1.0)
            assert claim is not None
            done = Projection("COMPLETED")
            version = claim.tail.version
            await self.store.commit(head.id, claim.token, version, [], done, Release())

    async def passes(self, seconds: float, schedules: Schedules) -> None:
        self.clock.now += seconds
        await schedules.round()


class Daemon:
    """One that goes on step by step, and may die at each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._schedules = world.schedules(in_turns=True)
        self._round: Coroutine[Any, Any, Any] | None = None

    def step(self, error: Exception | None = None) -> bool:
        """Go on to the next turn, with an error in place of the store's answer. Returns whether a
        round has ended."""
        self._round = self._round or self._schedules.round()
        try:
            if error is not None and self._round.cr_frame.f_lasti > 0:
                self._round.throw(error)
            else:
                self._round.send(None)
        except (StopIteration, Unavailable):
            self._round = None
            return True
        return False

    def die(self) -> None:
        if self._round is not None:
            self._round.close()
        self.__init__(self._world)  # type: ignore[misc]

    def finish_round(self) -> None:
        while not self.step():
            pass


def named(ticks: tuple[int, ...] | list[int]) -> list[str]:
    return [utc(tick) for tick in ticks]


# -- every interleaving of two daemons ----------------------------------------------------------


def orders(length: int) -> Iterator[tuple[int, ...]]:
    """Who goes on, turn by turn."""
    return itertools.product((0, 1), repeat=length)


@pytest.mark.parametrize("missed", ["once", "all", "skip"])
@pytest.mark.parametrize("dies_at", [None, 0, 2, 4, 6, 8])
async def test_two_daemons_start_one_run_in_every_interleaving(
    missed: Missed, dies_at: int | None
) -> None:
    """One of them dies at `dies_at`, and is started again."""
    for order in orders(9):
        world = World(schedule(missed=missed))
        first, _second = daemons = (world.daemon(), world.daemon())
        for daemon in daemons:
            daemon.finish_round()
        world.clock.now += 60
        for turn, who in enumerate(order):
            if turn == dies_at:
                first.die()
            daemons[who].step()
        for daemon in daemons:
            daemon.finish_round()
            daemon.finish_round()
        tick = world.planned.plan.after(START)
        assert tick is not None
        assert await world.started() == [utc(tick)], order
        progress = await world.progress()
        assert (progress.runs, progress.until) == (1, tick)


# -- whatever happens ---------------------------------------------------------------------------

ACTIONS = st.one_of(
    st.tuples(st.just("step"), st.integers(0, 2), st.integers(1, 12)),
    st.tuples(st.just("lose"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("die"), st.integers(0, 2), st.just(0)),
    st.tuples(
        st.just("pass"), st.just(0), st.sampled_from((1, 7, 59, 61, 600, 86_400, 86_400 * 9))
    ),
    st.tuples(st.just("back"), st.just(0), st.sampled_from((1, 60, 3600, 86_400))),
    st.tuples(st.just("finish"), st.just(0), st.just(0)),
)
RULES = st.one_of(
    st.builds(Every, st.sampled_from((7, 60, 900, 3600, 86_400))),
    st.builds(
        Cron,
        st.sampled_from(("*/10 * * * *", "30 2 * * *", "0 9 * * mon-fri", "0 * * * *")),
        st.sampled_from(("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")).map(ZoneInfo),
    ),
)


@settings(max_examples=250)
@given(
    rule=RULES,
    missed=st.sampled_from(("once", "all", "skip")),
    overlap=st.sampled_from(("allow", "skip", "queue")),
    jitter=st.sampled_from((0, 40)),
    start=st.sampled_from((START, 1_774_738_800.0, 1_793_664_000.0)),  # near changes of clocks
    actions=st.lists(ACTIONS, max_size=40),
)
async def test_every_tick_is_decided_once_whatever_happens(
    rule: Every | Cron,
    missed: Missed,
    overlap: Overlap,
    jitter: int,
    start: float,
    actions: list[tuple[str, int, int]],
) -> None:
    planned = replace(
        schedule(missed=missed, overlap=overlap), plan=Plan(rule), written="p", jitter=jitter
    )
    world = World(planned, Clock(start))
    daemons = [world.daemon() for _ in range(3)]
    daemons[0].finish_round()
    latest = start
    for action, who, number in actions:
        match action:
            case "step":
                for _ in range(number):
                    daemons[who].step()
            case "lose":
                daemons[who].step(Unavailable("lost"))
            case "die":
                daemons[who].die()
            case "pass":
                world.clock.now += number
            case "back":
                world.clock.now -= number
            case "finish":
                await world.finish()
        latest = max(latest, world.clock.now)
    world.clock.now = latest + 1000
    for daemon in daemons:
        daemon.finish_round()
    while planned.plan.between(
        (await world.progress()).until, world.clock.now - planned.delay, 1
    ).total:
        await world.finish()
        world.daemon().finish_round()  # a new one looks at once
    progress = await world.progress()
    expected = planned.plan.between(start, world.clock.now - planned.delay, 10**6)
    decided = progress.runs + progress.joined + progress.missed + progress.overlapped
    assert decided == expected.total
    started = await world.started()
    assert len(started) == len(set(started)) == progress.runs
    assert set(started) <= set(named(expected.newest))
    if missed != "skip" and overlap != "skip":
        assert progress.overlapped == 0
        if missed == "once":
            assert progress.missed == 0
        elif expected.total <= MOST:
            assert started == named(expected.newest)


# -- missed ticks -------------------------------------------------------------------------------


async def after_silence(missed: Missed, seconds: float, every: int = 60) -> World:
    world = World(schedule(missed=missed, every=every))
    schedules = world.schedules()
    await schedules.round()
    await world.passes(seconds, world.schedules())
    return world


async def test_those_of_a_minute_run_each() -> None:
    world = await after_silence("once", GRACE - 1, every=10)
    due = world.planned.plan.between(START, world.clock.now, 100)
    assert await world.started() == named(due.newest)


@pytest.mark.parametrize("weeks", [0.01, 1, 3])
async def test_once_one_run_says_which_it_stands_for(weeks: float) -> None:
    world = await after_silence("once", weeks * 7 * 86_400)
    due = world.planned.plan.between(START, world.clock.now, 100)
    assert await world.started() == named(due.newest[-1:])
    [[_, received]] = await world.runs()
    assert isinstance(received, e.MessageReceived)
    assert f"It also stands for {due.total - 1} before it" in received.text
    assert (await world.progress()).joined == due.total - 1


async def test_all_get_a_run_each_up_to_a_bound() -> None:
    world = await after_silence("all", 50 * 60)
    due = world.planned.plan.between(START, world.clock.now, 100)
    assert await world.started() == named(due.newest)
    world = await after_silence("all", 500 * 60)
    due = world.planned.plan.between(START, world.clock.now, MOST)
    assert await world.started() == named(due.newest)
    assert (await world.progress()).missed == due.total - MOST


async def test_skip_leaves_them_out() -> None:
    world = await after_silence("skip", 50 * 60)
    due = world.planned.plan.between(START, world.clock.now, 100)
    assert await world.started() == named(due.newest[-1:])
    assert (await world.progress()).missed == due.total - 1


# -- overlap ------------------------------------------------------------------------------------


async def test_skip_leaves_out_what_comes_while_the_run_before_is_not_finished() -> None:
    world = World(schedule(overlap="skip"))
    schedules = world.schedules()
    await schedules.round()
    for _ in range(3):
        await world.passes(60, schedules)
    assert len(await world.started()) == 1
    assert (await world.progress()).overlapped == 2
    await world.finish()
    await world.passes(60, schedules)
    assert len(await world.started()) == 2


async def test_queue_lets_them_wait_for_it() -> None:
    world = World(schedule(overlap="queue"))
    schedules = world.schedules()
    await schedules.round()
    for _ in range(4):
        await world.passes(60, schedules)
    assert len(await world.started()) == 1
    assert (await schedules.show("standup")).due == 3
    await world.finish()
    await world.passes(6, schedules)
    assert len(await world.started()) == 2
    progress = await world.progress()
    assert (progress.runs, progress.joined, progress.overlapped) == (2, 2, 0)


async def test_cancel_ends_the_run_before() -> None:
    world = World(schedule(overlap="cancel"))
    schedules = world.schedules()
    await schedules.round()
    await world.passes(60, schedules)
    await world.passes(60, schedules)
    logs = await world.runs()
    assert sorted(any(isinstance(x, e.RunCancelled) for x in log) for log in logs) == [False, True]


# -- people -------------------------------------------------------------------------------------


async def test_ticks_of_a_pause_are_not_missed() -> None:
    world = World(schedule())
    schedules = world.schedules()
    await schedules.round()
    paused = await schedules.pause("standup", "ann")
    assert (paused.paused, paused.paused_by, paused.next_at) == (True, "ann", None)
    await world.passes(3600, world.schedules())  # also after a restart
    assert (await schedules.pause("standup", "bob")).paused_by == "ann"
    assert not (await schedules.resume("standup", "ann")).paused
    assert not (await schedules.resume("standup", "ann")).paused
    assert schedules.changed.is_set()
    await world.passes(0, schedules)
    assert await world.started() == []
    await world.passes(60, schedules)
    assert len(await world.started()) == 1
    assert (await world.progress()).joined == 0


async def test_one_that_the_file_pauses_is_not_resumed_elsewhere() -> None:
    world = World(schedule(paused=True))
    schedules = world.schedules()
    await schedules.round()
    await world.passes(3600, schedules)
    assert await world.started() == []
    with pytest.raises(Conflict, match=r"paused in ponderd\.toml"):
        await schedules.resume("standup", "ann")
    world.planned = schedule()
    await world.passes(0, world.schedules())  # the file no longer says so
    assert await world.started() == []


async def test_a_run_by_hand_is_beside_the_plan() -> None:
    world = World(schedule(overlap="skip"))
    schedules = world.schedules()
    await schedules.round()
    await schedules.pause("standup", "ann")
    first = await schedules.run("standup", "ann", "key", "digest")
    assert (await schedules.run("standup", "ann", "key", "digest")).run_id == first.run_id
    with pytest.raises(Conflict):
        await schedules.run("standup", "ann", "key", "another")
    assert (await schedules.run("standup", "ann")).run_id != first.run_id
    assert len(await world.started()) == 2
    await schedules.resume("standup", "ann")
    await world.passes(60, schedules)
    assert len(await world.started()) == 3


async def test_runs_of_one_conversation() -> None:
    world = World(schedule(conversation="report"))
    schedules = world.schedules()
    await schedules.round()
    await world.passes(60, schedules)
    await world.passes(60, schedules)
    by_hand = await schedules.run("standup", "ann")
    [log] = await world.runs()
    assert sum(isinstance(event, e.MessageReceived) for event in log) == 3
    last = (await schedules.show("standup")).last
    assert last is not None and last.run_id == by_hand.run_id


async def test_an_unknown_one() -> None:
    schedules = World(schedule()).schedules()
    for verb in (schedules.pause, schedules.resume, schedules.run):
        with pytest.raises(NotFound, match="known schedules: standup"):
            await verb("nightly", "ann")


# -- other files --------------------------------------------------------------------------------


async def test_a_changed_plan_has_no_ticks_before_it_was_there() -> None:
    world = World(schedule(every=3600))
    await world.schedules().round()
    changed = world.schedules(schedule(every=60))
    await world.passes(1800, changed)
    assert await world.started() == []
    await world.passes(60, changed)
    assert len(await world.started()) == 1


async def test_one_that_was_taken_out_and_put_back_has_no_old_ticks() -> None:
    world = World(schedule())
    await world.schedules().round()
    other = schedule(name="other")
    await world.passes(10, world.schedules(other))
    await world.passes(86_400, world.schedules())
    assert await world.started() == []


async def test_an_unchanged_one_loses_nothing_when_another_changes() -> None:
    world = World(schedule(missed="all"))
    await world.schedules(world.planned, schedule(name="other")).round()
    await world.passes(600, world.schedules(world.planned, schedule(name="other", every=5)))
    due = world.planned.plan.between(START, world.clock.now, 100)
    assert [n for n in await world.started() if not n.startswith("other")] == named(due.newest)


async def test_old_and_new_daemons_side_by_side() -> None:
    """Both follow their own plan, and what both have comes once."""
    world = World(schedule(every=60))
    old = world.schedules()
    await old.round()
    new = world.schedules(schedule(every=40))
    await new.round()
    for _ in range(240):
        world.clock.now += 1
        await old.round()
        await new.round()
    expected = {
        tick
        for every in (60, 40)
        for tick in Plan(Every(every)).between(START, world.clock.now, 100).newest
    }
    assert await world.started() == named(sorted(expected))


# -- trouble ------------------------------------------------------------------------------------


async def test_a_week_later_no_tick_comes_again() -> None:
    """By then the keys of triggers are forgotten."""
    world = World(schedule(every=86_400))
    daemon = world.daemon()
    daemon.finish_round()
    world.clock.now += 86_400
    while not await world.started():
        daemon.step()
    daemon.die()  # before it got the answer
    world.clock.now += 30 * 86_400
    daemon.finish_round()
    started = await world.started()
    assert len(started) == len(set(started)) == 2
    assert (await world.progress()).joined == 29


async def test_after_a_clock_was_set_forward_and_back_a_resume_goes_on() -> None:
    world = World(schedule())
    schedules = world.schedules()
    await schedules.round()
    await world.passes(365 * 86_400, schedules)
    assert len(await world.started()) == 1
    await world.passes(-365 * 86_400, schedules)
    await world.passes(600, schedules)
    assert len(await world.started()) == 1
    other = world.schedules()
    await other.pause("standup", "ann")
    await other.resume("standup", "ann")
    await world.passes(60, schedules)
    assert len(await world.started()) == 2


async def test_an_agent_that_is_gone_holds_its_schedule_up_and_no_other() -> None:
    world = World(schedule())
    gone = replace(schedule(name="gone"), agent="gone")
    schedules = world.schedules(gone, world.planned)
    await schedules.round()
    await world.passes(60, schedules)
    assert len(await world.started()) == 1
    assert (await schedules.show("gone")).due == 1


async def test_an_idle_daemon_asks_the_store_little() -> None:
    world = World(schedule(every=3600))
    calls: list[str] = []

    class Counting(InTurns):
        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(self._store, name)

    store = cast(RunStore, Counting(world.store))
    many = [schedule(name=f"s{n}", every=3600) for n in range(50)]
    runs = Runs(RunLog(store, lambda run_id: None, clock=world.clock), AGENTS)
    schedules = Schedules(store, runs, many)
    world.clock.now = START // 3600 * 3600 + 1
    await schedules.round()
    calls.clear()
    seconds = 0.0
    while seconds < 600:
        pause = await schedules.round()
        seconds += max(pause, 0.01)
        world.clock.now += max(pause, 0.01)
    assert len(calls) < 600 / 4
