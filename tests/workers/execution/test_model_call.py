"""Model calls that think: what a run does with decisions, doubts, checks and drafts."""

import asyncio
import threading

import pytest

from ponderd.channels.errors import ModelError, Unavailable
from ponderd.workers.agents.agent import Limits
from ponderd.workers.agents.arms import own_arms
from ponderd.workers.agents.policies import Budget, Budgets, Thinking, ThoughtBudget
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import Answer, ToolCall
from ponderd.workers.run.state import Status
from ponderd.workers.thinking.beliefs import EpisodeSample, learn
from ponderd.workers.thinking.policy import Policy
from tests.services.eventually import patiently
from tests.workers.world import LAUNCH, LOOK, REPLY, RING

SUM = {"action": "reply", "text": "42"}
OTHER_SUM = {"action": "reply", "text": "41"}


@pytest.fixture
def harmless(world):
    """An agent without destructive tools: it may begin without a thought."""
    world.become(tools=world.agent.tools[:2])
    return world


def arms(world) -> list[str]:
    return [decision.arm for decision in world.model.decisions]


async def test_every_call_records_what_was_decided_and_why(harmless):
    run_id = await harmless.write("hello")
    await harmless.advance(run_id)
    (answered,) = await harmless.of_type(run_id, e.ModelAnswered)
    decision = answered.call.decision
    assert (decision.arm, decision.reason, decision.policy) == (
        "none",
        "rule: none needed",
        "rules",
    )
    assert decision.probability == 1
    assert decision.features["bias"] == 1


async def test_an_unsure_answer_is_asked_for_again_and_never_seen(harmless):
    harmless.model.lines = [RING, LOOK, REPLY]
    harmless.model.margins = [-4.0, -0.1]
    run_id = await harmless.write("look at the sky")
    run = await harmless.advance(run_id)
    assert run.status is Status.COMPLETED
    assert harmless.effects.counted == ["sky"]  # the doubted call of the bell was never made
    assert (await harmless.types(run_id))[2:5] == [
        "model_doubted",
        "model_answered",
        "tool_started",
    ]
    doubted, *_ = await harmless.of_type(run_id, e.ModelDoubted)
    assert (doubted.reason, doubted.call.margin) == ("margin", -4.0)
    assert arms(harmless)[:2] == ["none", "short"]
    assert harmless.model.prompts[0] == harmless.model.prompts[1]
    assert run.usage.model_calls == 3


async def test_it_is_asked_with_more_thought_only_twice(harmless):
    harmless.model.margins = [-4.0]
    run = await harmless.advance(await harmless.write())
    assert run.status is Status.COMPLETED
    assert arms(harmless) == ["none", "short", "long"]


async def test_what_the_message_before_took_is_known_of_the_next(harmless):
    harmless.become(tools=harmless.agent.tools[:1] + make_failing(harmless))
    harmless.model.lines = ["no JSON", LOOK, {"action": "fail", "name": "x"}, REPLY]
    run_id = await harmless.write("hello")
    await harmless.advance(run_id)
    await harmless.say(run_id, "and now?")
    first, *_, last = await harmless.of_type(run_id, e.ModelAnswered)
    assert "steps_before" not in first.call.decision.features
    known = last.call.decision.features
    assert (known["steps_before"], known["setbacks_before"]) == (0.8, 0.667)
    assert known["tool_error_before"] == 1


async def test_a_failed_tool_makes_the_next_call_think_harder(harmless):
    harmless.become(tools=harmless.agent.tools[:1] + make_failing(harmless))
    harmless.model.lines = [{"action": "fail", "name": "x"}, LOOK, REPLY]
    await harmless.advance(await harmless.write())
    assert arms(harmless) == ["none", "short", "short"]


def make_failing(world):
    from tests.workers.world import make_world

    return (make_world().agent.tools[3],)


async def test_a_tool_loop_keeps_its_arm(world):
    world.model.lines = [LOOK, RING, REPLY]
    run_id = await world.write()
    await world.advance(run_id)
    assert arms(world) == ["short", "short", "short"]  # it has a destructive tool
    reasons = [found.call.decision.reason for found in await world.of_type(run_id, e.ModelAnswered)]
    assert reasons == ["rule: the least, may choose a destructive tool", "held", "held"]


