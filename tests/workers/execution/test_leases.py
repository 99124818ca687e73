"""What a worker knows and decided, and when it is written: facts always, decisions only on top of
the log that they were made from."""

from __future__ import annotations

from typing import Any

import pytest

from ponderd.channels.errors import Unavailable
from ponderd.workers.execution import executor
from ponderd.workers.execution.leases import LeasedRun, LeaseLost, Leases
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run, Status
from ponderd.workers.store.contract import Release
from tests.workers.world import REPLY, RING, World


def chosen() -> e.ModelAnswered:
    """The model chose to ring."""
    call = ModelCall(model="m", decision=ThinkingDecision(), prompt_hash="")
    choice = ToolCall(tool="ring", arguments={"name": "bell"})
    return e.ModelAnswered(at=1, choice=choice, content="{}", call=call)


class Bug(Exception):
    """Nobody expected it."""


async def held_run(world: World) -> tuple[LeasedRun, Run]:
    run_id = await world.write()
    claim = await world.store.claim(run_id, "w", 10)
    assert claim
    held = LeasedRun(world.store, claim, 10, 0, lambda run, event: None)
    return held, fold(e.decode_all(claim.tail.log))


def counting(world: World) -> list[list[bytes]]:
    """What each commit from here on writes."""
    commits: list[list[bytes]] = []
    commit = world.store.commit

    async def counted(*args: Any, **kwargs: Any) -> Any:
        commits.append(list(args[3]))
        return await commit(*args, **kwargs)

    world.store.commit = counted  # type: ignore[method-assign]
    return commits


async def test_a_run_of_five_model_calls_and_four_tools_makes_nine_commits(world: World) -> None:
    world.model.lines = [*([RING] * 4), REPLY]
    run_id = await world.write()
    commits = counting(world)
    run = await world.advance(run_id)
    assert run.status is Status.COMPLETED
    types = [[e.decode(event).type for event in commit] for commit in commits]
    assert types == [
        *[["model_answered", "tool_started"], ["tool_finished"]] * 4,
        ["model_answered", "reply_started", "reply_sent"],
    ]


class TestWhatIsNoted:
    async def test_is_written_with_what_follows_from_it(self, world: World) -> None:
        held, run = await held_run(world)
        run = held.add(run, chosen())
        assert (held.owes, await world.types(run.id)) == (
            True,
            ["run_launched", "message_received"],
        )
        run, as_decided = await held.commit(run, [e.ToolStarted(at=1, key="k")], Release())
        assert (as_decided, held.owes) == (True, False)
        assert (await world.types(run.id))[2:] == ["model_answered", "tool_started"]

    async def test_of_facts_is_written_where_somebody_was_faster_and_decisions_are_not(
        self, world: World
    ) -> None:
        held, run = await held_run(world)
        await world.runs.pause(run.id, "ann")
        run = held.add(run, chosen())
        run, as_decided = await held.commit(run, [e.ToolStarted(at=1, key="k")], Release())
        assert not as_decided
        assert (await world.types(run.id))[2:] == ["run_paused", "model_answered"]
        assert (run.paused, run.version) == (True, 4)
        _, released = await held.commit(run, [], Release())
        assert released

    async def test_of_plans_is_forgotten_where_somebody_was_faster(self, world: World) -> None:
        held, run = await held_run(world)
        await world.runs.pause(run.id, "ann")
        run = held.plan(run, e.ToolStarted(at=1, key="k"))
        run, as_decided = await held.commit(run)
        assert (as_decided, run.paused, held.owes) == (False, True, False)
        assert (await world.types(run.id))[2:] == ["run_paused"]

    async def test_of_facts_waits_for_a_store_that_is_away(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ponderd.workers.execution.leases.RECORD_RETRY", 0.0)
        held, run = await held_run(world)
        commit, failures = world.store.commit, [Unavailable("gone"), Unavailable("gone")]

        async def away(*args: Any) -> Any:
            if failures:
                raise failures.pop()
            return await commit(*args)

        world.store.commit = away  # type: ignore[method-assign]
        run = held.add(run, chosen())
        run, as_decided = await held.commit(run, [e.ToolStarted(at=1, key="k")])
        assert as_decided
        assert (await world.types(run.id))[2:] == ["model_answered", "tool_started"]

    async def test_of_plans_alone_does_not_wait(self, world: World) -> None:
        held, run = await held_run(world)

        async def away(*args: Any) -> Any:
            raise Unavailable("gone")

        world.store.commit = away  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            await held.commit(held.plan(run, e.ToolStarted(at=1, key="k")))

    @pytest.mark.parametrize("error", [LeaseLost, Unavailable("no answer")])
    async def test_of_facts_is_written_though_the_work_on_the_run_ends(
        self, world: World, error: Any
    ) -> None:
        run_id = await world.write()
        claim = await world.store.claim(run_id, "w", 10)
        assert claim
        leases = Leases(world.store, "w", 10)
        with pytest.raises((LeaseLost, Unavailable)):
            async with leases.hold(claim, 0) as held:
                held.add(fold(e.decode_all(claim.tail.log)), chosen())
                raise error
        assert (await world.types(run_id))[2:] == ["model_answered"]

    async def test_of_facts_is_written_though_the_step_after_it_fails(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.model.lines = [RING, REPLY]
        run_id = await world.write()
        step = executor.next_step

        def fails(run: Run, *args: Any) -> Any:
            if run.work.call:
                raise Bug
            return step(run, *args)

        monkeypatch.setattr(executor, "next_step", fails)
        await world.executor.advance(run_id)
        assert (await world.types(run_id))[2:] == ["model_answered", "step_failed"]

    async def test_is_no_longer_owed_by_somebody_else(self, world: World) -> None:
        held, run = await held_run(world)
        world.clock.now += 60
        assert await world.store.sweep(10, 1) == [run.id]
        assert await world.store.claim(run.id, "other", 10)
        held.add(run, chosen())
        with pytest.raises(LeaseLost):
            await held.write()
        assert await world.types(run.id) == ["run_launched", "message_received"]
