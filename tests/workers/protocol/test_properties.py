"""What holds for every log that the machine can write, and for every event."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import structlog
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ponderd.workers.control.views import run_view
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold, reduce
from ponderd.workers.run.state import FINISHED
from tests.workers.protocol.wanderer import Wanderer

LOGS = Path(__file__).parent / "logs"

WALKS = settings(
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # making a failure smaller would take minutes
)


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)


walks = given(seed=st.integers(0, 2**32), steps=st.integers(1, 40))


@walks
@WALKS
def test_a_log_can_be_folded_in_two_parts_cut_anywhere(seed: int, steps: int) -> None:
    events = e.decode_all(Wanderer(seed).walk(steps))
    whole = fold(events)
    for cut in range(1, len(events)):
        assert fold(events[cut:], fold(events[:cut])) == whole


@walks
@WALKS
def test_only_what_somebody_writes_reopens_a_run_that_is_over(seed: int, steps: int) -> None:
    events = e.decode_all(Wanderer(seed).walk(steps))
    run = fold(events[:1])
    for event in events[1:]:
        before, run = run, reduce(run, event)
        if before.status in FINISHED and run.status is not before.status:
            assert isinstance(event, e.MessageReceived), event


@walks
@WALKS
def test_nothing_that_may_have_happened_is_begun_again_unasked(seed: int, steps: int) -> None:
    """After a tool got lost, a person writes or says yes before that tool is begun again; and the
    model is never told that it failed."""
    events = e.decode_all(Wanderer(seed).walk(steps))
    run, lost = fold(events[:1]), set()
    for event in events[1:]:
        before, run = run, reduce(run, event)
        match event:
            case e.ToolOutcomeUnknown() if before.work.call:
                lost.add(before.work.call.tool)
                assert "failed" not in run.turns[-1].text
            case e.MessageReceived() | e.ApprovalAnswered():
                lost.clear()
            case e.ToolStarted() if run.work.call:
                assert run.work.call.tool not in lost
    keys = [event.key for event in events if isinstance(event, e.LateResultReceived)]
    assert len(keys) == len(set(keys))


@walks
@WALKS
def test_what_has_begun_comes_to_an_end(seed: int, steps: int) -> None:
    """No wake-up is lost on the way, and in the end everybody has got an outcome."""
    wanderer = Wanderer(seed)
    wanderer.walk(steps)
    wanderer.settle()
    run = wanderer.run
    assert not run.owes_an_outcome
    assert not (
        run.inbox.waiting
        or run.outbox.queue
        or run.inbox.commands
        or run.work.reply_to_approval
        or run.work.call_key
    )


# -- the codec -------------------------------------------------------------------------------------


def values(kind: Any, metadata: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Values of a field's type, whatever events will be made of."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return values(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        return st.one_of(*map(values, arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin in (dict, Mapping):
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return st.builds(
            kind,
            **{
                name: values(Annotated[(field.annotation, *field.metadata)])  # type: ignore[valid-type]
                if field.metadata
                else values(field.annotation)
                for name, field in kind.model_fields.items()
            },
        )
    bounds = {
        name: getattr(bound, name)
        for bound in metadata
        for name in ("ge", "gt", "le")
        if hasattr(bound, name)
    }
    least, most = bounds.get("ge", bounds.get("gt")), bounds.get("le")
    scalars: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(),
        bool: st.booleans(),
        int: st.integers(min_value=least),
        float: st.floats(
            min_value=least,
            max_value=most,
            exclude_min="gt" in bounds,
            allow_nan=False,
            allow_infinity=False,
        ),
        NoneType: st.none(),
        Any: st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2)
            ),
            max_leaves=4,
        ),
        object: st.text(),
    }
    return scalars[kind]


KINDS = get_args(get_args(e.Event)[0])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_is_read_as_it_was_written(kind: type[BaseModel]) -> None:
    @settings(WALKS, max_examples=30)
    @given(event=values(kind))
    def check(event: Any) -> None:
        written = e.encode(event)
        assert e.decode(written) == event
        assert e.encode(e.decode(written)) == written
        assert b"\n" not in written

    check()


# -- logs that are there already -------------------------------------------------------------------


@pytest.mark.parametrize("log", sorted(LOGS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_an_old_log_still_says_what_it_said(log: Path) -> None:
    """Logs as earlier versions wrote them, and the states to which these folded them. They are
    never changed; a field that is new since then does not count."""
    run = fold(e.decode_all(log.read_bytes().splitlines()))
    state = run_view(run).model_dump(mode="json") | {
        "turns": [list(turn) for turn in run.turns],
        "inbox": len(run.inbox.waiting),
    }
    recorded = json.loads(log.with_suffix(".json").read_text())
    assert since(recorded, state) == recorded


def since(recorded: Any, now: Any) -> Any:
    """`now` without the fields that `recorded` does not know."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        return {name: since(recorded[name], now.get(name)) for name in recorded}
    return now


def test_there_are_old_logs() -> None:
    assert len(list(LOGS.glob("*.jsonl"))) >= 10


def test_a_field_that_was_dropped_is_no_obstacle_and_any_other_is() -> None:
    """`traceparent` stands in logs of the first version."""
    launched = (LOGS / "plain.jsonl").read_bytes().splitlines()[0]
    assert b'"traceparent":""' in launched
    assert b"traceparent" not in e.encode(e.decode(launched))
    with pytest.raises(ValidationError):
        e.decode(launched.replace(b"traceparent", b"tracestate"))