async def test_who_asks_again_gets_more_thought(harmless):
    run_id = await harmless.write("how many bells are there")
    await harmless.advance(run_id)
    harmless.clock.now += 60
    await harmless.say(run_id, "how many bells are there?!")
    harmless.clock.now += 60
    await harmless.say(run_id, "No, that is wrong.")
    harmless.clock.now += 60
    await harmless.say(run_id, "thank you")
    assert arms(harmless) == ["none", "short", "long", "none"]


@pytest.mark.parametrize("channel", ["api", "slack", "email", "webhook", "terminal"])
@pytest.mark.parametrize(
    ("text", "arm"),
    [("/think why?", "short"), ("why? /think hard", "long"), ("/no_think why?", "none")],
)
async def test_a_persons_switch_works_on_every_channel(harmless, channel, text, arm):
    if channel == "email":
        text = f"Subject: Question\n\n{text}"
    await harmless.advance(await harmless.write(text, channel=channel))
    assert arms(harmless) == [arm]
    asked = harmless.model.prompts[0][-1]["content"]
    assert "think" not in asked
    assert asked.endswith("why?")


async def test_an_agents_own_check_is_told_to_the_model(harmless):
    def check(choice):
        if isinstance(choice, Answer) and choice.text != "42":
            raise ValueError("the sum must be 42")

    harmless.become(check=check)
    harmless.model.lines = [OTHER_SUM, SUM]
    run_id = await harmless.write("what is the sum?")
    run = await harmless.advance(run_id)
    assert run.outbox.reply == "42"
    (rejected,) = await harmless.of_type(run_id, e.ModelRejected)
    assert (rejected.reason, rejected.detail) == ("failed_check", "the sum must be 42")
    assert arms(harmless) == ["none", "short"]
    assert "the sum must be 42" in harmless.model.prompts[1][-1]["content"]


async def test_a_check_sees_tool_calls_and_one_that_breaks_lets_nothing_through(harmless):
    seen = []

    def check(choice):
        seen.append(type(choice))
        raise KeyError("a bug")

    harmless.become(check=check)
    harmless.model.lines = [RING]
    run = await harmless.advance(await harmless.write())
    assert set(seen) == {ToolCall}
    assert harmless.effects.counted == []
    assert run.waits_for == "answer"  # a person was asked, after three tries


async def test_two_drafts_that_disagree_are_thought_about(harmless):
    harmless.become(thinking=Thinking(drafts=True))
    harmless.model.lines = [SUM, OTHER_SUM, SUM]
    run_id = await harmless.write("what is the sum?")
    run = await harmless.advance(run_id)
    assert run.outbox.reply == "42"
    (doubted,) = await harmless.of_type(run_id, e.ModelDoubted)
    assert doubted.reason == "drafts"
    assert doubted.call.attempts == 2  # both drafts are paid for
    assert doubted.call.completion_tokens == 10
    assert [options.draft for options in harmless.model.options] == [0, 1, 0]
    assert arms(harmless) == ["none", "none", "short"]


async def test_two_drafts_that_agree_stand(harmless):
    harmless.become(thinking=Thinking(drafts=True))
    harmless.model.lines = [SUM]
    run_id = await harmless.write("what is the sum?")
    await harmless.advance(run_id)
    assert (await harmless.types(run_id)).count("model_doubted") == 0
    (answered,) = await harmless.of_type(run_id, e.ModelAnswered)
    assert answered.call.attempts == 2


async def test_a_second_draft_that_fails_takes_nothing_from_the_first(harmless):
    harmless.become(thinking=Thinking(drafts=True))
    harmless.model.lines = [SUM, ModelError("gone")]
    run = await harmless.advance(await harmless.write("what is the sum?"))
    assert run.outbox.reply == "42"


@pytest.mark.parametrize(
    "fields",
    [
        {"limits": Limits(model_calls=1)},
        {"budgets": Budgets(run=Budget(steps=1))},
        {"budgets": Budgets(run=Budget(tokens=15))},
    ],
)
async def test_nothing_is_doubted_that_there_is_no_call_left_for(harmless, fields):
    harmless.become(**fields)
    harmless.model.margins = [-5.0]
    run = await harmless.advance(await harmless.write("hello"))
    assert (run.status, run.outbox.reply) == (Status.COMPLETED, "ok")


