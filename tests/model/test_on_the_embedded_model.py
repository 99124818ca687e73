"""The client and the shipped agents on the real embedded model.

The few tests marked `model` take seconds; the scores (`-m benchmark -k score -s`) take minutes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import aiohttp
import pytest

from ponderd.channels.errors import ModelError
from ponderd.workers.agents.actions import Rejected, schema
from ponderd.workers.agents.arms import own_arms
from ponderd.workers.agents.discovery import discover
from ponderd.workers.context.render import render
from ponderd.workers.llm.canary import problems
from ponderd.workers.llm.client import CallOptions
from ponderd.workers.llm.probe import NEEDS_THOUGHT
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.run.state import Turn
from tests.model import cases
from tests.model.conversation import Choice, Conversation
from tests.services.eventually import eventually

AGENTS = discover([])
MODEL = pytest.mark.model
TIMEOUT = pytest.mark.timeout(1200)


def steps(choices: Sequence[Choice]) -> str:
    names = []
    for choice in choices:
        match choice:
            case ToolCall(tool="deploy"):
                names.append(f"deploy:{choice.arguments['version']}")
            case ToolCall():
                names.append(choice.tool)
            case Rejected(reason=reason):
                names.append(f"rejected:{reason}")
            case _:
                names.append(choice.action)
    return " ".join(names)


def last_words(choices: Sequence[Choice]) -> str:
    return str(getattr(choices[-1], "text", ""))


@MODEL
@TIMEOUT
async def test_the_assistant_calculates_and_then_answers(client, tmp_path):
    conversation = Conversation(client, AGENTS["assistant"], tmp_path)
    choices = await conversation.say("What is 48 * 19?")
    assert steps(choices) == "calculator answer"
    assert "912" in last_words(choices)
    first, second = conversation.completions
    # the prefix cache serves the rest
    assert second.usage.cached_tokens > 0.8 * first.usage.prompt_tokens
    assert first.usage.completion_tokens < 25  # no white space in the JSON


@MODEL
@TIMEOUT
async def test_thinking_is_bounded_and_ends_in_an_action(client):
    assert await client.arms() == own_arms(short=256, long=1024)
    agent = AGENTS["assistant"]
    prompt = render(
        [Turn("person", "How many legs have 3 cats and 2 birds?")], agent, limit_chars=999
    )
    for frame in ("", "This needs care: it takes several steps that build on each other."):
        answer = await client.complete(
            prompt,
            schema=schema(agent),
            decision=ThinkingDecision(mode="short", budget=32, frame=frame),
            max_tokens=100,
        )
        assert 0 < answer.usage.reasoning_tokens <= 32
        assert answer.reasoning.startswith(frame)
        assert len(answer.reasoning) > len(frame)
        assert answer.content.startswith('{"action":"')


@MODEL
@TIMEOUT
async def test_the_canary_finds_that_every_mode_holds(client):
    able = (await client.examine(thoroughly=True))[""]
    assert not isinstance(able, ModelError)
    assert problems(able) == []
    assert able.continues


NUMBER = {
    "type": "object",
    "properties": {"answer": {"type": "integer"}},
    "required": ["answer"],
    "additionalProperties": False,
}


@MODEL
@TIMEOUT
async def test_how_sure_it_is_tells_easy_from_hard(client):
    async def margin(question: str) -> float:
        answer = await client.complete(
            [{"role": "user", "content": f"{question} Answer with JSON."}],
            schema=NUMBER,
            decision=ThinkingDecision(mode="none"),
            max_tokens=20,
            options=CallOptions(margin=True),
        )
        assert answer.margin is not None
        return answer.margin

    assert await margin("What is 2 + 3?") > await margin("What is 7919 * 6841 - 12347?")


@MODEL
@TIMEOUT
async def test_it_says_itself_whether_it_has_to_think(client):
    async def probe(text: str) -> float:
        found = await client.probe([{"role": "user", "content": text}], NEEDS_THOUGHT)
        assert found.cost.usage.prompt_tokens > 0
        assert found.cost.usage.completion_tokens == 1
        return found.odds

    hard = await probe(
        "A shop sells pens at 3 for 2 euros. Ann buys 18 pens and pays with a 50 euro note. She "
        "splits the change among her 4 children. How much does each get?"
    )
    assert hard > await probe("Hello!")


@MODEL
@TIMEOUT
async def test_cancelling_frees_the_slot(client, model_url):
    agent = AGENTS["assistant"]
    prompt = render([Turn("person", "Tell a very long story.")], agent, limit_chars=999)
    call = asyncio.create_task(
        client.complete(
            prompt,
            schema=schema(agent),
            decision=ThinkingDecision(mode="long", budget=1024),
            max_tokens=9,
        )
    )
    async with aiohttp.ClientSession() as session:
        written: list[int] = []

        async def busy() -> bool:
            async with session.get(model_url.removesuffix("/v1") + "/slots") as response:
                slots = [slot for slot in await response.json() if slot["is_processing"]]
            written.extend(slot["next_token"][0]["n_decoded"] for slot in slots)
            return bool(slots)

        async def idle() -> bool:
            return not await busy()

        await eventually(busy)
        call.cancel()
        await eventually(idle)
        assert max(written) < 512  # it did not write to its end


@pytest.mark.benchmark
@TIMEOUT
@pytest.mark.parametrize(
    ("name", "said", "least"),
    [
        ("assistant", "SEEN", 0.85),
        ("assistant", "UNSEEN", 0.7),
        ("triage", "SEEN", 0.65),
        ("triage", "UNSEEN", 0.8),
        ("deployer", "SEEN", 0.85),
        ("deployer", "UNSEEN", 0.85),
    ],
)
async def test_the_score_of_an_agent(client, tmp_path, name, said, least):
    wrong = []
    todo = getattr(cases, f"{name.upper()}_{said}")
    for case in todo:
        conversation = Conversation(client, AGENTS[name], tmp_path)
        for text in case.said:
            choices = await conversation.say(text, case.verdict)
        did, words = steps(choices), last_words(choices)
        if did not in case.steps.split("|") or not re.search(case.says, words):
            wrong.append(f"{case.said[-1]!r}: {did}: {words}")
    score = 1 - len(wrong) / len(todo)
    print(f"\n{name} {said}: {len(todo) - len(wrong)} of {len(todo)}", *wrong, sep="\n  ")
    assert score >= least
