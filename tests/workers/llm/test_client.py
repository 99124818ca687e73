import asyncio
import contextlib
import json

import pytest

import ponderd.workers.llm.http
from ponderd.channels.errors import ModelError, StartupError
from ponderd.workers.agents.actions import schema
from ponderd.workers.agents.shipped.assistant import agent
from ponderd.workers.llm.connect import connect
from ponderd.workers.llm.http import joined
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.settings import WorkerSettings
from tests.services.eventually import eventually
from tests.services.model_server import Fault, Says, ScriptedModel

ANSWER = '{"action":"reply","text":"ok"}'
MESSAGES = [{"role": "user", "content": "Grüße, wie geht's?"}]
NONE = ThinkingDecision()
SHORT = ThinkingDecision(mode="short", reason="test", budget=16)


@pytest.fixture(autouse=True)
def short_delays(monkeypatch):
    monkeypatch.setattr(ponderd.workers.llm.http, "FIRST_DELAY", 0.01)


async def ask(server, decision=NONE, **settings):
    client = connect(WorkerSettings(model_url=server.url, **settings))
    try:
        return await client.complete(
            MESSAGES, schema=schema(agent), decision=decision, max_tokens=100
        )
    finally:
        await client.close()


async def test_an_answer_comes_with_its_cost_and_the_hash_of_its_request():
    async with ScriptedModel(ANSWER, delay=0.05) as server:
        answer = await ask(server)
    assert answer.content == ANSWER
    assert answer.model == "scripted"
    assert (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
        answer.usage.reasoning_tokens,
    ) == (3, 1, 0)
    assert answer.usage.attempts == 1
    assert 0.05 <= answer.usage.seconds < 2
    assert len(answer.prompt_hash) == 64


async def test_the_same_request_has_the_same_hash_and_another_has_another():
    async with ScriptedModel(ANSWER) as server:
        first, again, other = await ask(server), await ask(server), await ask(server, model="x")
    assert first.prompt_hash == again.prompt_hash != other.prompt_hash


async def test_thinking_is_switched_off_explicitly():
    async with ScriptedModel(ANSWER) as server:
        await ask(server)
    request = server.requests[0]
    assert request["chat_template_kwargs"] == {"enable_thinking": False}
    assert "thinking_token_budget" not in request
    assert request["max_completion_tokens"] == 100
    assert request["stream"] is True
    assert request["stream_options"] == {"include_usage": True}
    assert request["response_format"]["json_schema"]["schema"] == schema(agent)
    assert request["response_format"]["json_schema"]["strict"] is True


async def test_a_thought_has_a_budget_that_comes_on_top_of_the_answer():
    async with ScriptedModel(Says(ANSWER, reasoning="let me see")) as server:
        answer = await ask(server, SHORT)
    request = server.requests[0]
    assert request["chat_template_kwargs"] == {"enable_thinking": True}
    assert request["thinking_token_budget"] == 16
    assert request["max_completion_tokens"] == 116
    assert answer.content == ANSWER
    assert answer.reasoning.split() == ["let", "me", "see"]
    assert answer.usage.reasoning_tokens == 3


async def test_a_thought_that_ignores_its_budget_is_cut_and_the_answer_asked_for_without():
    endless = Says(ANSWER, reasoning="hm " * 5000, keeps_budget=False)
    async with ScriptedModel(endless) as server:
        answer = await ask(server, SHORT)
    assert answer.content == ANSWER
    assert answer.usage.attempts == server.count == 2
    assert server.requests[1]["chat_template_kwargs"] == {"enable_thinking": False}
    assert 16 < answer.usage.reasoning_tokens < 100
    assert answer.usage.completion_tokens == answer.usage.reasoning_tokens + 1


async def test_an_empty_answer_after_thinking_is_asked_for_again_without():
    async with ScriptedModel([Says(None, reasoning="a b"), ANSWER]) as server:
        answer = await ask(server, SHORT)
    assert answer.content == ANSWER
    assert answer.usage.attempts == 2
    assert answer.usage.reasoning_tokens == 2
    assert server.requests[1]["chat_template_kwargs"] == {"enable_thinking": False}


async def test_an_answer_with_a_piece_of_the_thought_in_it_is_asked_for_again_without():
    torn = '{"action":"reply","text":"</think>{"}'
    async with ScriptedModel([Says(torn, reasoning="a b"), ANSWER]) as server:
        assert (await ask(server, SHORT)).content == ANSWER


async def test_an_empty_answer_without_thinking_is_for_the_caller_to_judge():
    async with ScriptedModel(Fault.EMPTY) as server:
        assert (await ask(server)).content == ""
    assert server.count == 1