async def test_a_store_that_is_away_is_no_failure_of_the_model(harmless, monkeypatch):
    harmless.become(thinking=Thinking(tokens=ThoughtBudget(sender=100)))
    run_id = await harmless.write("hello")
    spent = harmless.store.spent

    async def away(accounts):
        raise Unavailable("away")

    monkeypatch.setattr(harmless.store, "spent", away)
    await harmless.executor.advance(run_id)
    assert "model_failed" not in await harmless.types(run_id)
    monkeypatch.setattr(harmless.store, "spent", spent)
    harmless.clock.now += 60
    run = await harmless.advance(run_id)
    assert run.status is Status.COMPLETED


async def test_asking_the_model_itself_is_paid_for(harmless):
    harmless.executor.model.thinker.policy = close_call()
    harmless.model.odds = -5.0
    run_id = await harmless.write("hello")
    await harmless.advance(run_id)
    (answered,) = await harmless.of_type(run_id, e.ModelAnswered)
    assert answered.call.decision.features["probe"] == -1
    assert (answered.call.prompt_tokens, answered.call.completion_tokens) == (10 + 12, 5 + 1)
    assert answered.call.seconds == pytest.approx(0.6)
    assert answered.call.attempts == 2


async def test_where_the_model_does_not_say_it_is_decided_without(harmless):
    harmless.executor.model.thinker.policy = close_call()
    harmless.model.odds = None
    run_id = await harmless.write("hello")
    await harmless.advance(run_id)
    assert harmless.model.probes == 1
    (answered,) = await harmless.of_type(run_id, e.ModelAnswered)
    assert "probed" not in answered.call.decision.features


def close_call() -> Policy:
    """None and short are worth about the same."""
    usual = {"none": (10.0, 0.8), "short": (100.0, 0.84), "long": (500.0, 0.2)}
    episodes = [
        EpisodeSample("tester", "act", arm, {"bias": 1.0}, tokens, reward)
        for arm, (tokens, reward) in usual.items()
        for _ in range(60)
    ]
    return Policy(learn(episodes, own_arms(256, 1024)), price=0.1)


async def test_what_the_model_thought_is_kept_only_if_that_is_wanted(world):
    async def ask() -> str:
        run_id = await world.write("hello", conversation=str(len(world.model.prompts)))
        await world.advance(run_id)
        (answered,) = await world.of_type(run_id, e.ModelAnswered)
        return answered.thought

    world.model.reasoning = "first this, then that"
    assert await ask() == "first this, then that"
    world.executor = world.worker(model=replace_model(world, keep_thoughts=False))
    assert await ask() == ""


def replace_model(world, **fields):
    from dataclasses import replace

    return replace(world.executor.model, **fields)


@pytest.mark.parametrize(
    ("channel", "priority"),
    [("slack", 0), ("terminal", 0), ("api", 0), ("email", 10), ("webhook", 10)],
)
async def test_people_who_wait_are_served_first(world, channel, priority):
    await world.advance(await world.write(channel=channel))
    assert {options.priority for options in world.model.options} == {priority}


async def test_tenants_have_prefix_caches_of_their_own(world):
    world.executor = world.worker(model=replace_model(world, salt_key=b"k" * 32))
    for conversation in ("T1:C1:1", "T1:C2:1", "T2:C1:1"):
        run_id = await world.write("hi", channel="slack", conversation=conversation)
        await world.advance(run_id)
    one, same, other = [options.cache_salt for options in world.model.options]
    assert one == same != other
    assert len(one) == 43
    (answered,) = await world.of_type(run_id, e.ModelAnswered)
    assert answered.call.cache_salt == other


async def test_without_a_secret_there_is_no_salt(world):
    await world.advance(await world.write("hi", channel="slack", conversation="T1:C1:1"))
    assert world.model.options[0].cache_salt == ""


async def test_an_approval_is_asked_only_after_the_verdict(world):
    world.model.lines = [LAUNCH, LAUNCH, REPLY]
    world.model.margins = [-4.0, -0.1]
    run_id = await world.write("launch it")
    await world.advance(run_id)
    assert (await world.types(run_id))[2:5] == [
        "model_doubted",
        "model_answered",
        "approval_requested",
    ]


