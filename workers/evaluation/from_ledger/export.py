"""Runs as rows to train a model with. Pure; training itself is done elsewhere (TRL, verl).

`sft`: the conversation and what the model should have written, in AdaCoT's form: a thought in a
think block, which is empty where none was needed. Only answers that turned out good are shown.
`rl`: every answer with its reward, AdaCoT's penalties and AdaptThink's advantage, see
`thinking.rewards`; what they were computed from stands beside them. One that was unusable is worth
nothing, and less where it had the wrong form. A doubted one is in no row, not even where
it stood in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from ponderd.workers.run import events as e
from ponderd.workers.thinking.ledger import CallEntry, Told
from ponderd.workers.thinking.rewards import (
    REWARDS,
    adacot_reward,
    adaptthink_advantages,
    importance_weight,
)

Format = Literal["sft", "rl"]

Said = e.ModelAnswered | e.ModelRejected

GOOD = 0.75
"""A reward from which an answer is shown as an example."""


def completion_of(thought: str, content: str) -> str:
    """What a model with a think block writes: an empty one where it did not think."""
    return (
        f"<think>\n{thought.strip()}\n</think>\n\n{content}"
        if thought.strip()
        else (f"<think>\n\n</think>\n\n{content}")
    )


def needed(told: Told) -> bool | None:
    """Whether the question needs a thought, as far as its own calls show: an answer without one
    was good, or one was doubted or rejected and a thought then said something else that was good.
    None: they do not show it."""
    if told.verdict is None:
        return None
    last = told.calls[-1]
    if last.verdict != "ok":  # the answer was a draft that stood, or there was none
        return None
    good = told.verdict.reward >= GOOD
    if last.mode == "none":
        return False if good else None
    silent = [call for call in told.calls[:-1] if call.mode == "none" and call.verdict != "ok"]
    if silent and good:
        return not last.agrees
    return None


def reference_rewards(told: Iterable[Told]) -> dict[str, float]:
    """By kind of call: the mean reward where it was thought about, AdaptThink's reference."""
    sums: dict[str, list[float]] = {}
    for one in told:
        last = one.calls[-1]
        if one.verdict is not None and last.mode != "none" and last.verdict == "ok":
            sums.setdefault(one.first.kind, []).append(one.verdict.reward)
    return {kind: sum(rewards) / len(rewards) for kind, rewards in sums.items()}


def rows(
    told: Told,
    answers: Mapping[str, Said],
    prompts: Mapping[str, list[dict[str, Any]]],
    form: Format,
    references: Mapping[str, float],
) -> Iterator[dict[str, Any]]:
    """Training rows of one episode. `answers` and `prompts` (messages) by the id of the call;
    calls of which either is missing are left out."""
    if told.verdict is None:
        return
    need = needed(told)
    for call in told.calls:
        answer, prompt = answers.get(call.id), prompts.get(call.id)
        if answer is None or prompt is None or call.verdict == "doubted":
            continue
        shown_empty = form == "sft" and need is False
        if call.mode != "none" and not answer.thought.strip() and not shown_empty:
            continue  # it was not kept: an empty block would teach the wrong thing
        if form == "rl":
            yield _rl(told, call, answer, prompt, need, references)
        elif told.verdict.reward >= GOOD and isinstance(answer, e.ModelAnswered):
            yield _sft(call, answer, prompt, need)


def _sft(
    call: CallEntry, answer: e.ModelAnswered, prompt: list[dict[str, Any]], need: bool | None
) -> dict[str, Any]:
    thought = "" if need is False else answer.thought
    completion = completion_of(thought, answer.content)
    return {
        "messages": [*prompt, {"role": "assistant", "content": completion}],
        "thinking": bool(thought.strip()),
        "needed": need,
        "agent": call.agent,
        "kind": call.kind,
        "call": call.id,
    }


def _rl(
    told: Told,
    call: CallEntry,
    answer: Said,
    prompt: list[dict[str, Any]],
    need: bool | None,
    references: Mapping[str, float],
) -> dict[str, Any]:
    assert told.verdict is not None
    base, well_formed, thought = told.verdict.reward, True, call.mode != "none"
    if isinstance(answer, e.ModelRejected):
        base, well_formed = REWARDS["unusable"], answer.reason == "failed_check"
    reference = references.get(call.kind, base)
    (advantage,) = adaptthink_advantages([base], [thought], reference)
    return {
        "prompt": prompt,
        "completion": completion_of(answer.thought, answer.content),
        "base_reward": base,
        "needed": need,
        "well_formed": well_formed,
        "reward": adacot_reward(base, thought=thought, needed=need, well_formed=well_formed),
        "advantage": advantage,
        "reference_reward": reference,
        "thinking": thought,
        "arm": call.arm,
        "probability": call.probability,
        "weight": importance_weight(call.probability),
        "tokens": call.completion_tokens,
        "agent": call.agent,
        "kind": call.kind,
        "call": call.id,
    }
