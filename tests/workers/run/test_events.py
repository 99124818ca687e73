"""How events are written: short, so that whoever reads them gets the same ones."""

from __future__ import annotations

import builtins
import json
import types
import typing
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ponderd.workers.run import events as e
from ponderd.workers.run.choices import Answer, Choice, Question, ToolCall, chosen_in
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision

KINDS = get_args(get_args(e.Event)[0])
CALL = ModelCall(model="m", decision=ThinkingDecision(mode="none"), prompt_hash="0", seconds=0)


def answered(choice: Choice, content: str) -> e.ModelAnswered:
    return e.ModelAnswered(at=1, choice=choice, content=content, call=CALL)


def test_no_field_stands_in_the_way_of_an_event_s_number() -> None:
    """Whoever lists events puts the number of each beside its fields, as `version`."""
    assert len(KINDS) > 20
    assert [kind.__name__ for kind in KINDS if "version" in kind.model_fields] == []


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NUMBER = st.floats(0.01, 1)  # what all fields take, be it a share or a price
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-2, 2) | _TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=3,
)
_PLAIN = {str: _TEXT, float: _NUMBER, int: st.integers(1, 1000), bool: st.booleans(), Any: _JSON}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """What JSON may hold for a field of this type."""
    parts = get_args(kind)
    match get_origin(kind):
        case typing.Annotated:
            return values(parts[0])
        case typing.Literal:
            return st.sampled_from(parts)
        case typing.Union | types.UnionType:
            return st.one_of(map(values, parts))
        case builtins.tuple:
            return st.lists(values(parts[0]), max_size=2)
        case builtins.dict:
            return st.dictionaries(_TEXT, values(parts[1]), max_size=2)
    if kind in _PLAIN or kind is type(None):
        return _PLAIN.get(kind, st.none())
    if not issubclass(kind, BaseModel):
        return st.sampled_from(list(kind))  # an enumeration
    given, optional = {}, {}
    for name, field in kind.model_fields.items():
        (given if field.is_required() else optional)[name] = values(field.annotation)
    given |= {name: optional.pop(name) for name in ("type", "action") if name in optional}
    return st.fixed_dictionaries(given, optional=optional)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_what_is_read_is_what_was_written(kind: type[Any], data: st.DataObject) -> None:
    event = e.decode(json.dumps(data.draw(values(kind))))
    again = e.decode(e.encode(event))
    assert again == event
    assert again.model_dump_json() == event.model_dump_json()  # 1, 1.0 and true are equal, too


SAID = {
    '{"action": "refund", "order": 17, "note": "é"}': ToolCall(
        tool="refund", arguments={"order": 17, "note": "é"}
    ),
    '{"action":"reply","text":"Done."}': Answer(text="Done."),
    '{"text":"Done.","action":"reply"}': Answer(text="Done."),
    '{"action":"done","summary":"Done."}': Answer(text="Done."),
    '{"action":"done","kind":"bug","urgent":true}': Answer(
        text='{"kind": "bug", "urgent": true}', output={"kind": "bug", "urgent": True}
    ),
    '{"action":"ask_human","text":"Which?"}': Question(text="Which?"),
    '{"action":"ask_human","text":"Now?","format":"choices","choices":["a","b"]}': Question(
        text="Now?", format="choices", choices=("a", "b")
    ),
}


@pytest.mark.parametrize("content", SAID)
def test_a_choice_that_its_content_says_is_not_written_again(content: str) -> None:
    event = answered(SAID[content], content)
    assert chosen_in(content) == event.choice
    assert "choice" not in json.loads(e.encode(event))
    assert e.decode(e.encode(event)) == event


@pytest.mark.parametrize(
    ("choice", "content"),
    [
        (ToolCall(tool="t", arguments={"n": 1, "more": 5}), '{"action":"t","n":1}'),  # a default
        (ToolCall(tool="t", arguments={"n": 1.0}), '{"action":"t","n":1}'),  # coerced
        (ToolCall(tool="t", arguments={"n": True}), '{"action":"t","n":1}'),
        (ToolCall(tool="t", arguments={"b": 1, "a": 2}), '{"action":"t","a":2,"b":1}'),  # order
        (Answer(text="x"), '{"action":"reply","text":"x'),  # cut when it was stored
        (Answer(text="x"), "x"),
        (Answer(text='{"n": 1}', output={"n": 1}), '{"action":"done","n":1.0}'),
        (Question(text=""), '{"action":"ask_human","text":""}'),
        (Answer(text="x"), "[1]"),
        (Answer(text="x"), '{"action":["reply"],"text":"x"}'),
        (Answer(text="x"), '{"action":"reply","text":"\\ud800"}'),
    ],
)
def test_any_other_choice_is_written(choice: Choice, content: str) -> None:
    event = answered(choice, content)
    assert e.decode(e.encode(event)) == event
    assert e.decode(e.encode(event)).model_dump_json() == event.model_dump_json()


def test_what_is_as_by_default_takes_no_room() -> None:
    event = answered(Answer(text="Done."), '{"action":"reply","text":"Done."}')
    assert json.loads(e.encode(event)) == {
        "type": "model_answered",
        "at": 1,
        "content": '{"action":"reply","text":"Done."}',
        "call": {"model": "m", "decision": {"arm": "none"}, "prompt_hash": "0"},
    }


def test_a_log_of_the_time_when_everything_was_written_still_reads() -> None:
    event = answered(Answer(text="Done."), '{"action":"reply","text":"Done."}')
    assert e.decode(event.model_dump_json()) == event


def defaults() -> dict[str, dict[str, Any]]:
    """The defaults of all events and their parts, as JSON has them."""
    found: dict[str, dict[str, Any]] = {}

    def note(schema: dict[str, Any]) -> None:
        for name, part in {**schema.get("$defs", {}), schema["title"]: schema}.items():
            fields = part.get("properties", {})
            found[name] = {f: fields[f]["default"] for f in fields if "default" in fields[f]}

    for kind in KINDS:
        note(kind.model_json_schema(mode="validation"))
    return found


def test_defaults_are_part_of_what_was_written(request: pytest.FixtureRequest) -> None:
    """A default that changes would change every log that leaves it out. A new field is added to
    the list; nothing in it is ever changed."""
    kept = json.loads((request.path.parent / "defaults.json").read_text())
    assert defaults() == kept
