"""Thinking as the server does it: what is seen of it, what is worked around, and what is refused.

Each trap is one that real servers were seen to set (tests/services/model_server.py names them)."""

import json

import pytest
from pydantic import SecretStr

import ponderd.workers.llm.http
from ponderd.channels.errors import ModelError
from ponderd.workers.agents.actions import interpret, schema
from ponderd.workers.agents.arms import Arm
from ponderd.workers.agents.shipped.assistant import agent
from ponderd.workers.llm.canary import BUDGET, problems
from ponderd.workers.llm.client import CallOptions, Capabilities
from ponderd.workers.llm.connect import connect
from ponderd.workers.llm.continuing import closed, opened
from ponderd.workers.run.choices import Answer
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.settings import WorkerSettings
from tests.services.model_server import Says, ScriptedModel, Trap

ANSWER = '{"action":"reply","text":"ok"}'
MESSAGES = [{"role": "user", "content": "why?"}]
NONE = ThinkingDecision()
SHORT = ThinkingDecision(mode="short", arm="short", budget=16)
THOUGHT = "hm " * 40
"""More than any budget here."""

SAYS = Says(ANSWER, reasoning=THOUGHT)


@pytest.fixture(autouse=True)
def short_delays(monkeypatch):
    monkeypatch.setattr(ponderd.workers.llm.http, "FIRST_DELAY", 0.01)


async def examined(server):
    client = connect(WorkerSettings(model_url=server.url))
    able = (await client.examine())[""]
    assert isinstance(able, Capabilities)
    return client, able


async def ask(client, decision=SHORT, options=CallOptions(), messages=MESSAGES):  # noqa: B008
    return await client.complete(
        messages, schema=schema(agent), decision=decision, max_tokens=100, options=options
    )


async def after_examination(traps=Trap.NONE, decision=SHORT, says=SAYS, **fields):
    async with ScriptedModel(says, traps=traps, **fields) as server:
        client, able = await examined(server)
        try:
            return await ask(client, decision), able, server
        finally:
            await client.close()


# -- what is seen --------------------------------------------------------------------------------


async def test_a_server_that_does_all_it_should_is_seen_to():
    async with ScriptedModel(SAYS) as server:
        client, able = await examined(server)
        await client.close()
    assert problems(able) == []
    assert able.continues
    assert server.count == 0  # the canary is no call of anybody


@pytest.mark.parametrize(
    ("trap", "unable", "said"),
    [
        (Trap.IGNORES_BUDGET, "budget", "thinking_token_budget has no effect"),
        (Trap.REFUSES_BUDGET, "budget", "thinking_token_budget has no effect"),
        (Trap.IGNORES_SWITCH, "switch_off", "does not keep the model from thinking"),
        (Trap.NEVER_THINKS, "switch_on", "does not make the model think"),
        (Trap.NO_JSON_AFTER_THOUGHT, "json", "after a thought are not JSON"),
        (Trap.NO_COUNTS, "usage", "not counted separately"),
    ],
)
async def test_what_it_does_not_do_is_seen_and_said_in_one_line(trap, unable, said):
    async with ScriptedModel(SAYS, traps=trap) as server:
        client, able = await examined(server)
        await client.close()
    assert not getattr(able, unable)
    assert any(said in line for line in problems(able))
    assert all("\n" not in line for line in problems(able))


async def test_a_thought_in_the_content_is_no_switch_and_no_json():
    async with ScriptedModel(SAYS, traps=Trap.THOUGHT_IN_CONTENT) as server:
        client, able = await examined(server)
        await client.close()
    assert not able.switch_on
    assert not able.json


async def test_a_server_without_a_tokenizer_cannot_be_worked_around():
    async with ScriptedModel(SAYS, traps=Trap.NO_TOKENIZER) as server:
        client, able = await examined(server)
        await client.close()
    assert not able.continues
    assert able.budget


async def test_the_canary_is_allowed_fewer_tokens_than_a_thought_takes():
    assert len(THOUGHT.split()) > BUDGET


