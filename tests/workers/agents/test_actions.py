import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ponderd.workers.agents.actions import Rejected, interpret, schema
from ponderd.workers.agents.agent import Agent, tool
from ponderd.workers.agents.shipped.assistant import agent as assistant
from ponderd.workers.agents.shipped.triage import agent as triage
from ponderd.workers.run.choices import Answer, Question, ToolCall


def said(**fields: object) -> str:
    return json.dumps(fields)


def test_a_tool_is_called_by_its_name_with_flat_arguments():
    call = interpret(said(action="calculator", expression="17*23"), assistant)
    assert call == ToolCall(tool="calculator", arguments={"expression": "17*23"})


def test_reply_and_done_answer_and_ask_human_asks():
    assert interpret(said(action="reply", text="hi"), assistant) == Answer(text="hi")
    assert interpret(said(action="done", summary="did it"), assistant) == Answer(text="did it")
    assert interpret(said(action="ask_human", text="which?"), assistant) == Question(text="which?")


def test_done_of_a_typed_agent_carries_its_output():
    output = {"category": "bug", "urgency": "high", "summary": "It crashes."}
    answer = interpret(said(action="done", **output), triage)
    assert answer == Answer(text=json.dumps(output), output=output)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("Sure, 17*23 is 391.", "prose"),
        ('{"action":"reply","text":"cut off', "invalid_json"),
        ('```json\n{"action":"reply","text":"x"}\n```', "invalid_json"),
        ("[1, 2]", "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ('{"action":' * 100_000, "invalid_json"),
        ('{"action":"reply","text":NaN}', "invalid_json"),
        ('{"action":"reply","text":"\\ud800"}', "invalid_json"),
        ('{"action":"reply","text":' + "9" * 5000 + "}", "invalid_json"),
        ("{}", "unknown_action"),
        ('{"action":"fly"}', "unknown_action"),
        ('{"action":["reply"]}', "unknown_action"),
        ('{"action":"reply"}', "invalid_arguments"),
        ('{"action":"reply","text":""}', "invalid_arguments"),
        ('{"action":"reply","text":" \\n"}', "invalid_arguments"),
        ('{"action":"reply","text":{"a":1}}', "invalid_arguments"),
        ('{"action":"calculator","expression":"1","more":2}', "invalid_arguments"),
    ],
)
def test_what_is_unusable_is_rejected_with_a_reason(content, reason):
    rejected = interpret(content, assistant)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason
    assert 0 < len(rejected.detail) < 400


def test_the_rejection_of_an_unknown_action_names_the_known_ones():
    rejected = interpret(said(action="fly"), assistant)
    assert "clock, calculator, read_attachment, reply, ask_human, done" in rejected.detail


def test_a_number_that_json_cannot_hold_is_rejected():
    @tool()
    def weigh(kilos: float) -> str:
        return ""

    agent = Agent(name="scales", description="", prompt="", tools=(weigh,))
    assert interpret(said(action="weigh", kilos="nan"), agent).reason == "invalid_arguments"


def test_the_schema_is_a_union_of_closed_objects_with_the_action_first():
    options = schema(assistant)["anyOf"]
    names = [option["properties"]["action"]["const"] for option in options]
    assert names == ["clock", "calculator", "read_attachment", "reply", "ask_human", "done"]
    for option in options:
        assert option["additionalProperties"] is False
        assert option["required"] == list(option["properties"])
        assert option["required"][0] == "action"


def test_nested_types_stay_reachable_and_closed():
    class Item(BaseModel):
        title: str
        count: int = 1

    @tool()
    def order(items: list[Item]) -> str:
        return ""

    agent = Agent(name="shop", description="", prompt="", tools=(order,))
    described = schema(agent)
    reference = described["anyOf"][0]["properties"]["items"]["items"]["$ref"]
    item = described["$defs"][reference.rpartition("/")[2]]
    assert item["required"] == ["title", "count"]  # a field called title is no annotation
    assert item["additionalProperties"] is False
    assert list(described["$defs"]) == ["Item"]


def test_the_schema_of_an_agent_is_built_once():
    assert schema(assistant) is schema(assistant)


def test_a_tool_cannot_take_the_name_of_a_common_action():
    @tool()
    def reply() -> str:
        return ""

    with pytest.raises(ValueError, match="must not be called reply"):
        schema(Agent(name="clash", description="", prompt="", tools=(reply,)))


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
ACTIONS = ("reply", "done", "calculator", "clock", "ask_human", "?")
FIELDS = ("text", "summary", "expression", "category", "urgency", "zone")
_actions = st.fixed_dictionaries(
    {"action": st.sampled_from(ACTIONS)}, optional=dict.fromkeys(FIELDS, _json)
)


def read(content, typed):
    choice = interpret(content, triage if typed else assistant)
    if not isinstance(choice, Rejected):
        choice.model_dump_json()


@settings(max_examples=1_000, deadline=None)
@given(st.text() | _json.map(json.dumps) | _actions.map(json.dumps), st.booleans())
def test_nothing_a_model_writes_crashes_the_reading(content, typed):
    read(content, typed)


SCALARS = (
    *(None, True, False, 0, -1, 10**30, 0.5, 1e308, float("nan"), float("-inf")),
    *("", "reply", "5 + 5", "9" * 400, "Europe/Berlin", "low", "\x00", "\u202e", "\ud83d", "😀"),
)
SPIKES = (
    *("{", "}", "[", '"', ",", ":", " ", "\\", "\\u"),
    *("null", "NaN", "1e999", "```json\n", "\ufeff"),
)


def some_json(dice, depth=3):
    match dice.randrange(6 if depth else 4):
        case 4:
            return [some_json(dice, depth - 1) for _ in range(dice.randrange(4))]
        case 5:
            names = dice.choices((*FIELDS, "action", "", "x"), k=dice.randrange(4))
            return {name: some_json(dice, depth - 1) for name in names}
        case _:
            return dice.choice(SCALARS)


@settings(max_examples=10_000, deadline=None)
@given(st.integers(0, 2**64))
def test_nothing_that_is_almost_an_action_crashes_the_reading(seed):
    """One seed drives it all, which keeps it quick."""
    dice = random.Random(seed)
    action = {"action": dice.choice(ACTIONS)}
    action |= {name: some_json(dice) for name in FIELDS if dice.random() < 0.4}
    content = json.dumps(action if dice.random() < 0.8 else some_json(dice))
    for _ in range(dice.choice((0, 0, 1, 3))):
        at = dice.randrange(len(content) + 1)
        content = content[:at] + dice.choice(SPIKES) + content[at + dice.randrange(3) :]
    read(content, dice.random() < 0.5)