@pytest.mark.parametrize("refused", ["thinking_token_budget", "chat_template_kwargs"])
async def test_a_thinking_field_that_a_server_refuses_is_left_out_from_then_on(refused):
    def script(body):
        return Fault.BAD_REQUEST if refused in body else ANSWER

    async with ScriptedModel(script) as server:
        client = connect(WorkerSettings(model_url=server.url))
        for _ in range(2):
            answer = await client.complete(
                MESSAGES, schema=schema(agent), decision=SHORT, max_tokens=100
            )
            assert answer.content == ANSWER
        await client.close()
    refusals = sum(refused in request for request in server.requests)
    assert refusals == server.count - 2  # only the first call met any


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.BUSY_429, Fault.BREAK_OFF, Fault.GARBAGE])
async def test_a_passing_fault_is_tried_again(fault):
    async with ScriptedModel([fault, fault, ANSWER]) as server:
        answer = await ask(server)
    assert answer.content == ANSWER
    assert answer.usage.attempts == server.count == 3


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.BUSY_429, Fault.BREAK_OFF, Fault.GARBAGE])
async def test_a_lasting_fault_fails_after_four_attempts(fault):
    async with ScriptedModel(fault) as server:
        with pytest.raises(ModelError) as caught:
            await ask(server)
    assert server.count == 4
    assert caught.value.retryable
    assert not caught.value.too_long


async def test_silence_times_out_and_is_tried_again_within_twice_the_time():
    async def attempts(seconds: float) -> int:
        async with ScriptedModel([Fault.HANG, ANSWER]) as server:
            return (await ask(server, model_timeout=seconds)).usage.attempts

    for seconds in (1, 5, 30):  # a busy machine needs more for the second attempt
        with contextlib.suppress(ModelError):
            assert await attempts(seconds) == 2
            break
    else:
        pytest.fail("it did not try again")
    async with ScriptedModel(Fault.HANG) as server:
        with pytest.raises(ModelError, match=r"within 0\.2 s"):
            await ask(server, model_timeout=0.2)
        assert server.count < 4


async def test_a_prompt_that_is_too_long_is_not_tried_again():
    async with ScriptedModel(Fault.TOO_LONG) as server:
        with pytest.raises(ModelError) as caught:
            await ask(server)
    assert server.count == 1
    assert caught.value.too_long
    assert not caught.value.retryable


async def test_a_request_that_is_refused_for_good_is_not_tried_again():
    async with ScriptedModel(Fault.BAD_REQUEST) as server:
        with pytest.raises(ModelError, match=r"HTTP 400: .*no such field") as caught:
            await ask(server, SHORT)
    assert not caught.value.retryable
    assert not caught.value.too_long
    assert server.count == 3  # once more without each of the two optional fields


async def test_a_server_that_is_not_there_fails_after_some_attempts():
    async with ScriptedModel() as server:
        pass
    with pytest.raises(ModelError, match="no answer from the model server") as caught:
        await ask(server)
    assert caught.value.retryable


async def test_an_answer_without_end_is_broken_off(monkeypatch):
    monkeypatch.setattr(ponderd.workers.llm.http, "BODY_LIMIT", 100_000)
    async with ScriptedModel("x" * 200_000) as server:
        with pytest.raises(ModelError, match="more than 100000 bytes"):
            await ask(server)


async def test_cancelling_a_call_closes_its_connection():
    async with ScriptedModel(Fault.HANG) as server:
        call = asyncio.create_task(ask(server))
        while not server.in_flight:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await eventually(lambda: not server.in_flight)
    assert server.disconnects == 1


async def test_connecting_does_nothing_until_the_first_call():
    client = connect(WorkerSettings(model_url="http://127.0.0.1:1/v1"))
    await client.close()
    with pytest.raises(StartupError, match="PONDERD_MODEL_URL"):
        connect(WorkerSettings(model_url=None))


async def test_budgets_suit_the_server_unless_they_are_set():
    async with ScriptedModel() as server:
        for settings, expected in (
            ({}, (1024, 8192)),
            ({"thinking_short": 99}, (99, 8192)),
            ({"thinking_short": 99, "thinking_long": 100}, (99, 100)),
        ):
            client = connect(WorkerSettings(model_url=server.url, **settings))
            none, short, long = await client.arms()
            assert (none.name, none.mode, none.budget) == ("none", "none", 0)
            assert (short.budget, long.budget) == expected
            await client.close()


async def test_hundreds_of_calls_run_at_once_and_cheaply():
    async with ScriptedModel(ANSWER) as server:
        server.gate.clear()
        client = connect(WorkerSettings(model_url=server.url))
        calls = [
            client.complete(MESSAGES, schema=schema(agent), decision=NONE, max_tokens=9)
            for _ in range(300)
        ]
        answering = asyncio.gather(*calls)
        await eventually(lambda: server.in_flight == 300)
        server.gate.set()
        answers = await answering
        await client.close()
    assert {answer.content for answer in answers} == {ANSWER}
    assert {answer.usage.attempts for answer in answers} == {1}


def test_halves_of_a_character_that_came_apart_are_joined():
    halves = json.loads('["a\\ud83d", "\\ude00b", "\\ud83d"]')
    assert joined(halves) == "a😀b\N{REPLACEMENT CHARACTER}"
