import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ponderd.workers.agents.actions import Rejected, interpret, schema
from ponderd.workers.agents.agent import Agent, tool
from ponderd.workers.agents.shipped.assistant import agent as assistant
from ponderd.workers.agents.shipped.triage import agent as triage
from ponderd.workers.run.events import Answer, Question, ToolCall


def said(**fields: object) -> str:
    return json.dumps(fields)


def test_a_tool_is_called_by_its_name_with_flat_arguments():
    call = interpret(said(action="calculator", expression="17*23"), assistant)
    assert call == ToolCall(tool="calculator", arguments={"expression": "17*23"})


def test_reply_and_done_answer_and_ask_human_asks():
    assert interpret(said(action="reply", text="hi"), assistant) == Answer(text="hi")
    assert interpret(said(action="done", summary="did it"), assistant) == Answer(text="did it")
    assert interpret(said(action="ask_human", text="which?"), assistant) == Question(text="which?")


def test_done_of_a_typed_agent_carries_its_output_and_describes_it():
    output = {"category": "bug", "urgency": "high", "summary": "It crashes."}
    answer = interpret(said(action="done", **output), triage)
    assert answer == Answer(text="Filed as bug, urgency high: It crashes.", output=output)


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
    assert "clock, calculator, reply, ask_human, done" in rejected.detail


def test_a_number_that_json_cannot_hold_is_rejected():
    @tool()
    def weigh(kilos: float) -> str:
        return ""

    agent = Agent(name="scales", description="", prompt="", tools=(weigh,))
    assert interpret(said(action="weigh", kilos="nan"), agent).reason == "invalid_arguments"


def test_the_schema_is_a_union_of_closed_objects_with_the_action_first():
    options = schema(assistant)["anyOf"]
    names = [option["properties"]["action"]["const"] for option in options]
    assert names == ["clock", "calculator", "reply", "ask_human", "done"]
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
_actions = st.fixed_dictionaries(
    {"action": st.sampled_from(["reply", "done", "calculator", "clock", "ask_human", "?"])},
    optional=dict.fromkeys(("text", "summary", "expression", "category", "urgency", "zone"), _json),
)


@settings(max_examples=10_000, deadline=None)
@given(st.text() | _json.map(json.dumps) | _actions.map(json.dumps), st.booleans())
def test_nothing_a_model_writes_crashes_the_reading(content, typed):
    choice = interpret(content, triage if typed else assistant)
    if not isinstance(choice, Rejected):
        choice.model_dump_json()
