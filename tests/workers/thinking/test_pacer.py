"""Budgets of thinking: what is released, what is left, and that workers together keep to it."""

import asyncio
from datetime import UTC, datetime

import pytest

from ponderd.workers.agents.policies import Thinking, ThoughtBudget
from ponderd.workers.llm.client import CallOptions
from ponderd.workers.run.model_call import CallUsage
from ponderd.workers.run.state import CurrentMessage, Run
from ponderd.workers.thinking.pacer import Account, accounts, allowance, overdrawn, released
from ponderd.workers.thinking.thinker import Thinker
from tests.services.fakes import FakeModel

MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC).timestamp()
HOUR = 3600.0


@pytest.fixture
def run() -> Run:
    return Run(
        id="00-run",
        agent="tester",
        agent_version="1",
        channel="slack",
        conversation="T:C:1",
        created_at=0,
        updated_at=0,
        message=CurrentMessage(text="/think hard what is it?", sender="slack:ann"),
    )


def test_a_day_is_released_evenly_an_hour_ahead():
    assert released(2400, MIDNIGHT) == pytest.approx(100)
    assert released(2400, MIDNIGHT + 11 * HOUR) == pytest.approx(1200)
    assert released(2400, MIDNIGHT + 23.5 * HOUR) == 2400


def test_there_is_an_account_for_each_budget(world, run):
    world.become(thinking=Thinking(tokens=ThoughtBudget(conversation=10, sender=20, day=2400)))
    found = accounts(run, world.agent, MIDNIGHT)
    assert [account.released for account in found] == [10, 20, pytest.approx(100)]
    assert found[0].name == "thought:conversation:slack::T:C:1"
    assert found[1].name == "thought:sender:tester:slack:ann:2026-11-27"
    assert accounts(run, world.worker().agents["tester"], MIDNIGHT + 24 * HOUR)[1].name.endswith(
        "2026-11-28"
    )


def test_without_budgets_there_is_none(world, run):
    assert accounts(run, world.agent, MIDNIGHT) == []
    assert allowance([], []) == (None, 0)


def test_the_scarcest_account_counts():
    found = [Account("a", 100), Account("b", 1000)]
    assert allowance(found, [{"thought": 60}, {"thought": 990}]) == (10, pytest.approx(0.99))
    assert allowance(found, [{}, {}]) == (100, 0)
    assert allowance(found, [{"thought": 150}, {}]) == (0, 1)
    assert allowance([Account("a", 0)], [{}]) == (0, 1)


def test_overdrawn():
    found = [Account("a", 100)]
    assert not overdrawn(found, {"a": {"thought": 100}})
    assert overdrawn(found, {"a": {"thought": 101}})


async def spent(world, run) -> float:
    account, *_ = accounts(run, world.agent, MIDNIGHT)
    (sums,) = await world.store.spent([account.name])
    return sums.get("thought", 0.0)


async def think(world, run, thinker, used: int | None):
    thought = await thinker.decide(run, world.agent, list, CallOptions(), MIDNIGHT)
    if used is not None:
        completion = await FakeModel(thoughts=used).complete(
            [], schema={}, decision=thought.decision, max_tokens=9
        )
        await thinker.settle(thought, completion)
    return thought.decision


async def test_what_was_not_used_is_given_back(world, run):
    world.become(thinking=Thinking(tokens=ThoughtBudget(sender=3000)))
    thinker = Thinker(world.model, world.store)
    assert (await think(world, run, thinker, used=None)).budget == 1024
    assert await spent(world, run) == 1024
    assert (await think(world, run, thinker, used=100)).budget == 1024
    assert await spent(world, run) == 1124


async def test_two_agents_in_a_conversation_do_not_spend_its_budget_twice(world, run):
    world.become(thinking=Thinking(tokens=ThoughtBudget(conversation=1500)))
    thinker = Thinker(world.model, world.store)
    first = await think(world, run, thinker, used=None)
    second = await think(world, run, thinker, used=None)
    assert (first.budget, second.budget) == (1024, 476)
    assert await spent(world, run) == 1500


async def test_a_call_that_failed_at_once_gives_all_of_it_back(world, run):
    world.become(thinking=Thinking(tokens=ThoughtBudget(sender=3000)))
    thinker = Thinker(world.model, world.store)
    thought = await thinker.decide(run, world.agent, list, CallOptions(), MIDNIGHT)
    await thinker.settle(thought, None)
    assert await spent(world, run) == 0


async def test_a_call_that_was_dropped_or_failed_late_pays_for_its_time(world, run):
    world.become(thinking=Thinking(tokens=ThoughtBudget(sender=3000)))
    thinker = Thinker(world.model, world.store)
    thought = await thinker.decide(run, world.agent, list, CallOptions(), MIDNIGHT)
    await thinker.settle(thought, None, lost=3.0)
    assert await spent(world, run) == 100
    thought = await thinker.decide(run, world.agent, list, CallOptions(), MIDNIGHT)
    await thinker.settle(thought, None, lost=1e6)
    assert await spent(world, run) == 100 + 1024  # more than its budget it cannot have thought


async def test_what_could_not_be_given_back_is_later(world, run):
    world.become(thinking=Thinking(tokens=ThoughtBudget(sender=3000)))
    thinker = Thinker(world.model, world.store)
    thought = await thinker.decide(run, world.agent, list, CallOptions(), MIDNIGHT)
    world.store.available = False
    await thinker.settle(thought, None)
    world.store.available = True
    assert await spent(world, run) == 1024
    await think(world, run, thinker, used=0)
    assert await spent(world, run) == 0


async def test_many_workers_at_once_do_not_think_more_than_there_is(world, run):
    world.become(thinking=Thinking(tokens=ThoughtBudget(sender=2100)))
    thinkers = [Thinker(world.model, world.store) for _ in range(20)]
    decisions = await asyncio.gather(
        *(thinker.decide(run, world.agent, list, CallOptions(), MIDNIGHT) for thinker in thinkers)
    )
    budgets = sorted(thought.decision.budget for thought in decisions)
    assert sum(budgets) <= 2100
    assert budgets[-2:] == [1024, 1024]
    assert await spent(world, run) == sum(budgets)


async def test_what_is_used_up_ends_thinking_and_not_answering(world, run):
    world.become(thinking=Thinking(tokens=ThoughtBudget(conversation=1030)))
    thinker = Thinker(world.model, world.store)
    assert (await think(world, run, thinker, used=1024)).budget == 1024
    last = await think(world, run, thinker, used=0)
    assert (last.mode, last.reason) == ("none", "token budget")
    assert await spent(world, run) == 1024


async def test_a_deadline_is_measured_from_the_message_and_by_the_servers_speed(world, run):
    from dataclasses import replace

    world.become(thinking=Thinking(deadline=60))
    thinker = Thinker(world.model, world.store)
    waiting = replace(run, message=replace(run.message, since=MIDNIGHT - 20))
    thought = await thinker.decide(waiting, world.agent, list, CallOptions(), MIDNIGHT)
    assert thought.case.allowance.seconds == 40
    assert thought.decision.budget == 1024
    slow = replace(
        await world.model.complete([], schema={}, decision=thought.decision, max_tokens=9),
        usage=CallUsage(seconds=50.0, prompt_tokens=10, completion_tokens=100),
    )
    for _ in range(50):
        await thinker.settle(thought, slow)
    later = await thinker.decide(waiting, world.agent, list, CallOptions(), MIDNIGHT)
    assert later.decision.budget == 0
    assert later.decision.reason == "deadline"