# -- what is worked around -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "trap",
    [
        Trap.IGNORES_BUDGET,
        Trap.REFUSES_BUDGET,
        Trap.REFUSES_BUDGET | Trap.REFUSES_IN_STREAM,
        Trap.NO_JSON_AFTER_THOUGHT,
        Trap.EATS_EVERYTHING,
        Trap.THOUGHT_IN_CONTENT,
        Trap.REFUSES_BUDGET | Trap.THOUGHT_IN_CONTENT,
        Trap.IGNORES_BUDGET | Trap.NO_COUNTS,
        Trap.IGNORES_BUDGET | Trap.NO_JSON_AFTER_THOUGHT | Trap.OLD_FIELD,
    ],
)
async def test_a_thought_is_cut_by_us_to_the_token_where_the_server_does_not(trap):
    answer, _, server = await after_examination(trap)
    assert answer.content == ANSWER
    assert answer.usage.reasoning_tokens == 16
    assert answer.usage.completion_tokens == 17
    thought, said = server.continued[-2:]
    assert thought["stop"] == ["</think>"]
    assert thought["max_tokens"] == 16
    assert thought["prompt"].endswith("<think>\n")
    assert said["prompt"] == f"{thought['prompt']}{('hm ' * 16).rstrip()}\n</think>\n\n"
    assert said["structured_outputs"] == {"json": schema(agent)}


async def test_where_the_template_leaves_opening_the_thought_to_the_model_we_open_it():
    _, _, server = await after_examination(Trap.IGNORES_BUDGET, opens_thought=False)
    assert server.continued[-2]["prompt"].endswith("<|assistant|>\n<think>\n")


async def test_a_thought_that_must_not_be_is_closed_by_us():
    answer, able, server = await after_examination(Trap.IGNORES_SWITCH, NONE)
    assert not able.switch_off
    assert answer.content == ANSWER
    assert answer.usage.reasoning_tokens == 0
    (said,) = server.continued[-1:]
    assert said["prompt"].endswith("<think>\n\n</think>\n\n")


async def test_what_cannot_be_kept_from_thinking_is_refused_with_a_clear_line():
    traps = Trap.IGNORES_SWITCH | Trap.NO_TOKENIZER
    with pytest.raises(ModelError, match="thinks although it must not") as caught:
        await after_examination(traps, NONE)
    assert not caught.value.retryable


