"""Runs as rows to train a model with. Pure; the training happens elsewhere (TRL, verl).

`sft`: the conversation and what the model should have written, in AdaCoT's form: a thought in a
think block, which is empty if no thought was needed. Only answers that turned out good become
rows.

`rl`: every answer with its reward, AdaCoT's penalties and AdaptThink's advantage (see
`thinking.rewards`), beside the values they were computed from. An unusable answer is worth
nothing, and less if its form was wrong. A doubted answer becomes no row, even if it was used in
the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from ponderd.workers.run import events as e
from ponderd.workers.thinking.ledger import CallEntry, Episode, Reward
from ponderd.workers.thinking.rewards import (
    REWARDS,
    adacot_reward,
    adaptthink_advantages,
    importance_weight,
)

Format = Literal["sft", "rl"]

Answered = e.ModelAnswered | e.ModelRejected

GOOD = 0.75
"""Least reward of an answer that is shown as an example."""


def completion_of(thought: str, content: str) -> str:
    """What a model with a think block writes. The block is empty if there was no thought."""
    return (
        f"<think>\n{thought.strip()}\n</think>\n\n{content}"
        if thought.strip()
        else (f"<think>\n\n</think>\n\n{content}")
    )


def needed(episode: Episode) -> bool | None:
    """Whether the question needs a thought, as far as its own calls show.

    False: an answer without a thought was good. True: such an answer was doubted or rejected,
    and a thought then gave another answer, which was good. None: the calls do not show it.
    """
    if episode.reward is None:
        return None
    last = episode.last
    if last.status != "ok":  # a doubted draft was the answer, or there was none
        return None
    good = episode.reward.value >= GOOD
    if last.decision.mode == "none":
        return False if good else None
    if episode.failed_silently and good:
        return not last.agrees
    return None


def reference_rewards(episodes: Iterable[Episode]) -> dict[str, float]:
    """AdaptThink's reference for each kind of call: the mean reward of answers with a thought."""
    sums: dict[str, list[float]] = {}
    for episode in episodes:
        last, reward = episode.last, episode.reward
        if reward is not None and last.decision.mode != "none" and last.status == "ok":
            sums.setdefault(episode.first.kind, []).append(reward.value)
    return {kind: sum(rewards) / len(rewards) for kind, rewards in sums.items()}


def rows(
    episode: Episode,
    answers: Mapping[str, Answered],
    prompts: Mapping[str, list[dict[str, Any]]],
    form: Format,
    references: Mapping[str, float],
) -> Iterator[dict[str, Any]]:
    """Training rows of one episode. `answers` and `prompts` (messages) are by the id of the
    call. A call without either is left out."""
    if episode.reward is None:
        return
    need = needed(episode)
    for entry in episode.calls:
        answer, prompt = answers.get(entry.id), prompts.get(entry.id)
        if answer is None or prompt is None or entry.status == "doubted":
            continue
        shown_empty = form == "sft" and need is False
        if entry.decision.mode != "none" and not answer.thought.strip() and not shown_empty:
            continue  # the thought was not kept, and an empty block would teach the wrong thing
        if form == "rl":
            yield _rl(episode.reward, entry, answer, prompt, need, references)
        elif episode.reward.value >= GOOD and isinstance(answer, e.ModelAnswered):
            yield _sft(entry, answer, prompt, need)


def _sft(
    entry: CallEntry, answer: e.ModelAnswered, prompt: list[dict[str, Any]], need: bool | None
) -> dict[str, Any]:
    thought = "" if need is False else answer.thought
    completion = completion_of(thought, answer.content)
    return {
        "messages": [*prompt, {"role": "assistant", "content": completion}],
        "thinking": bool(thought.strip()),
        "needed": need,
        "agent": entry.agent,
        "kind": entry.kind,
        "call": entry.id,
    }


def _rl(
    reward: Reward,
    entry: CallEntry,
    answer: Answered,
    prompt: list[dict[str, Any]],
    need: bool | None,
    references: Mapping[str, float],
) -> dict[str, Any]:
    base, well_formed, thought = reward.value, True, entry.decision.mode != "none"
    if isinstance(answer, e.ModelRejected):
        base, well_formed = REWARDS["unusable"], answer.reason == "failed_check"
    reference = references.get(entry.kind, base)
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
        "arm": entry.decision.arm,
        "probability": entry.decision.probability,
        "weight": importance_weight(entry.decision.probability),
        "tokens": entry.call.completion_tokens,
        "agent": entry.agent,
        "kind": entry.kind,
        "call": entry.id,
    }