async def test_a_doubted_answer_stands_where_no_better_one_is_to_be_had(harmless):
    failed = ModelError("the server is away")
    harmless.model.lines = [{"action": "reply", "text": "blue"}, failed]
    harmless.model.margins = [-4.0]
    run = await harmless.advance(await harmless.write("hello"))
    assert (await harmless.types(run.id))[-4:] == [
        "model_doubted",
        "model_answered",
        "reply_started",
        "reply_sent",
    ]
    (answered,) = await harmless.of_type(run.id, e.ModelAnswered)
    assert answered.choice.text == "blue"
    assert "draft stands" in answered.call.decision.reason


@pytest.mark.parametrize("limits", [Limits(rejections=3), Limits(model_calls=3)])
async def test_a_doubted_answer_stands_where_more_thought_brings_nothing_usable(harmless, limits):
    harmless.become(limits=limits)
    harmless.model.lines = [{"action": "reply", "text": "blue"}, "well ..."]
    harmless.model.margins = [-4.0]
    run = await harmless.advance(await harmless.write("hello"))
    rejected = ["model_rejected"] * min(limits.rejections, limits.model_calls - 1)
    events = ["model_doubted", *rejected, "model_answered"]
    assert (await harmless.types(run.id))[2 : 2 + len(events)] == events
    (answered,) = await harmless.of_type(run.id, e.ModelAnswered)
    assert answered.choice.text == "blue"
    assert run.status is Status.COMPLETED


async def test_a_doubted_tool_call_that_nothing_usable_follows_is_not_made(harmless):
    harmless.model.lines = [RING, "well ..."]
    harmless.model.margins = [-4.0]
    run = await harmless.advance(await harmless.write("hello"))
    assert "question_asked" in await harmless.types(run.id)
    assert run.waits_for == "answer"


async def test_a_doubted_answer_stands_where_the_server_goes_before_it_is_asked_again(harmless):
    harmless.model.lines = [{"action": "reply", "text": "blue"}]
    harmless.model.margins = [-4.0]
    arms_of, asked = harmless.model.arms, []

    async def away():
        asked.append(1)
        if len(asked) > 1:
            raise ModelError("the server is away")
        return await arms_of()

    harmless.model.arms = away
    run_id = await harmless.write("hello")
    for _ in range(8):
        run = await harmless.advance(run_id)
        harmless.clock.now += 1000
        await harmless.store.sweep(10, 1)
    assert (run.status, run.outbox.reply) == (Status.COMPLETED, "blue")


@pytest.mark.parametrize("at_work", [True, False])
async def test_a_failed_call_pays_only_for_the_time_in_which_the_model_may_have_thought(
    harmless, at_work
):
    harmless.become(thinking=Thinking(mode="always", tokens=ThoughtBudget(conversation=3000)))
    harmless.model.lines = [ModelError("no answer", at_work=at_work)]

    async def meanwhile(call):
        await asyncio.sleep(0.1)  # at 0.03 s a token

    harmless.model.before_answer = meanwhile
    run = await harmless.advance(await harmless.write("hello"))
    name = f"thought:conversation:{run.channel}:{run.source}:{run.conversation}"
    (sums,) = await harmless.store.spent([name])
    assert (sums["thought"] >= 3) if at_work else (sums["thought"] == 0)


async def test_a_check_that_ends_the_process_ends_nothing(harmless):
    def check(choice):
        raise SystemExit(3)

    harmless.become(check=check)
    run = await harmless.advance(await harmless.write("hello"))
    (rejected, *_) = await harmless.of_type(run.id, e.ModelRejected)
    assert (rejected.reason, "SystemExit" in rejected.detail) == ("failed_check", True)


async def test_a_check_that_hangs_takes_no_thread_from_others(harmless, monkeypatch):
    monkeypatch.setattr("ponderd.workers.execution.answers.CHECK_SECONDS", 0.01)
    release = threading.Event()
    harmless.become(check=lambda choice: release.wait(), limits=Limits(rejections=1))
    try:
        for number in range(40):
            await harmless.advance(await harmless.write("hello", conversation=str(number)))
        assert await patiently(asyncio.to_thread(lambda: True))
    finally:
        release.set()


async def test_a_doubted_tool_call_does_not(harmless):
    harmless.model.lines = [RING, ModelError("the server is away")]
    harmless.model.margins = [-4.0]
    run_id = await harmless.write("hello")
    await harmless.advance(run_id)
    assert (await harmless.types(run_id))[-2:] == ["model_doubted", "model_failed"]