async def test_without_a_tokenizer_an_overlong_thought_is_thrown_away():
    answer, _, server = await after_examination(Trap.IGNORES_BUDGET | Trap.NO_TOKENIZER)
    assert answer.content == ANSWER
    assert answer.usage.reasoning_tokens < 16 * 1.25 + 4
    assert server.requests[-1]["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize("traps", [Trap.CUTS_INTO_ANSWER, Trap.EATS_EVERYTHING, Trap.OLD_FIELD])
async def test_no_broken_json_reaches_the_agent_even_unexamined(traps):
    async with ScriptedModel(SAYS, traps=traps) as server:
        client = connect(WorkerSettings(model_url=server.url))
        answer = await ask(client)
        await client.close()
    assert interpret(answer.content, agent) == Answer(text="ok")
    assert answer.usage.reasoning_tokens > 0


async def test_both_names_of_the_thought_are_read():
    for traps in (Trap.NONE, Trap.OLD_FIELD):
        async with ScriptedModel(SAYS, traps=traps) as server:
            client = connect(WorkerSettings(model_url=server.url))
            answer = await ask(client)
            await client.close()
        assert answer.reasoning.split() == ["hm"] * 16


async def test_thinking_tokens_are_estimated_where_nobody_counts_them():
    async with ScriptedModel(SAYS, traps=Trap.NO_COUNTS) as server:
        client = connect(WorkerSettings(model_url=server.url))
        answer = await ask(client)
        await client.close()
    assert not answer.counted
    assert 8 <= answer.usage.reasoning_tokens <= 17


# -- fields --------------------------------------------------------------------------------------


async def sent(traps=Trap.NONE, decision=NONE, options=CallOptions()):  # noqa: B008
    async with ScriptedModel(SAYS, traps=traps) as server:
        client = connect(WorkerSettings(model_url=server.url))
        for _ in range(2):
            assert (await ask(client, decision, options)).content == ANSWER
        await client.close()
    return server.requests


async def test_priority_salt_and_logprobs_are_sent_where_they_are_wanted():
    options = CallOptions(priority=10, cache_salt="s" * 43, margin=True)
    first, _ = await sent(options=options)
    assert (first["priority"], first["cache_salt"], first["logprobs"]) == (10, "s" * 43, True)
    plain, _ = await sent()
    assert not {"priority", "cache_salt", "logprobs", "seed"} & set(plain)


@pytest.mark.parametrize("how", [Trap.NONE, Trap.REFUSES_IN_STREAM])
async def test_a_field_that_the_server_refuses_by_name_is_left_out_and_only_that(how):
    options = CallOptions(priority=10, cache_salt="s" * 43)
    first, second = await sent(Trap.REFUSES_PRIORITY | how, SHORT, options)
    for request in (first, second):  # what was refused was not counted as a request
        assert "priority" not in request
        assert request["cache_salt"] == "s" * 43
        assert request["thinking_token_budget"] == 16


async def test_a_strict_server_gets_none_of_vllms_own_fields():
    first, second = await sent(Trap.REFUSES_UNKNOWN, NONE, CallOptions(priority=1, cache_salt="s"))
    assert first == second
    assert not {"priority", "cache_salt", "chat_template_kwargs"} & set(first)


async def test_a_second_draft_may_turn_out_differently():
    (first, _), (draft, _) = await sent(), await sent(options=CallOptions(draft=1))
    assert (first["temperature"], "seed" in first) == (0, False)
    assert (draft["temperature"], draft["seed"]) == (0.7, 1)


async def test_the_margin_is_read_from_the_log_probabilities_of_the_answer():
    says = Says('{"action":"add","a":1}', logprob=-1.5)
    async with ScriptedModel(says) as server:
        client = connect(WorkerSettings(model_url=server.url))
        assert (await ask(client, NONE, CallOptions(margin=True))).margin == -1.5
        assert (await ask(client, NONE)).margin is None
        await client.close()


@pytest.mark.parametrize("chars", [5, 40, 400])
async def test_a_thought_is_cut_also_where_several_tokens_come_at_once(chars):
    """Six characters are a token where a piece has more than one can have."""
    thought = " ".join(["x" * (chars - 1)] * 2000)
    says = Says('{"action":"reply","text":"ok"}', reasoning=thought, keeps_budget=False)
    traps = Trap.IGNORES_BUDGET | Trap.NO_TOKENIZER
    answer, _, _ = await after_examination(traps, says=says)
    tokens = len(answer.reasoning) / (6 if chars > 12 else chars)
    assert tokens <= 1.05 * SHORT.budget + 2 + chars / 6


async def test_a_thought_of_long_pieces_that_keeps_its_budget_is_not_cut():
    says = Says('{"action":"reply","text":"ok"}', reasoning="abcdefghi " * 2000)
    answer, _, _ = await after_examination(Trap.NO_TOKENIZER, says=says)
    assert (answer.content, answer.usage.reasoning_tokens) == (says.content, SHORT.budget)


# -- asking the model itself ---------------------------------------------------------------------


async def test_which_way_it_leans_is_asked_with_one_token_after_the_real_messages():
    async with ScriptedModel(SAYS, yes_no=(-0.1, -2.1)) as server:
        client = connect(WorkerSettings(model_url=server.url))
        probed = await client.probe(
            MESSAGES, "yes or no?", CallOptions(priority=10, cache_salt="s", margin=True)
        )
        assert probed.odds == pytest.approx(2.0)
        assert (probed.cost.usage.prompt_tokens, probed.cost.usage.completion_tokens) == (12, 1)
        assert probed.cost.usage.seconds > 0
        await client.close()
    (request,) = server.probes
    assert (request["priority"], request["cache_salt"]) == (10, "s")  # same queue, same cache
    assert request["messages"] == [{"role": "user", "content": "why?\n\nyes or no?"}]
    assert request["max_completion_tokens"] == 1
    assert request["structured_outputs"] == {"choice": ["yes", "no"]}
    assert request["chat_template_kwargs"] == {"enable_thinking": False}


async def test_a_model_that_does_not_say_is_asked_only_once():
    async with ScriptedModel(SAYS, traps=Trap.NO_LOGPROBS) as server:
        client = connect(WorkerSettings(model_url=server.url))
        with pytest.raises(ModelError):
            await client.probe(MESSAGES, "yes or no?")
        await client.close()
    assert len(server.probes) == 1


# -- frame ---------------------------------------------------------------------------------------


async def test_a_frame_stands_at_the_beginning_of_the_thought():
    framed = SHORT.model_copy(update={"frame": "This needs care."})
    answer, _, server = await after_examination(decision=framed)
    assert server.continued[-2]["prompt"].endswith("<think>\nThis needs care. ")
    assert answer.reasoning.startswith("This needs care. hm hm")
    assert answer.content == ANSWER


async def test_without_a_tokenizer_there_is_no_frame_and_the_answer_comes_all_the_same():
    framed = SHORT.model_copy(update={"frame": "This needs care."})
    answer, _, _ = await after_examination(Trap.NO_TOKENIZER, framed)
    assert answer.content == ANSWER


def test_opening_and_closing_a_thought():
    assert opened("a<think>") == "a<think>"
    assert opened("a<think>\n", "F.") == "a<think>\nF. "
    assert opened("a") == "a<think>\n"
    assert closed("a<think>\n") == "a<think>\n\n</think>\n\n"
    assert closed("a<think>\n\n</think>\n\n") == "a<think>\n\n</think>\n\n"


# -- the family ----------------------------------------------------------------------------------


async def test_a_call_of_another_member_goes_to_its_own_server_and_model():
    async with ScriptedModel(ANSWER) as own, ScriptedModel(ANSWER) as other:
        large = Arm("large", "none", 0, model="m-32b", url=other.url)
        cheap = Arm("tiny", "short", 0, model="m-tiny")
        client = connect(WorkerSettings(model_url=own.url), (large, cheap))
        arms = await client.arms()
        assert [arm.name for arm in arms] == ["none", "short", "long", "large", "tiny"]
        assert arms[-1].budget == 1024  # that of its mode
        await ask(client, NONE)
        await ask(client, ThinkingDecision(mode="none", arm="large"))
        await ask(client, ThinkingDecision(mode="short", arm="tiny", budget=16))
        assert set(await client.examine()) == {"", "large", "tiny"}
        await client.close()
    assert [request["model"] for request in own.requests] == ["scripted", "m-tiny"]
    assert [request["model"] for request in other.requests] == ["m-32b"]


async def test_a_member_that_is_away_does_not_keep_the_others_from_being_examined():
    async with ScriptedModel(SAYS, traps=Trap.IGNORES_BUDGET) as own:
        away = Arm("large", "none", 0, url="http://127.0.0.1:9/v1")
        client = connect(WorkerSettings(model_url=own.url), (away,))
        found = await client.examine()
        await client.close()
    assert isinstance(found["large"], ModelError)
    assert isinstance(found[""], Capabilities)
    assert not found[""].budget


async def test_the_key_of_the_own_server_is_not_shown_to_others(monkeypatch):
    monkeypatch.setenv("LARGE_KEY", "theirs")
    async with ScriptedModel(ANSWER) as own, ScriptedModel(ANSWER) as other:
        arms = (
            Arm("open", "none", 0, url=other.url),
            Arm("keyed", "none", 0, url=other.url, api_key_env="LARGE_KEY"),
            Arm("same", "none", 0, model="m-tiny"),
        )
        settings = WorkerSettings(model_url=own.url, model_api_key=SecretStr("ours"))
        client = connect(settings, arms)
        for arm in arms:
            await ask(client, ThinkingDecision(mode="none", arm=arm.name))
        await client.close()
    assert own.keys == {"Bearer ours"}
    assert other.keys == {None, "Bearer theirs"}


async def test_fields_that_are_refused_are_left_out_where_thoughts_are_ours_to_cut_too():
    async with ScriptedModel(SAYS, traps=Trap.IGNORES_BUDGET | Trap.REFUSES_PRIORITY) as server:
        client, _ = await examined(server)
        answer = await ask(client, SHORT, CallOptions(priority=10))
        await client.close()
    assert answer.content == ANSWER
    assert "priority" not in server.continued[-1]


async def test_the_body_of_a_request_has_a_fixed_order():
    first, second = await sent(decision=SHORT, options=CallOptions(1, "s", margin=True))
    assert json.dumps(first) == json.dumps(second)
    assert list(first)[:3] == ["model", "messages", "max_completion_tokens"]
